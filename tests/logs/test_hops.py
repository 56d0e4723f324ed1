"""Mail that goes from one of our servers to the next is one recipient, and the last server's word counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtplab import logs
from smtplab.case import Case

TOML = """version = 1
domains = ["a.example"]
as_of = 2026-11-16T00:00:00Z
[sources]
logs = ["sources/logs/*"]
[[hosts]]
name = "mail.a.example"
addresses = ["192.0.2.20"]
[[hosts]]
name = "out.a.example"
addresses = ["192.0.2.11"]
[[streams]]
name = "all"
late_after = "30m"
match = { sender = "u@a.example" }
"""
OUT, FILTER, STRANGER, LMTP = (
    "out.a.example[192.0.2.11]:25",
    "127.0.0.1[127.0.0.1]:10024",
    "mx.b.example[203.0.113.9]:25",
    "127.0.0.1[127.0.0.1]:24",
)
TAKEN, REFUSED = "dsn=2.0.0, status=sent (250 2.0.0 Ok)", "dsn=5.1.1, status=bounced (550 5.1.1 unknown)"


def hop(clock: str, host: str, queue_id: str, relay: str, said: str, to: str = "x@b.example") -> list[str]:
    """One message at one server: queued with the Message-ID <1@a.example>, tried once a second later."""
    head = f"2026-11-02T{clock}:0{{}}.000000+00:00 {host} postfix/{{}}[7]: {queue_id}: {{}}"
    return [
        head.format(0, "cleanup", "message-id=<1@a.example>"),
        head.format(0, "qmgr", "from=<u@a.example>, size=900, nrcpt=1 (queue active)"),
        head.format(1, "smtp", f"to=<{to}>, relay={relay}, delay=1, delays=0/0/0/1, {said}"),
    ]


@pytest.mark.parametrize(
    ("hops", "outcomes"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([("08:00", "mail", "AAAAA1", OUT, TAKEN)], [("mail", "accepted")], id="the next log is not here"),
        pytest.param(
            [("08:00", "mail", "AAAAA1", OUT, TAKEN), ("08:00", "out", "BBBBB1", STRANGER, TAKEN)],
            [("out", "accepted")],
            id="the last says sent",
        ),
        pytest.param(
            [("08:00", "mail", "AAAAA1", OUT, TAKEN), ("08:00", "out.a.example", "BBBBB1", STRANGER, REFUSED)],
            [("out.a.example", "lost")],
            id="the last says bounced",
        ),
        pytest.param(
            [("08:00", "mail", "AAAAA1", OUT, TAKEN), ("09:00", "out", "BBBBB1", STRANGER, TAKEN)],
            [("out", "late")],
            id="lateness counts from the first server",
        ),
        pytest.param([("08:00", "mail", "AAAAA1", OUT, REFUSED)], [("mail", "lost")], id="refused by our own"),
        pytest.param(
            [("08:00", "out", "AAAAA1", FILTER, TAKEN), ("08:00", "out", "BBBBB1", STRANGER, REFUSED)],
            [("out", "lost")],
            id="a content filter on the same host",
        ),
        pytest.param([("08:00", "out", "AAAAA1", LMTP, TAKEN)], [("out", "accepted")], id="the mailbox on this host"),
        pytest.param(
            [("08:00", "mail", "AAAAA1", STRANGER, TAKEN), ("08:00", "out", "BBBBB1", STRANGER, TAKEN)],
            [("mail", "accepted"), ("out", "accepted")],
            id="the same Message-ID sent twice is two",
        ),
    ],
)
def test_the_last_of_our_servers_decides(tmp_path: Path, hops: list[tuple[str, ...]], outcomes: list[object]) -> None:
    (tmp_path / "sources/logs").mkdir(parents=True)
    (tmp_path / "case.toml").write_text(TOML)
    lines = [line for one in hops for line in hop(*one)]
    (tmp_path / "sources/logs/mail.log").write_text("".join(f"{line}\n" for line in lines))
    evidence = logs.read(Case.open(tmp_path))
    assert evidence.outcomes[["host", "outcome"]].apply(tuple, axis=1).tolist() == outcomes
    assert len(evidence.deliveries) == len(hops)
