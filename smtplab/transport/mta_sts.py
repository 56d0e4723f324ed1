"""MTA-STS, RFC 8461: a domain's promise that its MX offer TLS with a valid certificate."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from smtplab.net import Network
from smtplab.net.dns import DnsAnswer, State, query
from smtplab.net.https import Fetched, fetch

MODES = ("enforce", "testing", "none")
MAX_AGE = 31_557_600
"""Seconds; the most a policy may ask for (section 3.2)."""
_TXT = re.compile(r"v=STSv1[ \t]*;")
_ID = re.compile(r"[A-Za-z0-9]{1,32}")


@dataclass(frozen=True)
class PolicyFile:
    """A policy as served: `mode`, `mx` patterns in lower case, `max_age` seconds; `problems` make it unusable."""

    mode: str = ""
    mx: tuple[str, ...] = ()
    max_age: int = 0
    problems: tuple[str, ...] = ()

    def names(self, host: str) -> bool:
        """Whether the policy names a host; `*.` stands for exactly one label (section 4.1)."""
        parent = host.partition(".")[2]
        return any(p == host or (p.startswith("*.") and p[2:] == parent) for p in self.mx)


@dataclass(frozen=True)
class Policy:
    """What a domain promises.

    `state`: whether a policy is announced; `id` its TXT record's; `error` why senders cannot use it; `why` why it is
    unknown; `media_type` as the file was served.
    """

    domain: str
    state: State
    id: str = ""
    file: PolicyFile = field(default_factory=PolicyFile)
    error: str = ""
    why: str = ""
    media_type: str = ""

    @property
    def mode(self) -> str:
        """enforce, testing or none as senders follow it; "" where they have no policy."""
        return "" if self.error else self.file.mode

    def promises(self, host: str) -> bool:
        """Whether a sender delivers to this host only over TLS with a valid certificate."""
        return self.mode == "enforce" and self.file.names(host)


def parse(body: str) -> PolicyFile:
    """Read a policy; never raises. Of a key other than mx that stands twice the first counts (section 3.2)."""
    found: dict[str, list[str]] = {}
    for line in body.splitlines()[:500]:
        key, sign, value = line.partition(":")
        if sign:
            found.setdefault(key.strip(), []).append(value.strip())
    mode, age = found.get("mode", [""])[0], found.get("max_age", [""])[0]
    mx = tuple(p.lower().rstrip(".") for p in found.get("mx", ()))
    problems = []
    if found.get("version", [""])[0] != "STSv1":
        problems.append("the version is not STSv1")
    if mode not in MODES:
        problems.append("the mode is not enforce, testing or none")
    if not (age.isascii() and age.isdigit() and len(age) <= 10 and int(age) <= MAX_AGE):
        problems.append(f"max_age is not a number up to {MAX_AGE}")
    if not mx and mode != "none":
        problems.append("it names no mx")
    return PolicyFile(mode, mx, 0 if problems else int(age), tuple(problems))


async def collect(network: Network, domain: str, at: datetime) -> Policy:
    """The policy of a domain, its certificate judged at a time."""
    txt = await query(network, f"_mta-sts.{domain}", "TXT")
    if txt.state is State.UNKNOWN:
        return Policy(domain, State.UNKNOWN, why=txt.why)
    announced, error = _announced(txt)
    if not announced:
        return Policy(domain, State.PRESENT if error else State.ABSENT, error=error)
    got = await fetch(network, f"https://mta-sts.{domain}/.well-known/mta-sts.txt")
    if got.why:
        return Policy(domain, State.UNKNOWN, announced, why=got.why)
    file = parse(got.body)
    error = _unusable(got, at, network) or "; ".join(file.problems)
    media_type = got.media_type.partition(";")[0].strip().lower()
    return Policy(domain, State.PRESENT, announced, file, error, media_type=media_type)


def _announced(txt: DnsAnswer) -> tuple[str, str]:
    """The id of the one record, or why what stands there announces nothing (section 3.1)."""
    records = [r for r in txt.records if _TXT.match(r)]
    if len(records) > 1:
        return "", "there are several TXT records v=STSv1, so senders take none"
    number = _fields(records[0]).get("id", "") if records else ""
    if records and not _ID.fullmatch(number):
        return "", "the TXT record has no valid id"
    return number, ""


def _fields(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";"))
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}


def _unusable(got: Fetched, at: datetime, network: Network) -> str:
    """Why senders refuse what was fetched (section 3.3): address, certificate, status."""
    if refused := got.refused(at, network.settings.trust):
        return refused
    if 300 <= got.status < 400:
        return f"HTTP status {got.status}: senders follow no redirect"
    return "" if got.status == 200 else f"HTTP status {got.status}"
