"""The lab's name service: NSD for every zone of the world, Unbound as the one validating resolver.

Unbound knows nothing but these zones: every other name, the root's too, is answered NXDOMAIN on the spot.
"""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
from cryptography.hazmat.primitives.asymmetric import ec

from smtplab.lab.keys import dkim_record, ec_key
from smtplab.lab.processes import Processes, run
from smtplab.lab.world import NameServer, World

KEY_TAGS = {"ksk": 257, "zsk": 256}
ORIGIN = re.compile(r"^\$ORIGIN[ \t]+(\S+?)\.?[ \t]*$", re.MULTILINE)
DKIM = re.compile(r"@dkim:(\w+)@")


def zones(text: str) -> dict[str, str]:
    """The zones of one file, each beginning at its `$ORIGIN`; one without SOA gets SOA and NS of the world's server."""
    found = {}
    parts = ORIGIN.split(text)
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        head = f"$ORIGIN {name}.\n$TTL 3600\n"
        if " SOA " not in body:
            head += "@ IN SOA ns.world.example. hostmaster.world.example. 2026110101 7200 3600 1209600 300\n"
            head += "@ IN NS ns.world.example.\n"
        found[name] = head + DKIM.sub(lambda match: dkim_record(match[1]), body)
    return found


def start(world: World, root: Path, resolver: str, processes: Processes) -> None:
    """Write zones and configuration, sign what is to be signed, start the servers."""
    names: dict[str, str] = {}
    anchors = ""
    for server in world.name_servers:
        home = root / "dns" / server.name
        home.mkdir(parents=True)
        served = {}
        for file in server.files:
            for name, text in zones(world.read(f"zones/{file}", server.name)).items():
                served[name] = home / f"{name}.zone"
                served[name].write_text(text)
                if name in world.signed:
                    anchors = _sign(world, name, served[name])
                names.setdefault(name, server.address)
        (home / "nsd.conf").write_text(_nsd(server, home, served))
        processes.start(f"nsd {server.name}", "nsd", "-d", "-c", home / "nsd.conf", output=home / "nsd.log")
    home = root / "dns" / "unbound"
    home.mkdir(parents=True)
    (home / "anchor.key").write_text(anchors)
    (home / "unbound.conf").write_text(_unbound(home, resolver, names, world))
    processes.start("unbound", "unbound", "-d", "-c", home / "unbound.conf", output=home / "unbound.log")


def answers(address: str, name: str, rtype: str = "SOA") -> bool:
    """Whether the server gives a name it should know."""
    try:
        reply = dns.query.udp(dns.message.make_query(name, rtype), address, timeout=0.5)
    except (OSError, dns.exception.DNSException):
        return False
    return reply.rcode() == dns.rcode.NOERROR and bool(reply.answer)


def _sign(world: World, name: str, path: Path) -> str:
    """Sign a zone with its two fixed P-256 keys, valid for a month about the world's clock; return the anchor."""
    begin, end = world.clock - timedelta(days=15), world.clock + timedelta(days=15)
    bases = [str(_write_key(name, role, path.parent)) for role in ("zsk", "ksk")]
    span = ["-i", begin.strftime("%Y%m%d%H%M%S"), "-e", end.strftime("%Y%m%d%H%M%S")]
    run("ldns-signzone", *span, "-o", name, "-f", path, path, *bases)
    return Path(f"{bases[1]}.key").read_text()


def _write_key(zone: str, role: str, folder: Path) -> Path:
    """The .key and .private files of BIND that ldns-signzone reads; returns their path without suffix."""
    key = ec_key(f"dnssec {zone} {role}")
    numbers = key.private_numbers()
    point: ec.EllipticCurvePublicNumbers = numbers.public_numbers
    public = base64.b64encode(point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")).decode()
    private = base64.b64encode(numbers.private_value.to_bytes(32, "big")).decode()
    base = folder / f"{zone}.{role}"
    Path(f"{base}.key").write_text(f"{zone}. 3600 IN DNSKEY {KEY_TAGS[role]} 3 13 {public}\n")
    text = f"Private-key-format: v1.2\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: {private}\n"
    Path(f"{base}.private").write_text(text)
    return base


def _nsd(server: NameServer, home: Path, served: dict[str, Path]) -> str:
    lines = [
        "server:",
        f"  ip-address: {server.address}",
        '  username: ""',
        '  chroot: ""',
        f'  zonesdir: "{home}"',
        '  database: ""',
        f'  pidfile: "{home}/nsd.pid"',
        f'  xfrdfile: "{home}/xfrd.state"',
        f'  zonelistfile: "{home}/zone.list"',
        "  server-count: 1",
        "remote-control:",
        "  control-enable: no",
    ]
    for name, path in served.items():
        lines += ["zone:", f'  name: "{name}"', f'  zonefile: "{path.name}"']
    return "\n".join(lines) + "\n"


def _unbound(home: Path, resolver: str, names: dict[str, str], world: World) -> str:
    lines = [
        "server:",
        f"  interface: {resolver}",
        "  access-control: 0.0.0.0/0 allow",
        '  username: ""',
        '  chroot: ""',
        f'  directory: "{home}"',
        f'  pidfile: "{home}/unbound.pid"',
        "  use-syslog: no",
        "  do-ip6: no",
        "  num-threads: 1",
        '  module-config: "validator iterator"',
        f'  trust-anchor-file: "{home}/anchor.key"',
        f'  val-override-date: "{world.clock:%Y%m%d%H%M%S}"',
        "  do-not-query-localhost: no",
        '  local-zone: "." static',
    ]
    lines += [f'  local-zone: "{name}." transparent' for name in names]
    lines += ["remote-control:", "  control-enable: no"]
    for name, address in names.items():
        lines += ["stub-zone:", f'  name: "{name}"', f"  stub-addr: {address}"]
    return "\n".join(lines) + "\n"
