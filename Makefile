# `make help` lists the targets. Needs Python 3.11 or newer, git and make; everything else goes into .venv.
PYTHON ?= python3
CASE ?= data/cases/meridian
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help report test jupyter notebooks bench fuzz clean

help:  ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up .venv (about a minute, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "smtplab needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

report: $(STAMP)  ## the report of the bundled case, or of CASE=DIR, as reports/NAME.html
	@$(BIN)/smtplab report "$(CASE)"

test: $(STAMP)  ## everything: lint, format, types, tests, notebooks
	@BIN="$(CURDIR)/$(BIN)" sh tests/run.sh

jupyter: $(STAMP)  ## JupyterLab at the first chapter
	@$(BIN)/jupyter lab notebooks/00_start_here.ipynb

notebooks: $(STAMP)  ## run every chapter and store its outputs
	@$(BIN)/python -m nbconvert --to notebook --execute --inplace --log-level WARN notebooks/*.ipynb
	@$(BIN)/python tests/tidy_notebooks.py notebooks/*.ipynb

bench: $(STAMP)  ## every benchmark, ours beside a peer
	@for file in benchmarks/[a-z]*.py; do $(BIN)/python $$file || exit 1; done

fuzz: $(STAMP)  ## a hundred thousand damaged bounces; COUNT=N for more or fewer
	@$(BIN)/python -m tests.bounces.fuzz $(or $(COUNT),100000)

clean:  ## remove .venv, reports and caches
	@rm -rf $(VENV) reports .mypy_cache .ruff_cache .pytest_cache data/cases/*/cache
