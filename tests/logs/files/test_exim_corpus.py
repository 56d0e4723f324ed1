"""Totals over Exim's own test logs equal eximstats'."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab.logs.event import Event, Setting, Unknown
from smtplab.logs.files import exim

SETTING = Setting("mainlog", "UTC", datetime(2026, 11, 24, tzinfo=UTC), "mx.example")
LONG_ID = re.compile(r"([0-9A-Za-z]{6})-00000([0-9A-Za-z]{6})-([0-9A-Za-z]{2})[0-9A-Za-z]{2}(?![0-9A-Za-z])")


def events(text: str) -> Iterator[Event]:
    for found in exim.events(enumerate(text.splitlines(), 1), SETTING):
        if not isinstance(found, Unknown):
            yield found[1]


def _ours(text: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    arrived: dict[str, set[str]] = {}
    for event in events(text):
        noted = arrived.get(event.get("queue_id", ""))
        if event["kind"] == "message":
            counts["received"] += 1
            arrived.setdefault(event["queue_id"], set())
        elif event["kind"] == "removed":
            arrived.pop(event["queue_id"], None)
        elif event["kind"] == "delivery":
            status = {"expired": "bounced", "discarded": "sent"}.get(event["status"], event["status"])
            if status == "sent":
                counts["sent"] += 1
            elif noted is not None and status not in noted:
                # eximstats counts messages with one failure or more, and only those whose arrival it saw.
                noted.add(status)
                counts[status] += 1
    return dict(counts)


def _eximstats(program: str, path: Path) -> dict[str, int]:
    command = ["perl", program, "-nr", "-ne", "-h0", "-q0", "-nt", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = ran.stdout
    received = re.search(r"^  Received +\S+ +(\d+)(?: +\d+)? +\d+ +(\d+) +\S+% +(\d+) +\S+%", said, re.M)
    delivered = re.search(r"^  Delivered +\S+ +\d+ +(\d+)", said, re.M)
    if not (received and delivered):
        assert "No valid log lines read" in ran.stderr
        return {}
    counts = {"received": received[1], "sent": delivered[1], "deferred": received[2], "bounced": received[3]}
    return {k: int(v) for k, v in counts.items() if int(v)}


@pytest.mark.slow
def test_totals_equal_those_of_eximstats(corpora: Path, tmp_path: Path) -> None:
    program = shutil.which("eximstats")
    if not program:
        pytest.skip("install Debian's exim4-base, or unpack it and add its folder to PATH")
    texts = {p.name: p.read_text("utf-8", "replace") for p in sorted((corpora / "logs" / "exim").iterdir())}
    for name, text in texts.items():
        # eximstats before 4.97 knows only the shorter ids, and none counts ">>": deliveries made before the message
        # was accepted (cutthrough), which the specification lists among the deliveries.
        (tmp_path / name).write_text(re.sub(r"(?m)^(\S+ \S+ \S{16}) >> ", r"\1 => ", LONG_ID.sub(r"\1-\2-\3", text)))
    ours = {name: _ours(text) for name, text in texts.items()}
    with ThreadPoolExecutor(2) as pool:
        theirs = dict(zip(texts, pool.map(lambda name: _eximstats(program, tmp_path / name), texts), strict=True))
    assert len(ours) > 400
    assert sum(c.get("sent", 0) for c in theirs.values()) > 1_000
    assert {n: c for n, c in ours.items() if c != theirs[n]} == {n: c for n, c in theirs.items() if c != ours[n]}
