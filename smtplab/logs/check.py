"""What is good or bad about what was sent."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from statistics import NormalDist

import pandas as pd

from smtplab import providers
from smtplab.findings import Finding, Findings
from smtplab.logs.read import LogEvidence

BURST = 50
"""Unknown users of one campaign below which nothing is said."""
BURST_SHARE = 0.05
COMPLAINT_LIMIT = 0.003
"""Gmail and Yahoo: a complaint rate of 0.3 % is never accepted."""
GUESSES = 20
"""Failed sign-ins of one account before a success that make a guess."""
NIGHT_FACTOR = 3


def check(evidence: LogEvidence) -> Findings:
    """Findings on deliveries, campaigns, connections and sign-ins."""
    lost = evidence.outcomes[evidence.outcomes["outcome"].isin(["lost", "late"])]
    return Findings(
        (
            *_hygiene(evidence.outcomes, lost),
            *_rate_limits(evidence, lost),
            *_connections(evidence.deliveries),
            *_accounts(evidence),
            *_full(evidence.outcomes),
            *_null_mx(lost),
            *_complaints(evidence),
            *_overview(evidence.outcomes, lost),
        )
    )


def wilson(hits: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share."""
    if not total:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = hits / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * ((p * (1 - p) / total + z * z / (4 * total * total)) ** 0.5) / (1 + z * z / total)
    return max(0.0, centre - half), min(1.0, centre + half)


def _day(value: pd.Timestamp) -> str:
    return f"{value:%Y-%m-%d}"


def _hygiene(outcomes: pd.DataFrame, lost: pd.DataFrame) -> Iterator[Finding]:
    unknown = lost[lost["reason"] == "userunknown"]
    for campaign, rows in unknown.groupby("campaign"):
        sent = int((outcomes["campaign"] == campaign).sum())
        if len(rows) >= BURST and len(rows) / sent >= BURST_SHARE:
            yield Finding(
                "logs.campaign.unknown_users",
                str(campaign),
                (f"{len(rows):,} replies 5.1.1 to campaign {campaign}",),
                campaign=str(campaign),
                recipients=len(rows),
                sent=sent,
                share=f"{len(rows) / sent:.0%}",
                since=_day(rows["time"].min()),
            )


def _rate_limits(evidence: LogEvidence, lost: pd.DataFrame) -> Iterator[Finding]:
    limited = evidence.deliveries[evidence.deliveries["enhanced_code"].isin(["4.7.28", "5.7.28"])]
    for (provider, source), rows in limited.groupby(["provider", "source_ip"]):
        since = rows["time"].min()
        after = evidence.outcomes[(evidence.outcomes["source_ip"] == source) & (evidence.outcomes["time"] >= since)]
        streams = after["stream"].dropna().value_counts()
        hit = lost[(lost["source_ip"] == source) & (lost["provider"] == provider) & (lost["reason"] == "badreputation")]
        yield Finding(
            "logs.provider.rate_limited",
            f"{source} to {provider}",
            (f"{len(rows):,} replies 4.7.28",),
            provider=str(provider),
            name=providers.name(str(provider)),
            source_ip=str(source),
            streams=[f"{s} ({n:,})" for s, n in streams.items()] or ["no stream known"],
            recipients=len(hit),
            since=_day(since),
        )


def _connections(deliveries: pd.DataFrame) -> Iterator[Finding]:
    told = deliveries[deliveries["reason"] == "toomanyconn"]
    for host, rows in told.groupby("host"):
        own = deliveries[(deliveries["host"] == host) & deliveries["connection_uses"].notna()]
        reused = int((own["connection_uses"] > 1).sum())
        if len(own) >= BURST and reused / len(own) < 0.01:
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
            )


def _network(address: str) -> str:
    ip = ipaddress.ip_address(address)
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 48}", strict=False))


def _accounts(evidence: LogEvidence) -> Iterator[Finding]:
    signed = evidence.connections.dropna(subset=["auth_user", "auth_ok"])
    for account, rows in signed.groupby("auth_user"):
        failed, fine = rows[~rows["auth_ok"].astype(bool)], rows[rows["auth_ok"].astype(bool)]
        if len(failed) < GUESSES or fine.empty:
            continue
        usual = {_network(a) for a in fine[fine["time"] < failed["time"].min()]["client_ip"].dropna()}
        later = fine[fine["time"] >= failed["time"].min()]
        strange = later[[_network(a) not in usual for a in later["client_ip"]]]
        if strange.empty:
            continue
        since = strange["time"].min()
        mail = evidence.messages[(evidence.messages["sasl_user"] == account) & (evidence.messages["time"] >= since)]
        ids = mail["message_id"].dropna()
        out = evidence.deliveries[
            evidence.deliveries["message_id"].isin(ids) & evidence.deliveries["source_ip"].notna()
        ]
        yield Finding(
            "logs.account.compromised",
            str(account),
            (f"{len(failed):,} failed sign-ins", f"first success from elsewhere at {since:%Y-%m-%d %H:%M} UTC"),
            account=str(account),
            guesses=len(failed),
            networks=sorted({_network(a) for a in strange["client_ip"]})[:5],
            messages=len(mail),
            source_ips=sorted(out["source_ip"].unique()) or ["no address known"],
            since=_day(since),
        )


def _full(outcomes: pd.DataFrame) -> Iterator[Finding]:
    full = outcomes[
        (outcomes["outcome"] == "lost") & (outcomes["reason"] == "mailboxfull") & (outcomes["attempts"] >= 5)
    ]
    if len(full) >= 20:
        yield Finding(
            "logs.mailbox_full.retried",
            "full mailboxes",
            (f"{len(full):,} recipients, {int(full['attempts'].sum()):,} attempts",),
            recipients=len(full),
            attempts=int(full["attempts"].sum()),
            rule_reason="mailboxfull",
        )


def _null_mx(lost: pd.DataFrame) -> Iterator[Finding]:
    for domain, rows in lost[lost["reason"] == "notaccept"].groupby("recipient_domain"):
        yield Finding(
            "logs.recipient_domain.null_mx",
            str(domain),
            (f"{len(rows):,} bounces",),
            recipient_domain=str(domain),
            recipients=len(rows),
        )


def _complaints(evidence: LogEvidence) -> Iterator[Finding]:
    for stream, rows in evidence.complaints.groupby("stream"):
        took = evidence.outcomes[(evidence.outcomes["stream"] == stream) & (evidence.outcomes["outcome"] == "accepted")]
        low, high = wilson(len(rows), len(took))
        facts = {
            "stream": str(stream),
            "rate": f"{len(rows) / max(len(took), 1):.2%}",
            "low": f"{low:.2%}",
            "high": f"{high:.2%}",
        }
        seen = (f"{len(rows)} complaints of {len(took):,} accepted",)
        if len(took) and len(rows) / len(took) >= COMPLAINT_LIMIT:
            yield Finding("logs.complaints.above_limit", str(stream), seen, **facts)
        else:
            yield Finding("logs.complaints.below_limit", str(stream), seen, **facts)


def _overview(outcomes: pd.DataFrame, lost: pd.DataFrame) -> Iterator[Finding]:
    grey = outcomes[(outcomes["outcome"] == "accepted") & (outcomes["attempts"] > 1)]
    if len(grey):
        yield Finding("logs.deferrals.resolved", "deferred, then accepted", recipients=len(grey))
    if len(outcomes) and lost.empty:
        yield Finding("logs.ok", "all recipients", recipients=len(outcomes))
