"""Static tables: escaped, complete, and nothing in them that runs."""

from __future__ import annotations

import pandas as pd
import pytest

from smtplab import markup
from smtplab.findings import Finding

HOSTILE = "<script>alert('x')</script>"
FINDING = {
    "severity": "high",
    "code": HOSTILE,
    "subject": HOSTILE,
    "title": HOSTILE,
    "why": HOSTILE,
    "fix": HOSTILE,
    "record": HOSTILE,
    "standard": HOSTILE,
    "evidence": [HOSTILE] * 6,
}


def test_every_part_of_a_finding_is_text() -> None:
    html = markup.findings_table([FINDING])
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 7 + markup._MOST_EVIDENCE


def test_severity_is_told_in_words_and_more_evidence_is_counted() -> None:
    html = markup.findings_table([FINDING])
    assert ">high</span>" in html
    assert "and 2 more" in html
    assert "1 finding: 1 high" in html


def test_a_record_is_never_cut() -> None:
    record = "v=spf1 " + "ip4:192.0.2.0/24 " * 200 + "-all"
    assert record in markup.findings_table([{**FINDING, "record": record}])


def test_no_findings_is_a_sentence() -> None:
    assert "No findings" in markup.findings_table([])


@pytest.mark.parametrize(
    ("severities", "words"),
    [
        ([], "0 findings"),
        (["ok"], "1 finding: 1 ok"),
        (["ok", "critical", "ok"], "3 findings: 1 critical, 2 ok"),
    ],
)
def test_tally_counts_worst_first(severities: list[str], words: str) -> None:
    assert markup.tally(severities) == words


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("n", 1234567, "1,234,567"),
        ("share", 0.381, "38.1%"),
        ("delay", 1234.5, "1,234"),
        ("delay", 2.0, "2"),
        ("delay", 0.12345, "0.1235"),
        ("text", HOSTILE, "&lt;script&gt;"),
        ("text", None, "–"),
        ("time", pd.Timestamp("2026-11-16 06:00", tz="UTC"), "2026-11-16 06:00:00 UTC"),
        ("gain_at_most", 1, "gain at most"),
    ],
)
def test_cells_are_shown_as_people_write_them(column: str, value: object, shown: str) -> None:
    assert shown in markup.frame_table(pd.DataFrame({column: [value]}))


def test_rows_beyond_the_limit_are_counted() -> None:
    html = markup.frame_table(pd.DataFrame({"n": range(10)}), caption="<ten>", limit=4)
    assert "and 6 more rows" in html
    assert "&lt;ten&gt;" in html


@pytest.mark.parametrize("hidden", ["\x1b", "\x00", "\x9b", "\u202e", "\u2066", "\u200f"])
def test_nothing_in_a_strangers_text_drives_a_terminal_or_turns_a_line(hidden: str) -> None:
    finding = {**FINDING, "title": f"a{hidden}b", "record": f"c{hidden}d"}
    frame = pd.DataFrame({"x": [f"e{hidden}f"]})
    made = [markup.findings_table([finding]), markup.frame_table(frame), repr(markup.show(frame))]
    assert not any(hidden in text for text in made)
    assert "a\ufffdb" in made[0]
    assert "c\ufffdd" in made[0]
    assert "e\ufffdf" in made[1]
    told = Finding("bimi.missing", f"a{hidden}b.example", domain=f"a{hidden}b.example")
    assert hidden not in repr(told)


def test_lines_of_a_record_stay_lines() -> None:
    assert markup.visible("a\n\tb\u200dc") == "a\n\tb\u200dc"
