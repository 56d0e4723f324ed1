"""What becomes of the HTML of an output."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.publish import clean


@pytest.mark.parametrize(
    ("hostile", "forbidden"),
    [
        ("<script>alert(1)</script>", "<script"),
        ("<p>a<ScRiPt src=//evil.example>b</script>c", "<script"),
        ("<img src=x onerror=alert(1)>", "<img"),
        ("<table><tr><td onclick=alert(1)>x</td></tr></table>", "onclick"),
        ("<a href='javascript:alert(1)'>x</a>", "javascript:"),
        ("<a href='data:text/html,x'>x</a>", "data:"),
        ("<p style='background:url(//evil.example)'>x</p>", "url("),
        ("<p style='position:fixed;inset:0'>x</p>", "position"),
        ("<svg><script>alert(1)</script></svg>", "<script"),
        ("<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>", "<img"),
        ("<iframe srcdoc='<script>alert(1)</script>'></iframe>", "<iframe"),
        ("<form action=//evil.example><input name=a></form>", "<form"),
        ("<meta http-equiv=refresh content='0;url=//evil.example'>", "<meta"),
        ("<link rel=stylesheet href=//evil.example>", "<link"),
        ("<p id=figures>x</p>", "id="),
    ],
)
def test_nothing_that_runs_or_loads_comes_through(hostile: str, forbidden: str) -> None:
    assert forbidden not in clean.output(hostile).lower()


def test_a_script_is_shown_as_text_and_what_stands_around_it_stays() -> None:
    assert clean.output("<p>a<script>alert(1)</script>b</p>") == (
        "<p>a<code>&lt;script&gt;alert(1)&lt;/script&gt;</code>b</p>"
    )


def test_plain_text_stays_plain_text() -> None:
    assert clean.output("a &lt; b &amp; c") == "a &lt; b &amp; c"


@given(st.text(alphabet="<>/=\"'& abscripttable0123456789!-", max_size=200))
def test_any_text_is_cleaned_without_an_error_and_cleaning_again_changes_nothing(text: str) -> None:
    once = clean.output(text)
    assert "<script" not in once.lower()
    assert clean.clean(once) == once


def table(frame: pd.DataFrame) -> str:
    return clean.output(frame.to_html())


def test_pandas_header_cells_say_what_they_head() -> None:
    html = table(pd.DataFrame({"a": ["x"]}, index=["first"]))
    assert 'scope="col"' in html
    assert '<th scope="row">first</th>' in html


def test_the_row_counter_of_a_frame_is_left_out_but_an_index_that_tells_something_stays() -> None:
    assert ">0<" not in table(pd.DataFrame({"a": ["x"], "b": ["y"]}))
    assert ">7<" in table(pd.DataFrame({"a": ["x"]}, index=[7]))
    assert ">gmail<" in table(pd.DataFrame({"a": ["x"]}, index=pd.Index(["gmail"], name="provider")))


@pytest.mark.parametrize(
    ("values", "aligned"),
    [
        ([1, 20_000], True),
        (["1,200", "38.1%"], True),
        ([0.5, None], True),
        ([-1, 1e-9], True),
        (["203.0.113.10", "203.0.113.20"], False),
        (["5.7.26"], False),
        (["a", "1"], False),
        ([None, None], False),
    ],
)
def test_columns_of_numbers_stand_right(values: list[object], aligned: bool) -> None:
    assert ("number" in table(pd.DataFrame({"name": ["n"] * len(values), "value": values}))) is aligned


def test_a_sentence_is_given_room() -> None:
    with pd.option_context("display.max_colwidth", None):
        html = table(
            pd.DataFrame({"short": ["no such user"], "said": ["550 5.1.1 " + "the address is not known here " * 3]})
        )
    assert html.count('class="long"') == 1


def test_what_is_absent_is_a_dash_and_times_are_short() -> None:
    html = table(pd.DataFrame({"t": pd.to_datetime(["2026-11-16 06:00:00+00:00", None], utc=True)}))
    assert "2026-11-16 06:00:00 UTC" in html
    assert ">–<" in html
    assert "NaT" not in html


def test_the_name_of_an_index_stands_above_it() -> None:
    frame = pd.DataFrame({"lost": [1]}, index=pd.Index(["tickets"], name="stream"))
    html = table(frame.rename_axis(columns="outcome"))
    assert html.count("<tr>") == 2
    assert ">stream</th>" in html


def test_an_empty_frame_says_none() -> None:
    assert ">none</td>" in table(pd.DataFrame({"file": [], "line": []}))


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("share", 0.3804, ">38.0%<"),
        ("lost_share", 1.0, ">100.0%<"),
        ("shares", 0.5, ">0.5<"),
        ("share", 17.5, ">17.5<"),
        ("confirmed", True, ">yes<"),
        ("aligned", 0.5, ">50.0%<"),
        ("recipients", 12_766, ">12,766<"),
        ("serial", 2026111001, ">2026111001<"),
        ("first", pd.Timestamp("2026-11-16T00:00:00Z"), ">2026-11-16<"),
        ("enhanced_code", "5.1.1", ">enhanced code</th>"),
        ("code", "logs.recipient_domain.null_mx", ">logs.<wbr>recipient_<wbr>domain.<wbr>null_<wbr>mx<"),
        ("title", "a.example and b.example", ">a.example and b.example<"),  # short words stay whole
        ("severity", "low", "smtplab-low"),
        ("severity", "<b>", "&lt;b&gt;"),
    ],
)
def test_values_are_shown_as_people_write_them(column: str, value: object, shown: str) -> None:
    assert shown in table(pd.DataFrame({column: [value], "other": ["x"]}))
