"""TLS-RPT, RFC 8460: does a domain ask senders to report when TLS fails? Nothing else shows that inbound loss."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from smtplab.net import Network
from smtplab.net.dns import State, query

_VERSION = re.compile(r"v=TLSRPTv1[ \t]*(;|$)")
_MAILTO = re.compile(r"mailto:[^\s,;!@]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(\?[^\s,;!]*)?", re.IGNORECASE)
_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?(/[^\s,;!]*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Reporting:
    """What a domain asks for: `rua` where reports go, `problems` why senders would send none, `why` an unknown."""

    domain: str
    state: State
    rua: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    why: str = ""

    @property
    def works(self) -> bool:
        """Reports will come."""
        return self.state is State.PRESENT and not self.problems


def parse(domain: str, records: Iterable[str]) -> Reporting:
    """Read the TXT records of _smtp._tls; several, or a broken one, count as none (RFC 8460 section 3)."""
    found = [r for r in records if _VERSION.match(r)]
    if not found:
        return Reporting(domain, State.ABSENT)
    if len(found) > 1:
        return Reporting(domain, State.PRESENT, problems=(f"there are {len(found)} records, so senders take none",))
    fields = dict(reversed([_field(f) for f in found[0][:10_000].split(";")[1:] if f.strip()]))
    rua = tuple(u.strip() for u in fields.get("rua", "").split(",") if u.strip())[:50]
    problems = [] if rua else ["it has no rua"]
    problems += [f"{u[:200]!r} is no mailto: or https: address" for u in rua if not _address(u)]
    return Reporting(domain, State.PRESENT, rua, tuple(problems))


def _field(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    return name.strip(), value.strip() if sign else ""


def _address(uri: str) -> bool:
    return bool(_MAILTO.fullmatch(uri) or _HTTPS.fullmatch(uri))


async def collect(network: Network, domain: str) -> Reporting:
    """What a domain publishes."""
    answer = await query(network, f"_smtp._tls.{domain}", "TXT")
    if answer.state is State.UNKNOWN:
        return Reporting(domain, State.UNKNOWN, why=answer.why)
    return parse(domain, answer.records)
