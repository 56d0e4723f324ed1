"""What do replies, domains and senders mean? Each distinct value of a window is judged once and joined back in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import duckdb

from smtplab import replies
from smtplab.providers import provider

if TYPE_CHECKING:
    from smtplab.casefile import Host, Stream

LOWER = (
    "case when {0} = lower({0}) then nullif({0}, '') else"
    " left({0}, -length(split_part({0}, '@', -1))) || lower(split_part({0}, '@', -1)) end"
)
"""An address with its domain in lower case; NA for an empty one."""
SHAPE = "regexp_replace(coalesce(response, ''), '<[^<> ]+@[^<> ]+>|[0-9a-f]{10,}', '<>', 'g')"
"""A reply without the recipient and the numbers that make each one different."""
_KEYS = {"category": "campaign"}


@dataclass(frozen=True)
class Known:
    """What the case tells of its mail: servers and streams."""

    hosts: tuple[Host, ...] = ()
    streams: tuple[Stream, ...] = ()

    @property
    def addresses(self) -> list[tuple[str, str, bool]]:
        """Host as syslog names it (with and without its domain), address, and whether it is the host's first."""
        made = [(h.name, a, a == h.addresses[0]) for h in self.hosts for a in h.addresses]
        return list(dict.fromkeys(made + [(n.partition(".")[0], a, f) for n, a, f in made]))


def prepare(con: duckdb.DuckDBPyConnection, known: Known) -> None:
    """The tables of judged values, empty, and what the case tells."""
    con.execute(
        "create temp table providers (domain text, relay_host text, provider text);"
        "create temp table meanings (shape text, given_code bigint, given_enhanced text, provider text, reason text,"
        " rule text, smtp_code bigint, enhanced_code text);"
        "create temp table refusals (shape text, code bigint, enhanced text, reason text);"
        "create temp table own (host text, address text, first boolean);"
        "create temp table streams (number integer, name text, campaign text, late_after double, source_ip text,"
        " header_from text, dkim_domain text, dkim_selector text)"
    )
    _insert(con, "own", known.addresses)
    keys = ("source_ip", "header_from", "dkim_domain", "dkim_selector")
    _insert(
        con,
        "streams",
        [(n, s.name, s.campaign or None, s.late_after, *map(s.sets.get, keys)) for n, s in enumerate(known.streams)],
    )


def judge(con: duckdb.DuckDBPyConnection, known: Known) -> None:
    """Make `deliveries`, `rejections` and `complaints` of a window; see meaning.sql."""
    host = "coalesce(tries.relay_host, '')"
    domain = "lower(split_part(recipient, '@', -1))"
    rows = con.execute(f"select distinct {domain}, {host} from tries except select domain, relay_host from providers")
    _insert(con, "providers", [(*row, provider(*row)) for row in rows.fetchall() if row[0] is not None])
    rows = con.execute(
        f"select distinct {SHAPE}, smtp_code, enhanced_code, provider from tries join providers"
        f" on {domain} = domain and {host} = providers.relay_host"
        " where status <> 'sent' except select shape, given_code, given_enhanced, provider from meanings"
    )
    made = []
    for row in rows.fetchall():
        reply = replies.classify(*row)
        made.append((*row, reply.reason, reply.rule or None, reply.smtp_code, reply.enhanced_code))
    _insert(con, "meanings", made)
    rows = con.execute(
        f"select distinct {SHAPE}, smtp_code, enhanced_code from new_told where kind = 'rejection'"
        " except select shape, code, enhanced from refusals"
    )
    _insert(con, "refusals", [(*row, replies.classify(*row).reason) for row in rows.fetchall()])
    con.execute(_meaning(known))


def _meaning(known: Known) -> str:
    return (
        (resources.files("smtplab.logs") / "meaning.sql")
        .read_text("utf-8")
        .format(
            chosen=_chosen(known.streams),
            sender=LOWER.format("d.sender"),
            sender_domain="lower(split_part(d.sender, '@', -1))",
            recipient=LOWER.format("d.recipient"),
            shape=SHAPE,
            quoted=_quoted(known.hosts),
        )
    )


def _quoted(hosts: tuple[Host, ...]) -> str:
    """The expression that gives an address of ours that a reply quotes."""
    addresses = sorted({a for h in hosts for a in h.addresses})
    if not addresses:
        return "null"
    one = "|".join(a.replace(".", "[.]") for a in addresses)
    pattern = f"(?:^|[^0-9A-Fa-f.:])({one})(?:$|[.:]?[^0-9A-Fa-f])"
    return f"case when status <> 'sent' then nullif(regexp_extract(response, '{pattern}', 1), '') end"


def _chosen(streams: tuple[Stream, ...]) -> str:
    """The expression that gives the number of a row's stream: the first in case.toml that matches."""
    tests = []
    for number, stream in enumerate(streams):
        parts = [_matches(key, wanted) for key, wanted in stream.match.items()]
        tests.append(f"when {' and '.join(parts) or 'true'} then {number}")
    return f"case {' '.join(tests)} end" if tests else "null::integer"


def _matches(key: str, wanted: str) -> str:
    text = wanted.replace("'", "''")
    if key == "message_id":
        return f"coalesce(ends_with(message_id, '{text}'), false)"
    return f"coalesce(lower({_KEYS.get(key, key)}) = '{text.lower()}', false)"


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        # As lists: a table of Arrow would load pandas first, and a row at a time is slow.
        lists = [list(column) for column in zip(*rows, strict=True)]
        con.execute(f"insert into {table} select {', '.join('unnest(?)' for _ in lists)}", lists)
