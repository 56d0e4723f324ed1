"""Rspamd tells the signature of a queue id, in its own file and through syslog."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from smtplab.logs.daemons import rspamd as daemon
from smtplab.logs.event import Line
from smtplab.logs.files import rspamd
from tests.logs.files.reading import has, read

TASK = "<1a2b3c>; proxy; rspamd_task_write_log: id: <a1@m.example>, qid: <4abcd12345>, ip: 203.0.113.5, user: ann, from: <ann@m.example>, "
SIGNED = (
    TASK
    + "(default: F (no action): [-0.10/15.00] [MIME_GOOD(-0.10){text/plain;},DKIM_SIGNED(0.00){M.example:s=pr1;n.example:s=x;}]), len: 99"
)


def test_a_signature_in_its_own_file() -> None:
    made, unknown = read(
        rspamd,
        f"2026-01-01 13:00:00 #7(rspamd_proxy) {SIGNED}\n2026-01-01 13:00:01 #7(normal) <1a2b3c>; task; finalize_item: slow\nrubbish",
    )
    (row,) = made
    has(
        row,
        kind="signature",
        time=datetime(2026, 1, 1, 12, tzinfo=UTC),
        queue_id="4abcd12345",
        dkim_domain="m.example",
        dkim_selector="pr1",
        host="mx1",
    )
    assert [u.number for u in unknown] == [3]


@pytest.mark.parametrize(
    ("text", "count"), [(SIGNED, 1), (TASK, 0), ("<1a2b3c>; lua; x.lua:1: hello", 0), ("new words", None)]
)
def test_lines_that_syslog_carries(text: str, count: int | None) -> None:
    made = daemon.events(Line(1, datetime(2026, 1, 1, tzinfo=UTC), "mx2", "rspamd", "9", text))
    assert (None if made is None else len(made)) == count
