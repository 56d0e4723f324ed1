"""What is declared agrees: pyproject.toml, environment.yml, constraints.txt, the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = [Requirement(t) for t in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"])]
CONDA = {"python-isal": "isal"}
"""Packages that conda knows by another name."""
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())


def test_conda_users_get_the_same_packages_and_bounds() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = {
        (CONDA.get(r.name, r.name), str(r.specifier))
        for r in map(Requirement, listed)
        if r.name not in ("python", "pip")
    }
    assert conda == {(r.name, str(r.specifier)) for r in REQUIRED}
    assert f"python{PROJECT['requires-python']}" in listed


@pytest.mark.parametrize("line", (ROOT / "constraints.txt").read_text().splitlines())
def test_a_constraint_is_a_name_and_a_version(line: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][0-9A-Za-z.+]*", line)


@pytest.mark.parametrize("wanted", REQUIRED, ids=lambda r: r.name)
def test_what_is_wanted_is_pinned_within_its_bounds_and_installed_so(wanted: Requirement) -> None:
    assert wanted.specifier.contains(PINS[wanted.name])
    assert version(wanted.name) == PINS[wanted.name]


@pytest.mark.parametrize("name", ["jupyterlab", "pandas", "dnspython", "plotly", "nbval"])
def test_the_tools_of_the_workbook_are_dependencies(name: str) -> None:
    assert name in {r.name for r in REQUIRED}


@pytest.mark.slow
def test_a_wheel_carries_notebooks_and_data_and_stays_small(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 2_000_000
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"smtplab/notebooks/{p.name}" for p in (ROOT / "notebooks").glob("*.ipynb")}
    wanted |= {p.relative_to(ROOT).as_posix() for p in (ROOT / "smtplab").rglob("*.toml")}
    assert wanted
    assert not wanted - held
