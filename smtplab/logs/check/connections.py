"""How do we connect? Connections used once, mail in clear text, old TLS, and mail servers that are slow or dead."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

import pandas as pd

from smtplab import providers
from smtplab.findings import Finding
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.story import counted

FEW = 50
"""Deliveries of a host below which nothing is said."""
SLOW = 5.0
"""Seconds to connect (greeting and TLS included) that make a server slow; RFC 5321 allows minutes."""
_NAMED = 5
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
"""What may stand in a line that people copy."""
_COLUMNS = [
    "time", "host", "provider", "recipient", "recipient_domain", "status", "reason", "response",
    "relay_host", "relay_ip", "delay_connection", "tls_version", "connection_uses",
]  # fmt: skip
_OLD = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1")


def check(evidence: LogEvidence) -> Iterator[Finding]:
    """Findings on outbound connections."""
    deliveries = evidence.deliveries[_COLUMNS]
    told = deliveries[deliveries["reason"] == "toomanyconn"]
    yield from _not_reused(deliveries, told)
    yield from _single_use(deliveries, set(told["host"].dropna().unique()))
    outside = deliveries[(deliveries["status"] == "sent") & deliveries["relay_ip"].notna()]
    outside = outside[~outside["relay_ip"].isin([a for a in outside["relay_ip"].unique() if _loopback(a)])]
    yield from _tls(outside)
    yield from _slow(outside)
    yield from _dead(deliveries, outside)


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def destinations(domains: pd.Series[str]) -> str:
    """The domains seen most, as smtp_connection_cache_destinations lists them."""
    named = [str(d) for d in domains.value_counts().index if _HOST.fullmatch(str(d))]
    return ", ".join(named[:_NAMED]) or "example.org"


def _reuse(deliveries: pd.DataFrame, host: object) -> tuple[pd.DataFrame, int]:
    own = deliveries[(deliveries["host"] == host) & deliveries["connection_uses"].notna()]
    return own, int((own["connection_uses"] > 1).sum())


def _not_reused(deliveries: pd.DataFrame, told: pd.DataFrame) -> Iterator[Finding]:
    for host, rows in told.groupby("host"):
        own, reused = _reuse(deliveries, host)
        if len(own) >= FEW and reused / len(own) < 0.01:
            yield Finding(
                "logs.connections.not_reused",
                str(host),
                (
                    f"{len(rows):,} replies 421 for too many connections",
                    f"{reused} of {len(own):,} deliveries reuse one",
                ),
                host=str(host),
                hosts=[str(host)],
                providers=sorted(map(providers.name, rows["provider"].unique())),
                deliveries=len(own),
                recipients=int(rows["recipient"].nunique()),
                destinations=destinations(rows["recipient_domain"]),
            )


def _single_use(deliveries: pd.DataFrame, refused: set[object]) -> Iterator[Finding]:
    """Where nobody complains yet: deliveries within two seconds of another one to the same server."""
    for host in deliveries["host"].dropna().unique():
        own, reused = _reuse(deliveries, host)
        if host in refused or len(own) < FEW or reused / len(own) >= 0.01:
            continue
        again = own.assign(close=own["time"].dt.floor("2s")).duplicated(["relay_ip", "close"]) & own["relay_ip"].notna()
        could = int(again.sum())
        if could / len(own) >= 0.1:
            yield Finding(
                "logs.connections.single_use",
                str(host),
                (f"{reused} of {len(own):,} deliveries reuse a connection",),
                host=str(host),
                could=could,
                share=f"{could / len(own):.0%}",
                destinations=destinations(own.loc[again, "recipient_domain"]),
            )


def _tls(outside: pd.DataFrame) -> Iterator[Finding]:
    logged = outside.groupby("host")["tls_version"].count()
    for host, count in logged.items():
        sent = int((outside["host"] == host).sum())
        if not count and sent >= FEW:
            yield Finding("logs.tls.not_seen", str(host), host=str(host), deliveries=sent)
    known = outside[outside["host"].isin(logged[logged > 0].index)]
    if known.empty:
        return
    clear = known[known["tls_version"].isna()]
    if len(clear):
        domains = clear["recipient_domain"].value_counts()
        yield Finding(
            "logs.tls.plaintext",
            "outbound mail",
            tuple(f"{d}: {n:,}" for d, n in domains.head(5).items()),
            deliveries=len(clear),
            domains=counted(len(domains), "domain"),
            share=f"{len(clear) / len(known):.1%}",
            worst=next((d for d in domains.index if _HOST.fullmatch(d)), "example.org"),
        )
    else:
        yield Finding("logs.tls.all", "outbound mail", deliveries=len(known))
    old = known[known["tls_version"].isin(_OLD)]
    if len(old):
        domains = old["recipient_domain"].value_counts()
        yield Finding(
            "logs.tls.old",
            "outbound mail",
            tuple(f"{d}: {n:,}" for d, n in domains.head(5).items()),
            deliveries=len(old),
            versions=sorted(old["tls_version"].unique()),
            domains=counted(len(domains), "domain"),
        )


def _slow(outside: pd.DataFrame) -> Iterator[Finding]:
    told = outside.dropna(subset=["delay_connection", "relay_host"])
    times = told.groupby(["provider", "relay_host"])["delay_connection"].agg(["median", "size"]).reset_index()
    for row in times[(times["size"] >= 20) & (times["median"] >= SLOW)].itertuples():
        others = times[(times["provider"] == row.provider) & (times["relay_host"] != row.relay_host)]
        beside = float(others["median"].min()) if len(others) else None
        yield Finding(
            "logs.mx.slow",
            str(row.relay_host),
            (f"{row.size:,} deliveries",) if beside is None else (f"the provider's quickest server: {beside:.1f} s",),
            relay=str(row.relay_host),
            name=providers.name(str(row.provider)),
            seconds=f"{float(row.median):.0f}",
            domain=str(told.loc[told["relay_host"] == row.relay_host, "recipient_domain"].value_counts().index[0]),
        )


def _dead(deliveries: pd.DataFrame, outside: pd.DataFrame) -> Iterator[Finding]:
    """Servers that no connection reached, where another one of the same domain takes the mail."""
    failed = deliveries[(deliveries["reason"] == "networkerror") & (deliveries["status"] != "sent")]
    hosts = failed["response"].str.extract(r"connect to ([A-Za-z0-9._-]{1,253})\[", expand=False)
    failed = failed.assign(relay_host=failed["relay_host"].fillna(hosts)).dropna(subset=["relay_host"])
    reached = set(outside["relay_host"].dropna().unique())
    failed = failed[~failed["relay_host"].isin(reached) & failed["relay_host"].str.fullmatch(_HOST.pattern)]
    for host, rows in failed.groupby("relay_host"):
        domains = set(rows["recipient_domain"].dropna().unique())
        if (
            len(rows) >= 10
            and (beside := outside[outside["recipient_domain"].isin(domains)]["relay_host"]).notna().any()
        ):
            yield Finding(
                "logs.mx.unreachable",
                str(host),
                tuple(sorted(domains)[:5]),
                relay=str(host),
                attempts=len(rows),
                other=str(beside.value_counts().index[0]),
            )
