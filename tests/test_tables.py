"""Tables have the schema's columns, types and order, and say which value does not fit."""

from __future__ import annotations

import pandas as pd
import pytest

from smtplab.errors import SmtplabError
from smtplab.tables import DTYPES, conform, empty, schemas


@pytest.mark.parametrize("name", sorted(schemas()))
def test_an_empty_table_has_every_column_with_its_type(name: str) -> None:
    frame = empty(name)
    assert list(frame.columns) == [c.name for c in schemas()[name].columns]
    assert [str(t) for t in frame.dtypes] == [DTYPES[c.kind] for c in schemas()[name].columns]
    assert set(schemas()[name].sort) <= set(frame.columns)


def test_absent_is_na_and_rows_are_sorted() -> None:
    frame = conform("problems", [{"file": "b", "line": 2}, {"file": "a", "what": "x"}])
    assert frame["file"].tolist() == ["a", "b"]
    assert frame["line"].isna().tolist() == [True, False]
    assert pd.isna(frame["what"][1])


def test_an_unknown_column_is_refused_by_name() -> None:
    with pytest.raises(SmtplabError, match="no column colour"):
        conform("problems", [{"colour": "red"}])


def test_a_value_that_does_not_fit_names_the_column() -> None:
    with pytest.raises(SmtplabError, match=r"problems\.line"):
        conform("problems", [{"line": "many"}])
