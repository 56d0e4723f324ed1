"""The openspf RFC 7208 suite through our own queries, over real packets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from smtplab.authentication import spf, spf_record, spf_trace
from tests.authentication.dnsserver import network, txt

NOT_ON_THE_WIRE = {"null-text": "a TXT record without any string cannot be sent: RFC 1035 section 3.3.14 demands one"}
CASES = 203
EXPLANATIONS = 22


def _zone(data: dict[str, list[Any]]) -> dict[str, list[tuple[str, str]]]:
    zone: dict[str, list[tuple[str, str]]] = {}
    for name, entries in data.items():
        rows = zone.setdefault(name.lower().rstrip("."), [])
        given = {next(iter(e)) for e in entries if isinstance(e, dict)}
        for entry in entries:
            if not isinstance(entry, dict):
                rows.append(("*", "TIMEOUT"))
                continue
            ((kind, value),) = entry.items()
            if kind == "SPF":
                # The suite writes SPF for records that also stand as TXT, unless the name spells out its TXT.
                if "TXT" in given:
                    continue
                kind = "TXT"
            if value == "NONE":
                continue
            rows.append((kind, _text(kind, value)))
    return zone


def _text(kind: str, value: Any) -> str:
    if kind == "TXT":
        strings = value if isinstance(value, list) else [value]
        return " ".join(txt(s.encode("latin-1")) for s in strings if s) or '""'
    if kind == "MX":
        return f"{value[0]} {value[1].rstrip('.') + '.' if value[1] else '.'}"
    if kind in ("CNAME", "PTR"):
        return f"{value.rstrip('.')}."
    return str(value)


def _scenarios(corpora: Path) -> list[dict[str, Any]]:
    text = (corpora / "spf" / "rfc7208-tests.yml").read_text("utf-8")
    return [s for s in yaml.safe_load_all(text) if s]


def test_the_suite_passes_over_real_packets(corpora: Path) -> None:
    ran, explained, wrong = 0, 0, []
    for scenario in _scenarios(corpora):
        with network(_zone(scenario["zonedata"]), timeout=0.4) as net:
            for name, case in scenario["tests"].items():
                if name in NOT_ON_THE_WIRE:
                    continue
                got = net.run(spf_trace.evaluate(net, case["host"], case["mailfrom"], case["helo"]))
                ran += 1
                accepted = case["result"] if isinstance(case["result"], list) else [case["result"]]
                if got.result not in accepted:
                    wrong.append(f"{scenario['description']}/{name}: {got.result}, not {accepted}")
                expected = case.get("explanation", "DEFAULT")
                if got.result == "fail" and (got.explanation or "DEFAULT") == expected:
                    explained += "explanation" in case
                elif got.result == "fail":
                    wrong.append(f"{scenario['description']}/{name}: says {got.explanation!r}, not {expected!r}")
    assert not wrong, "\n".join(wrong)
    assert (ran + len(NOT_ON_THE_WIRE), explained) == (CASES, EXPLANATIONS)


def test_reading_a_record_at_rest_agrees_with_evaluating_it(corpora: Path) -> None:
    wrong = []
    for scenario in _scenarios(corpora):
        with network(_zone(scenario["zonedata"]), timeout=0.4) as net:
            for name, case in scenario["tests"].items():
                domain = case["mailfrom"].rpartition("@")[2] or case["helo"]
                record = net.run(spf.collect(net, domain))
                got = net.run(spf_trace.evaluate(net, case["host"], case["mailfrom"], case["helo"]))
                if not record.record:
                    continue
                limits = record.lookups > spf_record.MAX_LOOKUPS or record.voids > spf_record.MAX_VOIDS
                if got.lookups > record.lookups and not record.error:
                    wrong.append(f"{name}: {got.lookups} look-ups at work, {record.lookups} at rest")
                if got.result == "permerror" and not (record.error or limits):
                    wrong.append(f"{name}: permerror at work, sound at rest")
                if got.result in ("pass", "fail", "softfail", "neutral") and record.error:
                    wrong.append(f"{name}: {got.result} at work, at rest {record.error}")
    assert not wrong, "\n".join(wrong)
