"""Confidence is measured: the table is what its command makes, and what is stated is near to what was observed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from smtplab import replies
from smtplab.replies import confidence
from smtplab.replies.confidence import Evidence, Standing

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "reliability.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reliability", BENCHMARK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_kind_of_evidence_has_its_figure() -> None:
    for evidence in Evidence:
        for standing in Standing:
            assert 0 <= confidence.of(evidence, standing) <= 1
    assert confidence.of(Evidence.NONE, Standing.ALONE) == 0
    assert confidence.of(Evidence.TEXT, Standing.CONFIRMED) > confidence.of(Evidence.TEXT, Standing.CONTRADICTED)


def test_what_is_stated_is_near_to_what_was_observed() -> None:
    table = replies.reliability()
    assert list(table.columns) == ["stated", "observed", "n"]
    assert table["n"].sum() > 300
    off = ((table["stated"] - table["observed"]).abs() * table["n"]).sum() / table["n"].sum()
    assert off < 0.03
    sound = table[table["n"] >= 15]
    assert ((sound["stated"] - sound["observed"]).abs() < 0.08).all()


def test_the_table_is_what_its_command_makes(
    corpora: Path, benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public bounces: right with all rules, right without the rules that only one family needed, and the figures."""
    monkeypatch.setenv("SMTPLAB_CORPORA", str(corpora))
    answers = benchmark.judged(list(benchmark.labelled()))
    full = sum(a.full == a.wanted for a in answers) / len(answers)
    left_out = sum(a.reason == a.wanted for a in answers) / len(answers)
    assert full >= 0.95
    assert left_out >= 0.86
    made = benchmark.worth(answers)
    for name, committed in confidence.measured()["confidence"].items():
        assert made[name] == pytest.approx(committed, abs=0.002), name
