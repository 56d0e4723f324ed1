"""Lines of Postfix that are not written as most are: events are made of them by SQL, and what no rule knows is counted.

The statements are in others.sql, one a kind of event and of line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import pyarrow as pa

from smtplab.logs.arrays import numbers
from smtplab.logs.columns import Bytes, Columns, columns_of, order, rows
from smtplab.logs.duck import Sql, sql_of
from smtplab.logs.sorting import Chosen

QUIET = (
    r"^(?:lost connection|statistics:|starting|daemon started|terminating|using |reload|refreshing|"
    r"sender (?:non-)?delivery|uid=|host .+ said|enabling|Greylist|skipped|warning:|table .+ has changed|connect to |"
    r"setting up TLS|SSL_|improper|timeout after|too many errors|certificate|to=<.*status=(?:un)?deliverable|"
    r"(?:resent-)?message-id=|filter: |replace: |prepend: |hold: |info: |enforced|stopping|"
    r"(?:Anonymous|Untrusted|Trusted|Verified) TLS|PASS |WHITELISTED|ALLOWLISTED|BLACKLISTED|DENYLISTED|PREGREET|"
    r"DNSBL|COMMAND |NON-SMTP|BARE NEWLINE|addr .+ listed by|cache |close database|disconnect|dict_|fatal:|error:|"
    r"premature|master |process |removed|cleanup|requeued|Requeued|postqueue|scheduled|watchdog|query|proxy|"
    r"conversation with|client=|Host offered|discard:|milter-(?:hold|discard|accept)|postsuper|Placed|Released|Deleted|"
    r"mapping DSN|reject_warning|warn:|redirect:|dovecot|trouble|SASL)"
)
"""Lines that are understood and tell nothing of the tables."""


def others(
    sql: Sql, left: Mapping[str, Chosen], buffers: list[Bytes], strange: Callable[[str, int, int], None]
) -> dict[str, list[Columns]]:
    """Events of the lines that are left, by kind, their texts in new buffers; those of no known shape are counted."""
    made: dict[str, list[Columns]] = {}
    if not left:
        return made
    con = sql()
    unread, told = [], [np.zeros(0, np.int64)]
    for lines, of in left.items():
        table = of.table()
        con.register(lines, table)
        for kind, statement in _statements().get(lines, ()):
            found = columns_of(con.sql(statement).to_arrow_table(), buffers)
            if rows(found):
                made.setdefault(kind, []).append(order(found))
                told.append(found["seq"])
        if lines in _MUST_TELL:
            # Messages are told of by the queue manager alone.
            program = table["program"] if "program" in table.column_names else pa.nulls(len(table), pa.string_view())
            columns = [table["seq"], program, table["text"]]
            unread.append(pa.table(columns, names=["seq", "program", "text"]))
    if unread:
        con.register("left_over", pa.concat_tables(unread))
        con.register("told", pa.table({"seq": numbers(np.concatenate(told))}))
        for number, count, shape in con.execute(sql_of("unread"), {"quiet": QUIET}).fetchall():
            strange(shape, number, count)
    return made


_MUST_TELL = ("delivery", "message", "rejection", "ending", "other")


@cache
def _statements() -> Mapping[str, Sequence[tuple[str, str]]]:
    """By kind of lines: the kinds of events that are made of them, and how."""
    found: dict[str, list[tuple[str, str]]] = {}
    for part in sql_of("others").split("\n\n-- ")[1:]:
        head, _, statement = part.partition("\n")
        kind, lines = _HEAD.findall(head)[0]
        found.setdefault(lines, []).append((kind, statement))
    return found


_HEAD = re.compile(r"([a-z_]+) of ([a-z_]+):")
