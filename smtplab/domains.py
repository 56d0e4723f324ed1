"""One domain examined whole, without a case: what DNS says of its mail, and what is wrong with it.

import smtplab.domains
smtplab.domains.examine_domain(Network.without_case(), "example.org")
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from smtplab import authentication, markup, names
from smtplab.authentication import AuthEvidence
from smtplab.authentication.collect import ask as ask_authentication
from smtplab.authentication.spf_record import SpfRecord
from smtplab.casefile import domain_name
from smtplab.findings import Findings, Severity
from smtplab.inventory import merge
from smtplab.names import NamesEvidence
from smtplab.names.collect import NULL_MX
from smtplab.net import Network
from smtplab.net.dns import State
from smtplab.tables import Sighting

MAX_ADDRESSES = 50
"""Of a host, and characters of a title, in an object for scripts: records of strangers must not make it huge."""
MAX_TITLE = 1_000


UNANSWERED = frozenset({"spf.unknown", "dmarc.unknown", "names.unknown"})
"""Codes that say that a question got no answer; a worse finding of the same standard hides none of them."""


@dataclass(frozen=True)
class DomainReport:
    """The evidence of one domain and what follows from it."""

    domain: str
    authentication: AuthEvidence
    names: NamesEvidence
    findings: Findings

    @property
    def known(self) -> bool:
        """Whether SPF, DMARC and MX all got an answer, were it only that there is none."""
        return known(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Plain values for scripts, None where there is nothing: `smtplab domain --json` prints these.

        domain, exists, spf (record, lookups, void_lookups, all, state), dkim (selector, state, type, bits of each
        key), dkim_tried (common selectors that hold no key), dmarc, mx (state, null, hosts), findings (code,
        severity, subject, title; worst first).
        """
        mx, dmarc = self.names.mx[0], self.authentication.dmarc[0]
        return {
            "domain": self.domain,
            "exists": mx.exists,
            "spf": _spf(self.authentication.spf[0]),
            "dkim": [
                {"selector": k.selector, "state": str(k.state), "type": k.kind or None, "bits": k.bits or None}
                for k in self.authentication.dkim
            ],
            "dkim_tried": sum(g.tried for g in self.authentication.guesses),
            "dmarc": {"state": str(dmarc.state), **dmarc.as_dict()},
            "mx": {
                "state": str(mx.state),
                "null": mx.records == NULL_MX,
                "hosts": [
                    {"name": h.name, "preference": h.preference, "addresses": [*h.addresses, *h.hidden][:MAX_ADDRESSES]}
                    for h in sorted(self.names.hosts, key=lambda h: (h.preference, h.name))
                ],
            },
            "findings": [
                {"code": f.code, "severity": str(f.severity), "subject": f.subject, "title": f.title[:MAX_TITLE]}
                for f in self.findings
            ],
        }

    def __repr__(self) -> str:
        said = verdict(self.as_dict())
        head = ", ".join(f"{k} {said[k]}" for k in ("spf", "dkim", "dmarc", "mx"))
        return f"{self.domain}: {head}\n{self.findings!r}"

    def _repr_html_(self) -> str:
        said = verdict(self.as_dict())
        head = markup.frame_table(pd.DataFrame([said]))
        return f"{head}{self.findings._repr_html_()}"


def _spf(spf: SpfRecord) -> dict[str, Any]:
    answered = spf.state is not State.UNKNOWN
    return {
        "record": spf.record or None,
        "lookups": spf.lookups if answered else None,
        "void_lookups": spf.voids if answered else None,
        "all": spf.all or None,
        "state": str(spf.state),
    }


def verdict(row: Mapping[str, Any]) -> dict[str, str]:
    """A domain in a few words, of what `as_dict` gives: domain, spf, dkim, dmarc, mx, worst (severity)."""
    found = row["findings"]
    if [f["code"] for f in found] == ["names.domain.missing"]:
        said = dict.fromkeys(("spf", "dkim", "dmarc"), "–")
        return {"domain": row["domain"], **said, "mx": "no such domain", "worst": found[0]["severity"]}
    said = {
        "domain": row["domain"],
        "spf": _word(found, "spf.", "unknown"),
        "dkim": _word(found, "dkim.", "not asked"),
        "dmarc": row["dmarc"]["policy"] or _word(found, "dmarc.", "missing"),
        "mx": "no such domain" if row["exists"] is False else _word(found, "names.mx.", "unknown"),
    }
    worst = found[0]["severity"] if found else Severity.INFO
    if worst in (Severity.INFO, Severity.OK) and not _answered(said):
        # What nobody knows is not fine.
        worst = "unknown"
    return {**said, "worst": worst}


def known(row: Mapping[str, Any]) -> bool:
    """Whether SPF, DMARC and MX of such an object are all known, with everything that they lead to."""
    return _answered(verdict(row)) and not UNANSWERED & {f["code"] for f in row["findings"]}


def _answered(said: Mapping[str, str]) -> bool:
    return "unknown" not in (said["spf"], said["dmarc"], said["mx"])


def _word(findings: Sequence[Mapping[str, Any]], prefix: str, otherwise: str) -> str:
    """The worst finding of a standard in the words of its code; one that is fine outweighs what is only told."""
    own = [f for f in findings if f["code"].startswith(prefix)]
    if not own:
        return otherwise
    if own[0]["severity"] in (Severity.INFO, Severity.OK) and own[-1]["severity"] == Severity.OK:
        return "ok"
    code = str(own[0]["code"]).removeprefix(prefix)
    # The column says already what it is about.
    return re.sub(r"^(record|key|selectors)\.", "", code).replace(".", " ").replace("_", " ")


def examine_domain(
    network: Network, domain: str, selectors: Iterable[str] = (), *, guess: bool = True, propagation: bool = True
) -> DomainReport:
    """Ask all that DNS tells of a domain's mail, and judge it.

    `selectors` are DKIM selectors to look for; without any, and with `guess`, those in common use are tried. With
    `propagation` every authoritative server is asked by itself. Nothing is raised for what the domain publishes.
    """
    return network.run(ask(network, domain_name(domain), selectors, guess=guess, propagation=propagation))


async def ask(
    network: Network, domain: str, selectors: Iterable[str] = (), *, guess: bool = True, propagation: bool = True
) -> DomainReport:
    """The same as a coroutine, for many domains at once; `domain` is in A-labels."""
    # No source: a selector that somebody typed is not one seen in use.
    inventory = merge([Sighting("domain", domain), *(Sighting("selector", s, domain) for s in selectors)])
    published, routed = await asyncio.gather(
        ask_authentication(network, inventory, guess), names.ask(network, inventory, propagation=propagation)
    )
    findings = names.settled(authentication.check(published) + names.check(routed))
    return DomainReport(domain, published, routed, findings)
