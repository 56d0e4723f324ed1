"""Which findings can explain which rows of failure: by reply, shared key and time."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

import pandas as pd

from smtplab.findings import Explains, Finding

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def candidates(findings: Iterable[Finding], table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """One boolean column a finding that explains at least one row; the index is that of `rows`.

    Columns are positions in `findings`, so two findings of one code stay apart.
    """
    made: dict[int, pd.Series[bool]] = {}
    for position, finding in enumerate(findings):
        mask = pd.Series(False, index=rows.index)
        for explains in finding.entry.explains:
            if explains.table == table:
                mask |= _matches(finding, explains, rows)
        if mask.any():
            made[position] = mask
    return pd.DataFrame(made, index=rows.index, dtype=bool)


def _matches(finding: Finding, explains: Explains, rows: pd.DataFrame) -> pd.Series[bool]:
    mask = pd.Series(True, index=rows.index)
    for column, wanted in (
        ("reason", explains.reasons),
        ("enhanced_code", explains.codes),
        ("result_type", explains.results),
    ):
        if wanted:
            mask &= rows[column].isin(wanted) if column in rows else False
    for column, fact in explains.key.items():
        value = finding.facts.get(fact)
        if value is None or column not in rows:
            return pd.Series(False, index=rows.index)
        mask &= _equals(rows[column], value if isinstance(value, list | tuple | set | frozenset) else [value])
    return mask & _in_time(finding, rows)


def _equals(column: pd.Series[Any], values: Iterable[Any]) -> pd.Series[bool]:
    texts = [str(v) for v in values]
    if not str(column.name).endswith("_ip"):
        return column.isin(texts)
    networks = [n for n in map(_network, texts) if n]
    # Far fewer addresses than rows: decide each address once.
    inside = {a for a in column.dropna().unique() if any(_contains(n, a) for n in networks)}
    return column.isin(inside)


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _contains(network: Network, address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return ip.version == network.version and ip in network


def _in_time(finding: Finding, rows: pd.DataFrame) -> pd.Series[bool]:
    """A failure outside the time in which the fault is known to stand is not its doing."""
    mask = pd.Series(True, index=rows.index)
    since, until = _moment(finding.facts.get("since")), _moment(finding.facts.get("until"))
    last = next((c for c in ("last_time", "end", "time") if c in rows), None)
    first = next((c for c in ("time", "begin") if c in rows), None)
    if since is not None and last:
        mask &= rows[last] >= since
    if until is not None and first:
        mask &= rows[first] <= until
    return mask.fillna(False).astype(bool)


def _moment(value: Any) -> pd.Timestamp | None:
    if value is None or value == "":
        return None
    moment = pd.Timestamp(value)
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
