"""Postfix lines and provider events become deliveries and final outcomes, and nothing is silently lost."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from smtplab import logs
from smtplab.case import Case
from smtplab.errors import SourceError

TOML = """version = 1
domains = ["meridian.example"]
as_of = 2026-01-05T00:00:00Z
[sources]
logs = ["sources/logs/*"]
events = ["sources/events/*"]
[[hosts]]
name = "out1.meridian.example"
addresses = ["198.51.100.11"]
roles = ["outbound"]
[[streams]]
name = "tickets"
late_after = "30m"
match = { sender = "tickets@meridian.example" }
[[streams]]
name = "newsletter"
match = { category = "autumn" }
sets = { dkim_domain = "meridian.example", dkim_selector = "pr1" }
"""
HEAD = "Dec 31 23:59:0{s} out1 postfix/{p}[7]: {t}"


def line(program: str, text: str, second: int = 1) -> str:
    return HEAD.format(s=second, p=program, t=text)


def delivery(queue_id: str, to: str, status: str, dsn: str, reply: str, when: str = "Jan  1 00:50:00") -> str:
    return (
        f"{when} out1 postfix/smtp[9]: {queue_id}: to=<{to}>, relay=mx.goodpost.example[203.0.113.40]:25, "
        f"delay=3.2, delays=0.1/0/2/1.1, dsn={dsn}, status={status} ({reply})"
    )


def queued(queue_id: str, sender: str = "tickets@meridian.example") -> list[str]:
    return [
        line("cleanup", f"{queue_id}: message-id=<{queue_id}@meridian.example>"),
        line("qmgr", f"{queue_id}: from=<{sender}>, size=900, nrcpt=1 (queue active)"),
    ]


@pytest.fixture
def case(tmp_path: Path) -> Path:
    for name in ("logs", "events"):
        (tmp_path / "sources" / name).mkdir(parents=True)
    (tmp_path / "case.toml").write_text(TOML)
    return tmp_path


def read(case: Path, *lines: str) -> logs.LogEvidence:
    (case / "sources" / "logs" / "mail.log.gz").write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))
    return logs.read(Case.open(case))


def test_the_year_of_a_stamp_is_the_latest_that_is_not_ahead_of_the_case(case: Path) -> None:
    deliveries = read(
        case, *queued("4abcd12345"), delivery("4abcd12345", "a@Gmail.com", "sent", "2.0.0", "250 ok")
    ).deliveries
    row = deliveries.iloc[0]
    assert (row["time"].year, row["recipient"], row["provider"], row["source_ip"]) == (
        2026,
        "a@gmail.com",
        "gmail",
        "198.51.100.11",
    )
    assert read(case, *queued("4abcd12345")).messages["time"].iloc[0].year == 2025


@pytest.mark.parametrize(
    ("lines", "outcome", "attempts"),
    [
        ([delivery("4abcd12345", "a@x.example", "sent", "2.0.0", "250 ok")], "late", 1),
        ([delivery("4abcd12345", "a@x.example", "sent", "2.0.0", "250 ok", "Jan  1 00:05:00")], "accepted", 1),
        ([delivery("4abcd12345", "a@x.example", "bounced", "5.1.1", "host x said: 550 5.1.1 unknown")], "lost", 1),
        ([delivery("4abcd12345", "a@x.example", "deferred", "4.2.2", "452 4.2.2 full")], "pending", 1),
        (
            [
                delivery("4abcd12345", "a@x.example", "deferred", "4.2.2", "452 4.2.2 full"),
                delivery("4abcd12345", "a@x.example", "deferred", "4.2.2", "452 4.2.2 full", "Jan  2 00:00:00"),
                "Jan  2 00:00:01 out1 postfix/qmgr[7]: 4abcd12345: from=<tickets@meridian.example>, status=expired, returned to sender",
            ],
            "lost",
            2,
        ),
    ],
)
def test_a_recipient_has_one_final_outcome(case: Path, lines: list[str], outcome: str, attempts: int) -> None:
    rows = read(case, *queued("4abcd12345"), *lines).outcomes
    assert rows[["outcome", "attempts", "stream"]].values.tolist() == [[outcome, attempts, "tickets"]]


def test_recipients_count_where_the_log_names_no_sender_and_not_where_it_is_the_null_sender(case: Path) -> None:
    sent = delivery("4abcd12345", "a@x.example", "sent", "2.0.0", "250 ok")
    # Lines of smtp alone, as `grep status=` leaves them.
    assert read(case, sent).outcomes[["recipient", "outcome"]].values.tolist() == [["a@x.example", "accepted"]]
    assert read(case, *queued("4abcd12345", sender=""), sent).outcomes.empty


TAKEN, REFUSED = ("sent", "2.0.0", "250 ok"), ("bounced", "5.1.1", "550 5.1.1 unknown")
HELD = ("deferred", "4.2.2", "452 4.2.2 full")
GONE = "Jan  4 00:51:00 out1 postfix/qmgr[7]: 4abcd12345: {}"
EXPIRED = GONE.format("from=<tickets@meridian.example>, status=expired, returned to sender")


@pytest.mark.parametrize(
    ("tries", "end", "outcome"),
    [
        ([("a", TAKEN), ("b", TAKEN)], "removed", "accepted"),
        ([("a", HELD), ("a", TAKEN)], "removed", "accepted"),
        ([("a", REFUSED), ("b", REFUSED)], "removed", "bounced"),
        ([("a", TAKEN), ("b", REFUSED)], "removed", "mixed"),
        ([("a", TAKEN), ("b", HELD)], EXPIRED, "expired"),
        ([("a", HELD)], "", "pending"),
        # Deleted by hand, or its attempts stand in a log that is not there.
        ([("a", HELD)], "removed", "removed"),
        ([], "removed", "removed"),
    ],
)
def test_a_message_ends_as_its_recipients_do(
    case: Path, tries: list[tuple[str, tuple[str, str, str]]], end: str, outcome: str
) -> None:
    lines = [delivery("4abcd12345", f"{name}@x.example", *how) for name, how in tries]
    gone = [end, GONE.format("removed")] if end == EXPIRED else [GONE.format("removed")] if end else []
    assert read(case, *queued("4abcd12345"), *lines, *gone).messages["outcome"].tolist() == [outcome]


def test_a_queue_id_used_again_after_removal_is_another_message(case: Path) -> None:
    one = [*queued("4abcd12345"), delivery("4abcd12345", "a@x.example", "sent", "2.0.0", "250 ok")]
    gone = "Jan  1 00:51:00 out1 postfix/qmgr[7]: 4abcd12345: removed"
    two = [
        "Jan  2 00:00:00 out1 postfix/qmgr[7]: 4abcd12345: from=<billing@meridian.example>, size=1, nrcpt=1 (queue active)",
        delivery("4abcd12345", "b@x.example", "sent", "2.0.0", "250 ok", "Jan  2 00:00:01"),
    ]
    evidence = read(case, *one, gone, *two)
    assert evidence.messages["sender"].tolist() == ["tickets@meridian.example", "billing@meridian.example"]


def test_a_queue_id_after_days_of_silence_is_another_message(case: Path) -> None:
    one = [*queued("4abcd12345"), delivery("4abcd12345", "a@x.example", "deferred", "4.2.2", "452 4.2.2 full")]
    late = [x.replace("Dec 31", "Jan  6").replace("Jan  1", "Jan  6") for x in one]
    assert len(read(case, *one, *late).messages) == 2


def test_a_reply_cut_by_syslog_still_counts_and_an_address_probe_does_not(case: Path) -> None:
    cut = delivery("4abcd12345", "a@x.example", "bounced", "5.1.1", "host x said: 550 5.1.1 unknown")[:-4]
    probe = delivery("4abcd12345", "b@x.example", "undeliverable", "5.1.1", "550 5.1.1 unknown")
    evidence = read(case, *queued("4abcd12345"), cut, probe)
    assert evidence.outcomes[["recipient", "reason"]].values.tolist() == [["a@x.example", "userunknown"]]


def test_refused_commands_are_rejections(case: Path) -> None:
    reject = (
        "NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 554 5.7.1 <b@x.example>: Relay access denied; "
        "from=<a@y.example> to=<b@x.example> proto=ESMTP helo=<h>"
    )
    row = read(case, line("smtpd", reject)).rejections.iloc[0]
    assert row[["stage", "client_ip", "helo", "sender", "recipient", "smtp_code", "reason"]].tolist() == [
        "RCPT", "203.0.113.9", "h", "a@y.example", "b@x.example", 554, "norelaying",
    ]  # fmt: skip


def test_hostile_and_foreign_lines_are_counted_not_raised(case: Path) -> None:
    evidence = read(
        case,
        "x" * 200_000,
        "\x00\xff garbage",
        "Feb 30 00:00:00 h postfix/smtp[1]: x",
        line("smtp", "quite new 17 words"),
    )
    assert evidence.outcomes.empty
    assert evidence.problems["records"].sum() == 4


PACKER = zlib.compressobj(wbits=31)
PACKED = PACKER.compress(f"{line('smtp', 'connect to h: timed out')}\n".encode()) + PACKER.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"%PDF-1.4 no gzip at all\n", "no line is a mail log line", id="another format"),
        pytest.param(PACKED, "cannot be read on: Compressed file ended", id="cut short"),
        pytest.param(PACKED + b"\x07", "cannot be read on: the packed data are damaged", id="damaged"),
    ],
)
def test_a_file_that_is_not_whole_costs_only_its_rest_and_is_told(case: Path, content: bytes, says: str) -> None:
    (case / "sources" / "logs" / "b.log.gz").write_bytes(content)
    evidence = read(case, *queued("4abcd12345"))
    assert evidence.problems["file"].tolist() == ["sources/logs/b.log.gz"]
    assert evidence.problems["what"][0].startswith(says)
    assert len(evidence.messages) == 1


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["maillog-20260101", "mail.log.1", "mail.log.gz"])
def test_a_log_is_unpacked_by_what_it_is_whatever_its_name(
    case: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    (case / "sources" / "logs" / name).write_bytes(pack("\n".join(queued("4abcd12345")).encode()))
    assert len(logs.read(Case.open(case)).messages) == 1


def test_a_file_that_no_pattern_of_the_case_names_is_told(case: Path) -> None:
    toml = (case / "case.toml").read_text()
    (case / "case.toml").write_text(toml.replace('"sources/logs/*"', '"sources/logs/*.gz"'))
    folder = case / "sources" / "logs"
    assert read(case, *queued("4abcd12345")).problems.empty
    (folder / "mail.log.zst").write_bytes(b"x")
    (folder / "old").mkdir()
    assert read(case, *queued("4abcd12345")).problems["file"].tolist() == ["sources/logs/mail.log.zst"]
    (folder / "old" / "mail.log").write_text("x")
    problems = read(case, *queued("4abcd12345")).problems
    assert problems["file"].tolist() == ["sources/logs/mail.log.zst", "sources/logs/old"]
    assert problems["what"].str.startswith("not read: no pattern of sources in case.toml").all()


def test_a_log_of_other_programs_only_is_refused(case: Path) -> None:
    (case / "sources" / "logs" / "syslog").write_text("Jan  1 00:00:00 h cron[1]: x\n")
    with pytest.raises(SourceError, match="sources/logs/syslog: no line of a mail program"):
        logs.read(Case.open(case))


def test_provider_events_are_outcomes_with_their_campaign(case: Path) -> None:
    base = {
        "email": "a@gmail.com",
        "timestamp": 1_767_000_000,
        "smtp-id": "<1@pr>",
        "category": ["autumn"],
        "ip": "203.0.113.100",
    }
    events = [
        {**base, "event": "processed"},
        {**base, "event": "bounce", "type": "blocked", "reason": "550-5.7.26 unauthenticated"},
        {**base, "email": "b@gmail.com", "event": "delivered", "response": "250 ok"},
        {**base, "email": "b@gmail.com", "event": "spamreport"},
    ]
    (case / "sources" / "events" / "e.jsonl").write_text("\n".join(map(json.dumps, events)) + "\n[not json\n")
    evidence = read(case)
    rows = evidence.outcomes.set_index("recipient")
    assert rows.loc["a@gmail.com", ["outcome", "reason", "rule", "dkim_selector", "campaign"]].tolist() == [
        "lost", "authfailure", "gmail-5.7.26", "pr1", "autumn",
    ]  # fmt: skip
    assert rows.loc["b@gmail.com", "outcome"] == "accepted"
    assert evidence.complaints["recipient"].tolist() == ["b@gmail.com"]
    assert evidence.problems["line"].tolist() == [5]


def test_events_posted_as_one_long_array_are_read(case: Path) -> None:
    event = {"email": "a@gmail.com", "timestamp": 1_767_000_000, "event": "delivered", "response": "x" * 900}
    array = json.dumps([{**event, "smtp-id": f"<{i}@pr>"} for i in range(200)])
    assert len(array) > 150_000
    (case / "sources" / "events" / "e.json").write_text(array)
    assert len(read(case, *queued("4abcd12345")).outcomes) == 200


def test_a_case_without_logs_is_empty_and_says_so_in_its_figures(case: Path) -> None:
    evidence = logs.read(Case.open(case))
    assert evidence.outcomes.empty
    assert not logs.check(evidence)
    for draw in (logs.outcomes_by_provider, logs.acceptance_over_time, logs.reasons_by_address):
        assert draw(evidence).layout.meta["alt"]
