"""The catalogue and the code name the same findings, both ways."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

import smtplab
from smtplab.findings import catalogue
from smtplab.tables import schemas

PACKAGE = Path(smtplab.__file__).parent


def raised_in_the_source() -> set[str]:
    codes = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if name == "Finding":
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Attribute) and first.attr == "code":
                    # A rule of a data file names the code.
                    continue
                choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                for choice in choices:
                    assert isinstance(choice, ast.Constant), f"{file.name}:{node.lineno}: the code must be a literal"
                    codes.add(choice.value)
    rules = tomllib.loads((PACKAGE / "data" / "configuration_rules.toml").read_text("utf-8"))["rule"]
    return codes | {rule["code"] for rule in rules}


def test_every_code_raised_is_in_the_catalogue_and_every_entry_can_be_raised() -> None:
    raised, entries = raised_in_the_source(), set(catalogue())
    assert raised - entries == set()
    assert entries - raised == set()


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_what_an_entry_explains_names_columns_that_exist(code: str) -> None:
    for explains in catalogue()[code].explains:
        columns = {c.name for c in schemas()[explains.table].columns}
        assert set(explains.key) <= columns
        assert explains.key, "a cause needs a key that both sides share"
