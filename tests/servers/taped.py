"""A case whose recording is written by hand: what each name, server and policy host answered."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smtplab.case import Case
from smtplab.net.session import PORTS
from smtplab.net.tls import VERSIONS
from smtplab.servers.autodiscover import PATH, request
from smtplab.servers.clients import SERVICES
from smtplab.tape import Entry, Question, Recorder
from tests.net.certs import AT, Authority, Issued

DOMAIN = "test.example"
MX = "mx.test.example"
MAIL = "mail.test.example"
ADDRESSES = {MX: "192.0.2.10", MAIL: "192.0.2.20", f"mta-sts.{DOMAIN}": "192.0.2.25"}
Value = dict[str, Any] | str
"""An answer, or why it is unknown."""


def facts(issued: Issued | None, version: str = "TLSv1.3") -> dict[str, Any] | None:
    """TLS of a session."""
    if issued is None:
        return None
    chain = [base64.b64encode(der).decode() for der in issued.der]
    return {"version": version, "cipher": "TLS_AES_256_GCM_SHA384", "group": "x25519", "chain": chain}


def spoke(
    port: int,
    before: list[str] | None = None,
    after: list[str] | None = None,
    issued: Issued | None = None,
    *,
    greeting: str = "",
    greeting_ms: float = 1.0,
    ended: str = "",
    starttls: str = "",
) -> dict[str, Any]:
    """A session on a port: the lines of its capabilities before and after TLS; None: it did not come that far."""
    protocol, implicit, _ = PORTS[port]
    hello = {"smtp": "220 mx ready", "imap": "* OK ready", "pop3": "+OK ready", "sieve": "OK"}[protocol]
    steps = [_step("connect", []), _step("greeting", [greeting or hello], greeting_ms)]
    if implicit:
        steps.insert(1, _step("tls", []))
    for phase, lines in (("capabilities", before), ("starttls", [starttls] if starttls else None)):
        if lines is not None:
            steps.append(_step(phase, lines))
    if after is not None:
        steps += [_step("tls", []), _step("capabilities-tls", after)]
    return {"steps": steps, "tls": facts(issued), "ended": ended}


def _step(phase: str, reply: list[str], ms: float = 1.0) -> dict[str, Any]:
    return {"phase": phase, "sent": "", "reply": reply, "ms": ms}


def smtp(*capabilities: str) -> list[str]:
    lines = ["mx greets you", *capabilities]
    return [*(f"250-{c}" for c in lines[:-1]), f"250 {lines[-1]}"]


def imap(*capabilities: str) -> list[str]:
    return [f"* CAPABILITY IMAP4rev1 {' '.join(capabilities)}", "a1 OK"]


def pop3(*capabilities: str) -> list[str]:
    return ["+OK", "TOP", *capabilities, "."]


@dataclass
class Answers:
    """What the recording holds; `sessions` by (host, port), `legacy` the old versions accepted by a port."""

    sessions: Mapping[tuple[str, int], Value] = field(default_factory=dict)
    legacy: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    txt: Mapping[str, list[str] | str] = field(default_factory=dict)
    mx: list[str] = field(default_factory=lambda: [f"10 {MX}"])
    policy: Value | None = None
    roles: tuple[str, ...] = ("submission", "imap", "pop3")
    configuration: Mapping[str, str] = field(default_factory=dict)
    ipv6: Mapping[tuple[str, int], Value] = field(default_factory=dict)
    ports: Mapping[tuple[str, int], str] = field(default_factory=dict)
    srv: Mapping[str, str] | None = None
    autoconfig: Value | None = None
    own: bool = False
    intrusive: bool = False
    more: tuple[tuple[Question, Value], ...] = ()
    """Any other answers; they replace those above."""


def case(folder: Path, answers: Answers, authority: Authority) -> Case:
    """Write the case and its tape, and open it for replay."""
    Case.create(folder, DOMAIN)
    authority.pem(folder / "sources" / "ca.pem")
    roles = ", ".join(f'"{r}"' for r in answers.roles)
    (folder / "case.toml").write_text(
        f'version = 1\ndomains = ["{DOMAIN}"]\n[[hosts]]\nname = "{MAIL}"\nroles = [{roles}]\nown = {str(answers.own).lower()}\n'
        '[sources]\nconfiguration = ["sources/configuration/*"]\n'
        '[network]\npublic = ["192.0.2.0/24", "2001:db8::/32"]\ntrust = "sources/ca.pem"\n'
        f"intrusive = {str(answers.intrusive).lower()}\n"
    )
    for name, text in answers.configuration.items():
        (folder / "sources" / "configuration" / name).write_text(text)
    with Recorder(folder / "tape", started=AT, vantage="here") as tape:
        for question, answer in _entries(answers):
            value, unknown = (None, answer) if isinstance(answer, str) else (answer, None)
            tape.put(Entry(question, AT, 1.0, value, unknown))
    return Case.open(folder)


def _entries(answers: Answers) -> list[tuple[Question, Value]]:
    made = [(_dns(DOMAIN, "MX"), _records(answers.mx))]
    six = {host for host, _ in answers.ipv6}
    for name, address in ADDRESSES.items():
        made.append((_dns(name, "A"), _records([address])))
        made.append((_dns(name, "AAAA"), _records([_six(name)] if name in six else [])))
    for (host, port), value in answers.ipv6.items():
        protocol, implicit, _ = PORTS[port]
        params = {"protocol": f"{protocol}{'s' * implicit}", "name": host}
        made.append((Question.of("session", f"[{_six(host)}]:{port}", params), value))
    made += [(Question.of("port", f"{ADDRESSES[h]}:{p}", {}), {"state": s}) for (h, p), s in answers.ports.items()]
    for name in (f"_mta-sts.{DOMAIN}", f"_smtp._tls.{DOMAIN}"):
        told = answers.txt.get(name, [])
        made.append((_dns(name, "TXT"), told if isinstance(told, str) else _records(told)))
    if answers.srv is not None:
        told = {label: [answers.srv[label]] if label in answers.srv else [] for label in SERVICES}
        made += [(_dns(f"{label}._tcp.{DOMAIN}", "SRV"), _records(found)) for label, found in told.items()]
        first, second = (
            f"https://{place}" for place in (f"autoconfig.{DOMAIN}/mail", f"{DOMAIN}/.well-known/autoconfig/mail")
        )
        nothing: Value = {"error": "it has no address"}
        made.append((Question.of("https", f"{first}/config-v1.1.xml", {}), answers.autoconfig or nothing))
        made.append((Question.of("https", f"{second}/config-v1.1.xml", {}), nothing))
        made.append((_dns(f"_autodiscover._tcp.{DOMAIN}", "SRV"), _records([])))
        for host in (DOMAIN, f"autodiscover.{DOMAIN}"):
            made.append((Question.of("https", f"https://{host}{PATH}", {"post": request(DOMAIN)}), nothing))
    for (host, port), value in answers.sessions.items():
        protocol, implicit, _ = PORTS[port]
        target = f"{ADDRESSES[host]}:{port}"
        params = {"protocol": f"{protocol}{'s' * implicit}", "name": host}
        made.append((Question.of("session", target, params), value))
        for version in VERSIONS:
            accepted = version in ("TLSv1.2", "TLSv1.3", *answers.legacy.get(port, ()))
            made.append((Question.of("tls", target, {"name": host, "version": version}), {"accepted": accepted}))
    if answers.policy is not None:
        url = f"https://mta-sts.{DOMAIN}/.well-known/mta-sts.txt"
        made.append((Question.of("https", url, {}), answers.policy))
    return [*made, *answers.more]


def _six(host: str) -> str:
    return f"2001:db8::{ADDRESSES[host].rpartition('.')[2]}"


def _dns(name: str, rtype: str) -> Question:
    return Question.of("dns", name, {"rtype": rtype})


def _records(records: list[str]) -> dict[str, Any]:
    return {"rcode": "NOERROR", "records": records, "strings": [[r] for r in records]}
