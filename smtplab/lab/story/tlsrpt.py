"""TLS reports (RFC 8460) of the two senders that honour Meridian's MTA-STS policy, a day each.

They arrive although mail does not: a sender delivers a report even where the policy fails (section 3).
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any

from smtplab.lab.story.background import CLIENTS
from smtplab.lab.story.plan import Mail
from smtplab.lab.story.rhythm import utc

POLICY = {
    "policy-type": "sts",
    "policy-string": ["version: STSv1", "mode: enforce", "mx: mx1.meridian.example", "max_age: 604800"],
    "policy-domain": "meridian.example",
    "mx-host": ["mx1.meridian.example"],
}
REPORTERS = {
    "gmail": ("google.com", "Google Inc.", "smtp-tls-reporting@google.com"),
    "microsoft": ("microsoft.com", "Microsoft Corporation", "tlsrpt-noreply@microsoft.com"),
}
FAILURES = {
    "turned away mx1": ("certificate-expired", "mx1.meridian.example", "192.0.2.10"),
    "turned away mx2": ("validation-failure", "mx2.meridian.example", "192.0.2.11"),
}


def files(sessions: list[Mail], end: datetime) -> dict[str, str]:
    """File name -> JSON; counts are those of the sessions that stand in the logs of mx1 and mx2."""
    last = int(end.timestamp() // 86400)
    counts: dict[tuple[str, int], Counter[str]] = {}
    for one in sessions:
        scenario, group = one.steps[0].scenario, _group(one)
        if group in REPORTERS and (scenario in FAILURES or scenario == "inbound sent meridian.example"):
            counts.setdefault((group, int(one.at // 86400)), Counter())[scenario] += 1
    return dict(_file(group, day, count) for (group, day), count in sorted(counts.items()) if day < last)


def _group(one: Mail) -> str:
    return next((g for g, client in CLIENTS.items() if client == one.swaps.get("C")), "")


def _file(group: str, day: int, count: Counter[str]) -> tuple[str, str]:
    domain, organisation, contact = REPORTERS[group]
    begin, end = day * 86400, day * 86400 + 86399
    date = f"{utc(begin):%Y-%m-%d}"
    failures = [
        {
            "result-type": kind,
            "sending-mta-ip": CLIENTS[group].partition("[")[2].rstrip("]"),
            "receiving-mx-hostname": host,
            "receiving-ip": address,
            "failed-session-count": count[scenario],
        }
        for scenario, (kind, host, address) in FAILURES.items()
        if count[scenario]
    ]
    policy: dict[str, Any] = {
        "policy": POLICY,
        "summary": {
            "total-successful-session-count": count["inbound sent meridian.example"],
            "total-failure-session-count": sum(f["failed-session-count"] for f in failures),
        },
    }
    if failures:
        policy["failure-details"] = failures
    report = {
        "organization-name": organisation,
        "date-range": {"start-datetime": f"{date}T00:00:00Z", "end-datetime": f"{date}T23:59:59Z"},
        "contact-info": contact,
        "report-id": f"{date}T00:00:00Z_meridian.example@{domain}",
        "policies": [policy],
    }
    return f"{domain}!meridian.example!{begin}!{end}!001.json", json.dumps(report, indent=1) + "\n"
