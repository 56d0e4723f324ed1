"""The command on one From domain without a case: dmarc."""

from __future__ import annotations

import json as js
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smtplab.cli.app import app
from smtplab.cli.network import Resolver, outside
from smtplab.cli.output import Json, one_line, table, tell_findings
from smtplab.errors import SmtplabError

if TYPE_CHECKING:
    from smtplab.authentication.alignment import Alignment, Verdict
    from smtplab.authentication.dmarc import Dmarc
    from smtplab.findings import Findings

RESULTS = ("pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror")
MODES = ("9989", "7489")


@app.command(epilog="Example: smtplab dmarc news.example.org --spf bounce.example.org:pass --dkim vendor.example:pass")
def dmarc(
    from_domain: Annotated[str, typer.Argument(metavar="FROM_DOMAIN", help="Domain of the From address")],
    mode: Annotated[str, typer.Option(metavar="9989|7489", help="Whose policy and verdict to give")] = "9989",
    spf: Annotated[str, typer.Option(metavar="DOMAIN:RESULT", help="What SPF said of MAIL FROM, or of HELO")] = "",
    dkim: Annotated[
        list[str] | None, typer.Option(metavar="DOMAIN:RESULT", help="What DKIM said of a d=, may be repeated")
    ] = None,
    resolver: Resolver = "",
    json: Json = False,
) -> None:
    """Which DMARC policy governs a From domain. By RFC 9989 and RFC 7489, with the verdict on a message."""
    from smtplab.authentication import alignment
    from smtplab.authentication import dmarc as standards
    from smtplab.authentication.check.dmarc import judge
    from smtplab.casefile import domain_name
    from smtplab.findings import Findings

    if mode not in MODES:
        raise SmtplabError(f"{mode[:20]!r} is no mode", where="--mode", do=f"One of: {', '.join(MODES)}")
    name = domain_name(from_domain)
    said = [_checked("--spf", spf)] if spf else []
    signed = [_checked("--dkim", d) for d in dkim or ()]
    network = outside(resolver)
    found = network.run(standards.collect(network, name))
    held = network.run(alignment.align(network, found, said[0] if said else None, signed)) if said or signed else None
    verdict = held.verdict(standards.Standard(mode)) if held else None
    findings = Findings(judge(found))
    if json:
        print(js.dumps(_contract(found, mode, findings, held, verdict)))
    else:
        _show(found, findings, held, verdict)


def _checked(option: str, text: str) -> tuple[str, str]:
    """A domain and what was said of it; raises SmtplabError, also for CaseError's bad domain."""
    from smtplab.casefile import domain_name

    domain, _, result = text.rpartition(":")
    if result.lower() not in RESULTS or not domain:
        do = f"Write example.org:pass; the results are {', '.join(RESULTS)}"
        raise SmtplabError(f"{text[:80]!r} is no DOMAIN:RESULT", where=option, do=do)
    return domain_name(domain), result.lower()


def _contract(
    found: Dmarc, mode: str, findings: Findings, held: Alignment | None, verdict: Verdict | None
) -> dict[str, Any]:
    from smtplab.authentication.dmarc import disputes

    made: dict[str, Any] = {
        "domain": found.domain,
        "mode": mode,
        "state": str(found.state),
        "exists": found.exists,
        **found.as_dict(mode),
        "walk": [{"name": f"_dmarc.{s.name}", "state": str(s.state), "record": str(s)} for s in found.steps],
        "report_targets": [
            {"address": t.address, "consent": str(t.consent), "asked": t.asked or None} for t in found.targets
        ],
        "disputed": [
            {"case": str(d), "readings": [disputes()[d]["first"], disputes()[d]["second"]]} for d in found.disputed
        ],
        "differs": list(found.differs),
        "findings": [{"code": f.code, "severity": str(f.severity), "subject": f.subject} for f in findings],
    }
    if held and verdict:
        made["verdict"] = {
            "result": str(verdict.result),
            "policy": str(verdict.policy),
            "disposition": str(verdict.disposition),
            "why": verdict.why,
            "identities": held.frame().to_dict("records"),
        }
    return made


def _show(found: Dmarc, findings: Findings, held: Alignment | None, verdict: Verdict | None) -> None:
    """Where the standards differ and what is disputed stands among the findings."""
    table(found.readings())
    print("\nThe walk of RFC 9989:")
    table(found.walk_frame())
    if found.targets:
        print("\nReports go to:")
        for target in found.targets:
            print(f"  {one_line(target.address)}: {target.consent}")
    if held and verdict:
        print(f"\n{one_line(repr(verdict))}")
        table(held.frame())
    tell_findings(findings)
