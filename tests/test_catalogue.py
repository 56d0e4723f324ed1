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
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if name == "Finding":
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Attribute) and first.attr == "code":
                    # A rule of the data file below names the code.
                    continue
                if isinstance(first, ast.Name):
                    codes |= named_in_a_table(tree, first.id)
                    continue
                choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                for choice in choices:
                    assert isinstance(choice, ast.Constant), f"{file.name}:{node.lineno}: the code must be a literal"
                    codes.add(choice.value)
    rules = tomllib.loads((PACKAGE / "data" / "configuration_rules.toml").read_text("utf-8"))["rule"]
    return codes | {rule["code"] for rule in rules}


def named_in_a_table(tree: ast.Module, name: str) -> set[str]:
    """Codes of the module's table CODES, and those that the variable is given by name."""
    given = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name):
            if target.id == "CODES" and isinstance(node.value, ast.Dict):
                given |= {v.value for v in node.value.values if isinstance(v, ast.Constant)}
            elif target.id == name and isinstance(node.value, ast.Constant):
                given.add(node.value.value)
    assert given, "the code must be a literal, or stand in the module's table CODES"
    return given


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
