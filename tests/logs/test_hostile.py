"""Time is linear in the length of a line, whatever a stranger writes into it."""

from __future__ import annotations

import gzip
import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab.logs import daemons, files, segments
from smtplab.logs.event import Line, Setting

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG = 60_000
PIECES = [
    "a",
    "<",
    "[",
    "(",
    " ",
    ", ",
    "a=",
    "<>",
    "H=",
    "to=<",
    '\\"',
    '"',
    "{",
    "}",
    "]: ",
    "from ",
    "(x) ",
    ": a",
    "rejected ",
]
HEADS = {
    "dovecot": [
        "imap-login: Disconnected: ",
        "auth: pam(",
        "auth(",
        "pam_unix(dovecot:auth): authentication failure; ",
    ],
    "sendmail": [
        "60116R0x123456: to=",
        "60116R0x123456: from=<",
        "ruleset=check_rcpt, arg1=<",
        "rejecting commands from ",
    ],
    "smtpd": ["5df87c9b982c840c mta delivery ", '5df87c9b982c840c smtp failed-command command="'],
    "courieresmtpd": ["error,relay=1.2.3.4,", "id=000000,from=<"],
    "opendkim": ["4abcd12345: DKIM-Signature field added (s="],
    "rspamd": ["<1a2b3c>; proxy; rspamd_task_write_log: id: <a>, qid: <abcde>, "],
    "exim": [f"1vNaXy-0005vi-00 {flag} " for flag in ("=>", "<=", "**", "==")]
    + ["H=", "SMTP call from ", "plain authenticator failed "],
}
STARTS = [
    "2026-01-01 00:00:00 ",
    "2026-01-01T00:00:00Z [NOTICE] [A.1] [outbound] ",
    '{"a":',
    "Jan  1 00:00:00 auth(",
    "type,timeLogged,",
    "#Fields: internal-message-id,",
]
SECONDS = 2.0
"""A quadratic pattern takes minutes; a linear one, on a machine that is busy, a fraction of this."""


@pytest.mark.parametrize("piece", PIECES)
def test_a_long_line_is_read_in_no_time(piece: str) -> None:
    rest = piece * (LONG // len(piece))
    for program, heads in HEADS.items():
        daemon = daemons.recognise(program)
        assert daemon
        for head in heads:
            began = time.process_time()
            daemon.events(Line(1, NOW, "mx1", program, "7", head + rest))
            assert time.process_time() - began < SECONDS, (program, head)
    for form in files.ALL:
        for start in STARTS:
            began = time.process_time()
            form.looks([start + rest])
            list(form.events(iter([(1, start + rest)]), Setting("x", "UTC", NOW)))
            assert time.process_time() - began < SECONDS, (form.NAME, start)


def test_all_that_stands_before_the_damage_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "CHUNK", 200_000)
    text = b"".join(b"%d %s\n" % (n, hashlib.md5(b"%d" % n).hexdigest().encode()) for n in range(40_000))
    packed = gzip.compress(text, 1)
    file = tmp_path / "mail.log.gz"
    file.write_bytes(packed[: len(packed) // 2])
    with gzip.open(file) as oracle:
        wanted = bytearray()
        with pytest.raises(EOFError):
            while True:
                wanted += oracle.read1(1_000)
    found = bytearray()
    with pytest.raises(EOFError):
        for run in segments.chunks(segments.Segment(file, "mail.log.gz")):
            found += run
    assert len(wanted) > 600_000
    assert found == wanted + b"\n"
