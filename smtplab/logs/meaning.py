"""What do replies, domains and senders mean? Each distinct value of a window is judged once and joined back in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import duckdb
import pyarrow as pa

from smtplab import replies
from smtplab.casefile import Host, Stream
from smtplab.providers import provider

LOWER = "nullif(case when contains({0}, '@') then left({0}, -length(split_part({0}, '@', -1))) || lower(split_part({0}, '@', -1)) else {0} end, '')"  # noqa: E501
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
    """Make `deliveries`, `rejections` and `complaints` of a window from what it left under out_*."""
    for table in ("out_complaints", "out_deliveries"):
        _providers(con, table)
        if table == "out_complaints":
            con.execute(_judged(known, "out_complaints"))
            con.execute(f"create or replace temp table complaints as {_streamed(known)}")
            continue
        _meanings(con)
        con.execute(_judged(known, "out_deliveries"))
        con.execute(f"create or replace temp table deliveries as {_streamed(known)}")
    con.execute(
        "create or replace temp table messages as"
        f" select * replace ({LOWER.format('sender')} as sender) from out_messages"
    )
    rows = con.execute(f"select distinct {SHAPE}, smtp_code, enhanced_code from out_rejections").fetchall()
    con.execute("create or replace temp table refusals (shape text, code bigint, enhanced text, reason text)")
    _insert(con, "refusals", [(*row, replies.classify(*row).reason) for row in rows])
    con.execute(
        f"create or replace temp table rejections as select r.* exclude (shape, sender, recipient),"
        f" nullif(sender, '') as sender, nullif(recipient, '') as recipient, f.reason"
        f" from (select *, {SHAPE} as shape from out_rejections) as r left join refusals as f"
        " on r.shape = f.shape and r.smtp_code is not distinct from f.code"
        " and r.enhanced_code is not distinct from f.enhanced"
    )


def _providers(con: duckdb.DuckDBPyConnection, table: str) -> None:
    host = "coalesce(relay_host, '')" if table == "out_deliveries" else "''"
    rows = con.execute(
        f"select distinct recipient_domain, {host} from {table} where recipient_domain is not null"
        " except select domain, relay_host from providers"
    ).fetchall()
    _insert(con, "providers", [(*row, provider(*row)) for row in rows])


def _meanings(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "create or replace temp table messages as"
        f" select * replace ({LOWER.format('sender')} as sender) from out_messages"
    )
    rows = con.execute(
        f"select distinct {SHAPE}, smtp_code, enhanced_code, provider from out_deliveries join providers"
        " on recipient_domain = domain and coalesce(out_deliveries.relay_host, '') = providers.relay_host"
        " where status <> 'sent' except select shape, given_code, given_enhanced, provider from meanings"
    ).fetchall()
    made = []
    for row in rows:
        reply = replies.classify(*row)
        made.append((*row, reply.reason, reply.rule or None, reply.smtp_code, reply.enhanced_code))
    _insert(con, "meanings", made)


def _judged(known: Known, table: str) -> str:
    quoted = "null"
    addresses = sorted({a for h in known.hosts for a in h.addresses})
    if addresses:
        one = "|".join(a.replace(".", "[.]") for a in addresses)
        quoted = (
            "case when status <> 'sent' then"
            f" nullif(regexp_extract(response, '(?:^|[^0-9A-Fa-f.:])({one})(?:$|[.:]?[^0-9A-Fa-f])', 1), '') end"
        )
    sql = _meaning().format(
        sender=LOWER.format("d.sender"), recipient=LOWER.format("d.recipient"), shape=SHAPE, quoted=quoted
    )
    if table == "out_complaints":
        return (
            "create or replace temp table judged as select * exclude (sender, recipient),"
            f" {LOWER.format('sender')} as sender, {LOWER.format('recipient')} as recipient,"
            " lower(split_part(sender, '@', -1)) as sender_domain from out_complaints"
        )
    return sql


def _streamed(known: Known) -> str:
    """The statement that gives each row of `judged` its stream: the first in case.toml that matches."""
    tests = []
    for number, stream in enumerate(known.streams):
        parts = [_matches(key, wanted) for key, wanted in stream.match.items()]
        tests.append(f"when {' and '.join(parts) or 'true'} then {number}")
    chosen = f"case {' '.join(tests)} end" if tests else "null"
    return (
        "select j.* exclude (sender_domain, number, campaign, stream, source_ip, header_from, dkim_domain,"
        " dkim_selector, provenance), coalesce(j.stream, s.name) as stream,"
        " coalesce(s.campaign, j.campaign) as campaign, coalesce(j.source_ip, s.source_ip) as source_ip,"
        " coalesce(j.header_from, s.header_from) as header_from, coalesce(j.dkim_domain, s.dkim_domain) as dkim_domain,"
        " coalesce(j.dkim_selector, s.dkim_selector) as dkim_selector,"
        " nullif(concat_ws('; ', nullif(j.provenance, ''),"
        " case when s.name is not null and j.stream is null then 'stream in case.toml' end), '') as provenance"
        f" from (select *, {chosen} as number from judged) as j left join streams as s using (number)"
    )


def _matches(key: str, wanted: str) -> str:
    text = wanted.replace("'", "''")
    if key == "message_id":
        return f"coalesce(ends_with(message_id, '{text}'), false)"
    return f"coalesce(lower({_KEYS.get(key, key)}) = '{text.lower()}', false)"


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        names = [d[0] for d in con.execute(f"select * from {table} limit 0").description or ()]
        types = {t[0]: t[1] for t in con.execute(f"describe {table}").fetchall()}
        arrow = {"BIGINT": pa.int64(), "INTEGER": pa.int32(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_()}
        columns = [
            pa.array(c, arrow.get(types[n], pa.string())) for n, c in zip(names, zip(*rows, strict=True), strict=True)
        ]
        con.register("incoming", pa.table(columns, names=names))
        con.execute(f"insert into {table} select * from incoming")
        con.unregister("incoming")


@cache
def _meaning() -> str:
    return (resources.files("smtplab.logs") / "meaning.sql").read_text("utf-8")
