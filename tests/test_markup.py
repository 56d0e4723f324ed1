"""Static tables: escaped, complete, and nothing in them that runs."""

from __future__ import annotations

import pandas as pd
import pytest

from smtplab import markup
from smtplab.findings import Finding
from smtplab.visible import visible

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


def test_a_command_in_a_fix_is_set_as_code_and_stays_text() -> None:
    html = markup.remedy({"fix": "Look at `postqueue -p <x>`, not at ` alone."})
    assert "<code>postqueue -p &lt;x&gt;</code>, not at ` alone." in html


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
        ("lost_rate", 0.0667, "6.7%"),
        ("gone_high", 0.00012, "0.01%"),
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


@pytest.mark.parametrize("hidden", ["\x1b", "\x00", "\x9b", "\u202e", "\u2066", "\u200f", "\u200b", "\ufeff", "\xad"])
def test_nothing_in_a_strangers_text_drives_a_terminal_or_turns_a_line(hidden: str) -> None:
    finding = {**FINDING, "title": f"a{hidden}b", "record": f"c{hidden}d"}
    frame = pd.DataFrame({"x": [f"e{hidden}f"]})
    made = [markup.findings_table([finding]), markup.frame_table(frame), repr(markup.show(frame))]
    assert not any(hidden in text for text in made)
    spelt = f"&lt;U+{ord(hidden):04X}&gt;"
    assert f"a{spelt}b" in made[0]
    assert f"c{spelt}d" in made[0]
    assert f"e{spelt}f" in made[1]
    assert f"e<U+{ord(hidden):04X}>f" in made[2]
    told = Finding("bimi.missing", f"a{hidden}b.example", domain=f"a{hidden}b.example")
    assert hidden not in repr(told)


def test_lines_of_a_record_stay_lines() -> None:
    assert visible("a\n\tb") == "a\n\tb"


def test_joiners_stay_in_scripts_that_need_them_and_show_elsewhere() -> None:
    for text in ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\U0001f33e"):
        assert visible(text) == text
    assert visible("an\u200dna@x.example") == "an<U+200D>na@x.example"
    assert visible("\u200c") == "<U+200C>"
