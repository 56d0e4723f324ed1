"""DMARC aggregate reports: Google's by RFC 9990, Yahoo's and Microsoft's by RFC 7489, a day each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from xml.sax.saxutils import escape

from smtplab.lab.story.plan import Mail, Story
from smtplab.lab.story.rhythm import utc

OUT1, OUT2, POSTRIDER, CRM = "198.51.100.11", "198.51.100.12", "203.0.113.100", "203.0.113.110"
FORWARDER, LIST, FORGER = "203.0.113.200", "203.0.113.70", ("203.0.113.221", "203.0.113.222", "203.0.113.223")
REPORTERS = {
    "gmail": ("google.com", "google.com", "noreply-dmarc-support@google.com"),
    "microsoft": ("enterprise.protection.outlook.com", "Enterprise Outlook", "dmarcreport@microsoft.com"),
    "yahoo": ("yahoo.com", "Yahoo", "dmarchelp@yahooinc.com"),
}


@dataclass(frozen=True, order=True)
class Row:
    """What one record says besides its count: dkim and spf aligned, `signed` (domain, selector, result)."""

    source: str
    dkim: str
    spf: str
    envelope: str
    spf_result: str
    signed: tuple[str, str, str] | None = None
    disposition: str = "none"
    override: str = ""


def files(mails: list[Mail], story: Story) -> dict[str, str]:
    """File name -> XML. Reports come to dmarc@meridian.example: those of strict senders stop with mx1's certificate."""
    rng = Random(story["seed"] + 4)
    counts: dict[tuple[str, int], Counter[Row]] = {}
    for mail in mails:
        row = _row(mail)
        if row is not None:
            counts.setdefault((mail.group, int(mail.at // 86400)), Counter())[row] += 1
    expired = int(story["certificate_expired"].timestamp() // 86400)
    made = {}
    for (group, day), rows in sorted(counts.items()):
        if (day + 1) * 86400 > story["end"].timestamp():
            continue
        if group in story["inbound"]["strict"] and day >= expired - 1:
            continue
        rows.update(_strangers(rng, group, day))
        name, text = _report(group, day, rows)
        made[name] = text
    return made


def _row(mail: Mail) -> Row | None:
    """The record of a message, None when its receiver reports nothing or refused it before looking at DMARC."""
    if mail.group not in REPORTERS:
        return None
    if mail.stream == "newsletter":
        signed = ("meridian.example", "pr1", "fail")
        refused = {"disposition": "reject", "override": "local_policy"} if mail.fate == "lost" else {}
        return Row(POSTRIDER, "fail", "fail", "bounce.meridian.example", "permerror", signed, **refused)
    if mail.stream == "crm":
        refused = {"disposition": "reject", "override": "local_policy"} if mail.fate == "lost" else {}
        return Row(CRM, "fail", "fail", "crm-vendor.example", "pass", ("crm-vendor.example", "v1", "pass"), **refused)
    if mail.fate == "lost":
        return None
    if mail.kind in ("ticket", "winback"):
        return Row(OUT1, "pass", "pass", "meridian.example", "pass", ("meridian.example", "mx2026", "pass"))
    # Unsigned from out2: what SPF says depends on which name server the receiver's resolver asked in that hour.
    stale = Random(int(mail.at // 3600) * 7 + len(mail.group)).random() < 0.45
    return Row(OUT2, "fail", "fail" if stale else "pass", "meridian.example", "permerror" if stale else "pass")


def _strangers(rng: Random, group: str, day: int) -> Counter[Row]:
    """A forwarder, a mailing list, and forgers of billing mail from 20 October on."""
    made: Counter[Row] = Counter()
    if rng.random() < 0.8:
        signed = ("meridian.example", "mx2026", "pass")
        made[Row(FORWARDER, "pass", "fail", "meridian.example", "permerror", signed)] += rng.randrange(1, 9)
    if rng.random() < 0.4:
        signed = ("meridian.example", "mx2026", "fail")
        made[Row(LIST, "fail", "fail", "listserve.example", "pass", signed, "none", "mailing_list")] += rng.randrange(
            1, 6
        )
    if f"{utc(day * 86400):%m-%d}" >= "10-20" and rng.random() < 0.7:
        made[Row(rng.choice(FORGER), "fail", "fail", "meridian-billing.example", "none")] += rng.randrange(5, 60)
    return made


def _report(group: str, day: int, rows: Counter[Row]) -> tuple[str, str]:
    domain, organisation, contact = REPORTERS[group]
    begin, end = day * 86400, day * 86400 + 86399
    new = group == "gmail"
    report_id = f"{begin}{sum(rows.values()):05d}.{organisation.lower().replace(' ', '-')}"
    space = ' xmlns="urn:ietf:params:xml:ns:dmarc-2.0"' if new else ""
    fresh = "<testing>n</testing><discovery_method>treewalk</discovery_method>"
    policy = f"<p>none</p>{fresh}" if new else "<adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct>"
    generator = "<generator>Google DMARC reporter</generator>" if new else ""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<feedback{space}>\n'
        f"<version>1.0</version>\n<report_metadata><org_name>{organisation}</org_name><email>{contact}</email>"
        f"<report_id>{report_id}</report_id><date_range><begin>{begin}</begin><end>{end}</end></date_range>"
        f"{generator}</report_metadata>\n"
        f"<policy_published><domain>meridian.example</domain>{policy}</policy_published>\n"
    )
    text += "".join(
        _record(row, count, new) for row, count in sorted(rows.items(), key=lambda r: (r[0].source, repr(r)))
    )
    suffix = "zip" if new else "xml"
    return f"{domain}!meridian.example!{begin}!{end}.{suffix}", text + "</feedback>\n"


def _record(row: Row, count: int, new: bool) -> str:
    reason = f"<reason><type>{row.override}</type><comment/></reason>" if row.override else ""
    scope = "<scope>mfrom</scope>"
    signed = ""
    if row.signed:
        domain, selector, result = row.signed
        note = "<human_result>no key for signature</human_result>" if (selector, result) == ("pr1", "fail") else ""
        signed = f"<dkim><domain>{domain}</domain><selector>{selector}</selector><result>{result}</result>{note}</dkim>"
    return (
        f"<record><row><source_ip>{row.source}</source_ip><count>{count}</count><policy_evaluated>"
        f"<disposition>{row.disposition}</disposition><dkim>{row.dkim}</dkim><spf>{row.spf}</spf>{reason}"
        f"</policy_evaluated></row><identifiers><envelope_from>{escape(row.envelope)}</envelope_from>"
        f"<header_from>meridian.example</header_from></identifiers><auth_results>{signed}"
        f"<spf><domain>{escape(row.envelope)}</domain>{scope}<result>{row.spf_result}</result></spf>"
        "</auth_results></record>\n"
    )
