"""Runs inside the namespace: a signed and an unsigned zone on NSD and Unbound, an MX for each way DANE can stand.

Writes as JSON what our collection finds, and what Postfix's own prober (posttls-finger) makes of the same MX.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from smtplab import inventory, transport
from smtplab.case import Case
from smtplab.lab import dns
from smtplab.lab.namespace import raise_networks
from smtplab.lab.processes import Processes, program, until
from smtplab.lab.world import NameServer, World
from smtplab.transport.dane import proposal
from tests.net.certs import DAY, Authority, Issued
from tests.net.scripted import SMTP, SMTP_INSIDE, Line, Scripted, context, dialogue
from tests.transport.test_dane import record

SIGNED, PLAIN = "dane.example", "plain.example"
IMPLICIT, IMPLICIT_WRONG = f"implicit.{SIGNED}", f"implicit-wrong.{SIGNED}"
RESOLVER, NSD = "192.0.2.53", "192.0.2.1"
NOW = datetime.now(UTC)
AUTHORITY = Authority()


MOVED = f"good.{SIGNED}"
"""Its MTA-STS policy is a redirect to where nobody outside may look."""
HOUSE, INNER = "192.0.2.90", ("127.0.0.1", 8443)


class Standing(Scripted):
    """A scripted server on a port of an address of its own."""

    address, at = "", 25

    def __enter__(self) -> Self:
        self.thread.start()
        start = asyncio.start_server(self._serve, self.address, self.at, ssl=self.tls if self.implicit else None)
        self.server = asyncio.run_coroutine_threadsafe(start, self.loop).result(5)
        return self


def issue(host: str, **options: object) -> Issued:
    return AUTHORITY.issue(host, **{"begin": NOW - 30 * DAY, "end": NOW + 60 * DAY, **options})  # type: ignore[arg-type]


def set_ups() -> dict[str, tuple[Issued | None, list[str]]]:
    """By domain: the certificate its MX shows (None: no STARTTLS) and the TLSA records."""

    def of(name: str, **options: object) -> Issued:
        return issue(f"mx.{name}.{SIGNED}", **options)

    good, key, whole, rollover, wrong = (of(n) for n in ("good", "key", "whole", "rollover", "wrong"))
    ta, expired, other, bare = (
        of("ta"),
        of("ta-expired", end=NOW - DAY),
        issue("mx.elsewhere.example"),
        of("ta-whole", bare=True),
    )
    own, old, pkix = of("own", self_signed=True), of("old", end=NOW - DAY), of("pkix")
    plain, implicit = issue(f"mx.{PLAIN}"), issue(IMPLICIT)
    return {
        f"good.{SIGNED}": (good, [proposal(good.der)]),
        f"key.{SIGNED}": (key, [record(3, 1, 2, key)]),
        f"whole.{SIGNED}": (whole, [record(3, 0, 1, whole)]),
        f"rollover.{SIGNED}": (rollover, [record(3, 1, 1, wrong), record(3, 1, 1, rollover)]),
        f"own.{SIGNED}": (own, [record(3, 1, 1, own)]),
        f"old.{SIGNED}": (old, [record(3, 1, 1, old)]),
        f"ta.{SIGNED}": (ta, [record(2, 1, 1, ta, 1)]),
        f"ta-whole.{SIGNED}": (bare, [record(2, 0, 0, ta, 1)]),
        f"ta-expired.{SIGNED}": (expired, [record(2, 1, 1, expired, 1)]),
        f"ta-name.{SIGNED}": (other, [record(2, 1, 1, other, 1)]),
        f"ta-missing.{SIGNED}": (of("ta-missing", bare=True), [record(2, 1, 1, ta, 1)]),
        f"wrong.{SIGNED}": (wrong, [record(3, 1, 1, good)]),
        f"mixed.{SIGNED}": (pkix, [record(1, 1, 1, pkix), record(3, 1, 1, good)]),
        f"pkix.{SIGNED}": (pkix, [record(1, 1, 1, pkix)]),
        f"notls.{SIGNED}": (None, [record(3, 1, 1, good)]),
        f"none.{SIGNED}": (good, []),
        # No MX record: the domain is its own mail host (RFC 5321 section 5.1), and DANE names it (RFC 7672 section 2.2.1).
        IMPLICIT: (implicit, [record(3, 1, 1, implicit)]),
        IMPLICIT_WRONG: (implicit, [record(3, 1, 1, good)]),
        PLAIN: (plain, [record(3, 1, 1, good)]),
    }


def zone(name: str, domains: dict[str, tuple[str, list[str]]]) -> str:
    lines = [f"$ORIGIN {name}", f"@ IN SOA ns.{name}. hostmaster.{name}. 1 7200 3600 1209600 300"]
    lines += [f"@ IN NS ns.{name}.", f"ns IN A {NSD}"]
    for domain, (address, records) in domains.items():
        host = domain if domain in (IMPLICIT, IMPLICIT_WRONG) else f"mx.{domain}"
        lines += [] if host == domain else [f"{domain}. IN MX 10 {host}."]
        lines += [f"{host}. IN A {address}", *(f"_25._tcp.{host}. IN TLSA {r}" for r in records)]
    if name == SIGNED:
        lines += [f'_mta-sts.{MOVED}. IN TXT "v=STSv1; id=1"', f"mta-sts.{MOVED}. IN A {HOUSE}"]
    return "\n".join(lines) + "\n"


async def moved(line: Line) -> None:
    with suppress(EOFError):
        while await line.hear():
            pass
    place = f"https://{INNER[0]}:{INNER[1]}/policy.txt"
    await line.say(f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n")


def finger(home: Path, domain: str) -> str:
    """What posttls-finger says of the connection: Verified, Untrusted, ..., or its last words."""
    command = [program("posttls-finger"), "-c", "-l", "dane", "-L", "1", "-t", "5", domain]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, "MAIL_CONFIG": str(home)}
    )
    said = done.stdout + done.stderr
    found = re.search(r"(\w+) TLS connection established", said)
    return found[1] if found else (said.strip().splitlines() or [f"status {done.returncode}"])[-1]


def main(root: Path, out: Path) -> None:
    root.chmod(0o755)
    (root / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
    raise_networks(["192.0.2.100/24"], root / "resolv.conf")
    plans = set_ups()
    addresses = {domain: f"192.0.2.{20 + i}" for i, domain in enumerate(plans)}
    folder = root / "world"
    (folder / "zones").mkdir(parents=True)
    served = {d: (addresses[d], records) for d, (_, records) in plans.items()}
    (folder / "zones" / "signed.zone").write_text(zone(SIGNED, {d: s for d, s in served.items() if d != PLAIN}))
    (folder / "zones" / "plain.zone").write_text(zone(PLAIN, {PLAIN: served[PLAIN]}))
    server = NameServer("ns", NSD, ("signed.zone", "plain.zone"))
    world = World(folder, frozenset(), NOW, SIGNED, (SIGNED,), (), {}, (server,), (), (), {})
    processes = Processes()
    with ExitStack() as stack:
        stack.callback(processes.stop)
        dns.start(world, root, RESOLVER, processes)
        until("Unbound does not answer", lambda: dns.answers(RESOLVER, SIGNED), processes=processes)
        for domain, (issued, _) in plans.items():
            tls = context(*issued.write(root / "certs" / domain)) if issued else None
            lines = SMTP if issued else SMTP_INSIDE
            mx = Standing(dialogue("220 hi\r\n", lines, SMTP_INSIDE), tls)
            mx.address = addresses[domain]
            stack.enter_context(mx)
        chain = context(*issue(f"mta-sts.{MOVED}").write(root / "certs" / "house"))
        house, inner = Standing(moved, chain, implicit=True), Standing(moved, chain, implicit=True)
        (house.address, house.at), (inner.address, inner.at) = (HOUSE, 443), INNER
        stack.enter_context(house)
        stack.enter_context(inner)
        seen = observe(root, list(plans))
        seen["redirect"] = {"asked": len(house.lines), "followed": len(inner.lines)}
        out.write_text(json.dumps(seen))


def observe(root: Path, domains: list[str]) -> dict[str, object]:
    postfix = root / "postfix"
    postfix.mkdir()
    (postfix / "main.cf").write_text("smtp_dns_support_level = dnssec\ncompatibility_level = 3.6\n")
    case = root / "case"
    Case.create(case, domains[0])
    AUTHORITY.pem(case / "sources" / "ca.pem")
    (case / "sources" / "anchor.key").write_text((root / "dns" / "unbound" / "anchor.key").read_text())
    network = f'[network]\nresolver = "{RESOLVER}:53"\npublic = ["192.0.2.0/24"]\ntrust = "sources/ca.pem"\n'
    head = f"version = 1\ndomains = {json.dumps(domains)}\n{network}"
    (case / "case.toml").write_text(head + 'trust_anchor = "sources/anchor.key"\n')
    with Case.open(case, live=True) as opened:
        live = transport.collect(opened, inventory.gather(opened))
    seen: dict[str, object] = {"dane": facts(live), "connections": max(live.connections.values())}
    seen["findings"] = sorted({f.code for f in transport.check(live).of("transport.dane.")})
    seen["policy"] = live.policy(MOVED).error
    seen["policy findings"] = [f.code for f in transport.check(live).of("transport.mta_sts.") if f.subject == MOVED]
    seen["matrix"] = dict(
        zip(live.dane and [d.domain for d in live.dane], transport.protection(live)["mail is"], strict=True)
    )
    with Case.open(case) as opened:
        seen["replay"] = facts(transport.collect(opened, inventory.gather(opened)))
    (case / "case.toml").write_text(head)
    with Case.open(case) as opened:
        seen["believed"] = facts(transport.collect(opened, inventory.gather(opened)))
    seen["postfix"] = {domain: finger(postfix, domain) for domain in domains}
    return seen


def facts(evidence: transport.TransportEvidence) -> dict[str, list[str]]:
    return {d.domain: [str(d.state), d.by, d.why] for d in evidence.dane}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="smtplab-dane-") as folder:
        main(Path(folder), Path(sys.argv[1]))
