"""Reports as receivers write them, small, for tests."""

from __future__ import annotations

import json
from pathlib import Path

from smtplab import reports

DAY = 86_400
BEGIN = 1_790_812_800  # 2026-10-01


def record(
    ip: str = "198.51.100.11",
    count: int = 10,
    header: str = "meridian.example",
    dkim: str = "",
    spf: str = "",
    passed: str = "none",
    reason: str = "",
) -> str:
    """One <record>; dkim is "domain/selector=result …", spf "domain=result"; `passed` the aligned ones."""
    signed = "".join(
        f"<dkim><domain>{d.partition('/')[0]}</domain><selector>{d.partition('/')[2].partition('=')[0]}</selector>"
        f"<result>{d.rpartition('=')[2]}</result></dkim>"
        for d in dkim.split()
    )
    sent = "".join(
        f"<spf><domain>{s.partition('=')[0]}</domain><result>{s.partition('=')[2]}</result></spf>" for s in spf.split()
    )
    why = f"<reason><type>{reason}</type></reason>" if reason else ""
    verdict = {n: "pass" if passed in (n, "both") else "fail" for n in ("dkim", "spf")}
    return (
        f"<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated>"
        f"<disposition>none</disposition><dkim>{verdict['dkim']}</dkim><spf>{verdict['spf']}</spf>{why}"
        f"</policy_evaluated></row><identifiers><header_from>{header}</header_from></identifiers>"
        f"<auth_results>{signed}{sent}</auth_results></record>"
    )


def feedback(*records: str, org: str = "google.com", day: int = 0, namespace: str = "", head: str = "") -> str:
    begin = BEGIN + day * DAY
    return (
        f'<?xml version="1.0"?>{head}<feedback{namespace}><report_metadata><org_name>{org}</org_name>'
        f"<report_id>{org}-{day}</report_id><date_range><begin>{begin}</begin><end>{begin + DAY - 1}</end>"
        "</date_range></report_metadata><policy_published><domain>meridian.example</domain><p>none</p>"
        f"</policy_published>{''.join(records)}</feedback>"
    )


def tls(successes: int = 100, *failures: tuple[str, int], day: int = 1) -> str:
    return json.dumps(
        {
            "organization-name": "Google Inc.",
            "date-range": {
                "start-datetime": f"2026-11-{day:02}T00:00:00Z",
                "end-datetime": f"2026-11-{day:02}T23:59:59Z",
            },
            "report-id": f"tls-{day}",
            "policies": [
                {
                    "policy": {"policy-type": "sts", "policy-domain": "meridian.example"},
                    "summary": {
                        "total-successful-session-count": successes,
                        "total-failure-session-count": sum(n for _, n in failures),
                    },
                    "failure-details": [
                        {
                            "result-type": kind,
                            "failed-session-count": n,
                            "receiving-mx-hostname": "mx1.meridian.example",
                        }
                        for kind, n in failures
                    ],
                }
            ],
        }
    )


def evidence(folder: Path, *texts: str, **kwargs: object) -> reports.ReportEvidence:
    for number, text in enumerate(texts):
        name = f"{number:03}.json" if text.startswith("{") else f"{number:03}.xml"
        (folder / name).write_text(text, "utf-8")
    return reports.read_paths([folder], domains=("meridian.example",), **kwargs)  # type: ignore[arg-type]
