"""Who signs in, from where and how, and who tries to? Guessing, spraying, what a second factor covers (RFC 4954)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pandas as pd

from smtplab.findings import Finding
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.story import counted

GUESSES = 20
"""Failed sign-ins of one account before a success, or of one network, that make a guess."""
SPRAYED = 10
"""Accounts that one network tries in vain, a few passwords each."""
NETWORKS = 6
"""Networks of one account within a day."""
_PASSWORDS = frozenset({"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "NTLM", "APOP"})


def check(evidence: LogEvidence) -> Iterator[Finding]:
    """Findings on sign-ins."""
    tried = attempts(evidence.connections).dropna(subset=["auth_user"])
    if tried.empty:
        return
    yield from _taken_over(evidence, tried)
    yield from _attacks(tried)
    yield from _everywhere(tried[tried["ok"]])
    yield from _coverage(tried[tried["ok"]])


def attempts(connections: pd.DataFrame) -> pd.DataFrame:
    """Sign-ins alone, each once, with `ok` and the client's `network`.

    Dovecot's auth service tells of a failure that the service in front of it (submission, IMAP) tells of as well: its
    word counts only for clients and accounts of which no service in front tells.
    """
    columns = ["time", "host", "service", "client_ip", "auth_method", "auth_user", "auth_ok"]
    tried = connections[columns].dropna(subset=["auth_ok"])
    tried = tried.assign(network=networks(tried["client_ip"]), ok=tried["auth_ok"].astype(bool))
    behind = (tried["service"] == "auth").fillna(False).astype(bool) & ~tried["ok"]
    who = pd.MultiIndex.from_frame(tried[["host", "client_ip", "auth_user"]].fillna(""))
    return tried[~(behind & who.isin(who[~behind & ~tried["ok"]]))]


def networks(addresses: pd.Series[str]) -> pd.Series[str]:
    """The /24 (IPv6: /48) of each address; "unknown" for what is none."""
    return addresses.map({a: _network(a) for a in addresses.dropna().unique()}).astype("str").fillna("unknown")


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 48}", strict=False))


def _taken_over(evidence: LogEvidence, tried: pd.DataFrame) -> Iterator[Finding]:
    failures = tried[~tried["ok"]]["auth_user"].value_counts()
    messages = evidence.messages[["time", "message_id", "sasl_user"]].dropna(subset="sasl_user")
    deliveries = evidence.deliveries[["message_id", "source_ip"]]
    for account in failures.index[failures >= GUESSES]:
        rows = tried[tried["auth_user"] == account]
        failed, fine = rows[~rows["ok"]], rows[rows["ok"]]
        began = failed["time"].min()
        usual = set(fine[fine["time"] < began]["network"])
        strange = fine[(fine["time"] >= began) & ~fine["network"].isin(usual | {"unknown"})]
        if strange.empty:
            continue
        since = strange["time"].min()
        mail = messages[(messages["sasl_user"] == account) & (messages["time"] >= since)]
        out = deliveries[deliveries["message_id"].isin(mail["message_id"].dropna())].dropna(subset="source_ip")
        yield Finding(
            "logs.account.compromised",
            str(account),
            (f"{len(failed):,} failed sign-ins", f"first success from elsewhere at {since:%Y-%m-%d %H:%M} UTC"),
            account=str(account),
            guesses=len(failed),
            networks=sorted(strange["network"].unique())[:5],
            messages=len(mail),
            source_ips=sorted(out["source_ip"].unique()) or ["no address known"],
            since=f"{since:%Y-%m-%d}",
        )


def _attacks(tried: pd.DataFrame) -> Iterator[Finding]:
    """By network: many accounts with few tries each is spraying, the rest guessing."""
    trusted = set(tried[tried["ok"]].sort_values("time").drop_duplicates("network")["network"])
    failed = tried[~tried["ok"] & (tried["network"] != "unknown")]
    by = failed.groupby("network").agg(
        failures=("ok", "size"), accounts=("auth_user", "nunique"), began=("time", "min")
    )
    spraying = by[(by["accounts"] >= SPRAYED) & (by["failures"] / by["accounts"] <= 10)]
    for network, row in spraying.iterrows():
        inside = tried[tried["ok"] & (tried["network"] == network)]
        seen = (f"{row['failures']:,} failures", f"since {row['began']:%Y-%m-%d %H:%M} UTC")
        if inside.empty:
            yield Finding(
                "logs.signins.spraying", str(network), seen, network=str(network), accounts=int(row["accounts"])
            )
        elif inside["time"].min() > row["began"]:
            # An office with stale passwords signed in before it failed; a sprayer never did.
            names = sorted(inside["auth_user"].unique())
            yield Finding(
                "logs.account.sprayed",
                str(network),
                seen,
                network=str(network),
                accounts=int(row["accounts"]),
                taken=names[:5],
                since=f"{inside['time'].min():%Y-%m-%d %H:%M}",
            )
    guessing = by[~by.index.isin(spraying.index) & ~by.index.isin(trusted) & (by["failures"] >= GUESSES)]
    if len(guessing):
        worst = guessing.sort_values("failures", ascending=False)
        targets = failed[failed["network"].isin(guessing.index)]["auth_user"].value_counts()
        yield Finding(
            "logs.signins.guessing",
            "sign-in",
            tuple(f"{n}: {c:,}" for n, c in worst["failures"].head(5).items()),
            failures=int(guessing["failures"].sum()),
            networks=counted(len(guessing), "network"),
            accounts=[str(a) for a in targets.index[:3]],
        )


def _everywhere(fine: pd.DataFrame) -> Iterator[Finding]:
    known = fine[fine["network"] != "unknown"]
    days = known.groupby(["auth_user", known["time"].dt.floor("D")])["network"].nunique()
    for account, count in days[days >= NETWORKS].groupby("auth_user").max().items():
        day = days[account].idxmax()
        seen = sorted(known[(known["auth_user"] == account) & (known["time"].dt.floor("D") == day)]["network"].unique())
        yield Finding(
            "logs.account.many_networks",
            str(account),
            seen[:5],
            account=str(account),
            networks=int(count),
            day=f"{day:%Y-%m-%d}",
        )


def _coverage(fine: pd.DataFrame) -> Iterator[Finding]:
    if fine.empty:
        return
    mechanisms = fine["auth_method"].fillna("unknown").str.upper().value_counts()
    password = int(mechanisms[mechanisms.index.isin(_PASSWORDS)].sum())
    where = fine["network"].value_counts()
    yield Finding(
        "logs.signins.coverage",
        "sign-in",
        (
            *(f"{m}: {n:,}" for m, n in mechanisms.head(5).items()),
            *(f"from {n}: {c:,}" for n, c in where.head(3).items()),
        ),
        signins=len(fine),
        accounts=counted(int(fine["auth_user"].nunique()), "account"),
        share=f"{password / len(fine):.0%}",
        networks=counted(len(where), "network"),
        elsewhere=f"{1 - where.iloc[0] / len(fine):.0%}",
    )
