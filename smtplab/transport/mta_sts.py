"""MTA-STS, RFC 8461: a domain's promise that its MX offer TLS with a valid certificate; and TLS-RPT, RFC 8460."""

from __future__ import annotations

import re
from dataclasses import dataclass

from smtplab.net import Network
from smtplab.net.dns import State, query
from smtplab.net.https import fetch

_TXT = re.compile(r"^v=STSv1\s*;")
_RPT = re.compile(r"^v=TLSRPTv1\s*;")
MODES = ("enforce", "testing", "none")


@dataclass(frozen=True)
class Policy:
    """What a domain promises; `state` of the TXT record, `error` of the policy, `report` of TLS-RPT."""

    domain: str
    state: State
    mode: str = ""
    mx: tuple[str, ...] = ()
    max_age: int = 0
    error: str = ""
    why: str = ""
    report: State = State.UNKNOWN
    rua: str = ""

    def names(self, host: str) -> bool:
        """Whether the policy names a host; `*.` stands for exactly one label (section 4.1)."""
        parent = host.partition(".")[2]
        return any(p == host or (p.startswith("*.") and p[2:] == parent) for p in self.mx)


def parse(body: str) -> dict[str, list[str]]:
    """The key: value lines of a policy, names in lower case; unknown keys are kept."""
    made: dict[str, list[str]] = {}
    for line in body.splitlines()[:500]:
        key, sign, value = line.partition(":")
        if sign:
            made.setdefault(key.strip().lower(), []).append(value.strip())
    return made


async def collect(network: Network, domain: str) -> Policy:
    """The policy of a domain, and whether it asks for TLS reports."""
    txt = await query(network, f"_mta-sts.{domain}", "TXT")
    rpt = await query(network, f"_smtp._tls.{domain}", "TXT")
    reports = [r for r in rpt.records if _RPT.match(r)]
    report = rpt.state if rpt.state is State.UNKNOWN else State.PRESENT if reports else State.ABSENT
    rua = reports[0].partition("rua=")[2] if reports else ""
    if txt.state is State.UNKNOWN:
        return Policy(domain, State.UNKNOWN, why=txt.why, report=report, rua=rua)
    if not any(_TXT.match(r) for r in txt.records):
        return Policy(domain, State.ABSENT, report=report, rua=rua)
    got = await fetch(network, f"https://mta-sts.{domain}/.well-known/mta-sts.txt")
    if got.why:
        return Policy(domain, State.UNKNOWN, why=got.why, report=report, rua=rua)
    fields = parse(got.body)
    mode = fields.get("mode", [""])[0].lower()
    age = fields.get("max_age", ["0"])[0]
    error = got.error or (f"HTTP status {got.status}" if got.status != 200 else "")
    error = error or ("" if mode in MODES else "no valid mode")
    mx = tuple(p.lower().rstrip(".") for p in fields.get("mx", ()))
    max_age = int(age) if age.isascii() and age.isdigit() and len(age) < 12 else 0
    return Policy(domain, State.PRESENT, mode, mx, max_age, error, report=report, rua=rua)
