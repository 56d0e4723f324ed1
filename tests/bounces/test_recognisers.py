"""Each way in which a report names its recipients, each heading, each mark, by its own example; and some sixty families."""

from __future__ import annotations

import pytest

from smtplab import bounces
from smtplab.bounces import autoreply, formats, recognisers, vocabulary
from smtplab.bounces.letter import Letter, Recogniser
from smtplab.bounces.message import outside, read
from smtplab.bounces.recognisers import sections
from tests.bounces.families import FAMILIES, LOST, SENTENCES, Row


@pytest.mark.parametrize("one", recognisers.ALL, ids=lambda r: r.name)
def test_a_recogniser_takes_its_example(one: Recogniser) -> None:
    message = read(f"From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\n{one.example}".encode())
    assert [r.address for r in one.read(Letter(message, outside(message)), "bounce")] == ["lost@example.net"]


@pytest.mark.parametrize("row", sections.table()["heading"], ids=lambda r: r["name"])
def test_a_heading_knows_its_example(row: dict[str, str]) -> None:
    index = [r["name"] for r in sections.table()["heading"]].index(row["name"])
    assert index in sections.headings().Match(row["example"])


@pytest.mark.parametrize("row", sections.table()["format"], ids=lambda r: r["name"])
def test_a_program_is_known_by_its_example(row: dict[str, str]) -> None:
    assert formats.agent(row["example"]) == row["name"]


@pytest.mark.parametrize("row", autoreply.languages(), ids=lambda r: r["code"])
def test_a_language_of_auto_replies_knows_its_example(row: dict[str, str]) -> None:
    message = f"From: a@b.example\nIn-Reply-To: <x@y>\nSubject: {row['example']}\n\n-\n"
    assert bounces.sort(message.encode()).kind == "auto-reply"


def test_every_list_of_words_compiles() -> None:
    for sign in vocabulary.lists():
        assert vocabulary.pattern(sign).search("") is None or True
        assert isinstance(vocabulary.has(sign, "plain words"), bool)


@pytest.mark.parametrize("row", FAMILIES, ids=lambda r: r[0])
def test_a_family_is_read_with_recipients_and_reasons(row: Row) -> None:
    _, head, body, wanted = row
    text = f"{head}\nTo: a@b.example\nDate: Mon, 2 Nov 2026 10:00:00 +0100\nContent-Type: text/plain; charset=utf-8\n\n{body}"
    answer = bounces.sort(text.encode())
    assert answer.kind == "bounce"
    told = {r["recipient"]: r["diagnostic"] or "" for r in answer.rows}
    assert set(told) == set(wanted)
    for address, word in wanted.items():
        assert word in told[address]


@pytest.mark.parametrize("body", SENTENCES)
def test_a_notice_in_few_words_names_its_recipient(body: str) -> None:
    head = "From: MAILER-DAEMON@mx.example\nTo: a@b.example\nSubject: Undelivered mail"
    answer = bounces.sort(f"{head}\nContent-Type: text/plain; charset=utf-8\n\n{body}".encode())
    assert answer.kind in ("bounce", "delay")
    assert [r["recipient"] for r in answer.rows] == [LOST]
