"""Name servers of the lab: zone files, DNSSEC signatures, NSD and Unbound configuration."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from smtplab.errors import LabError
from smtplab.lab.keys import dkim_record
from smtplab.lab.world import World

_ZONE = re.compile(r"^\$ZONE (\S+)$", re.MULTILINE)


def prepare(world: World, folder: Path) -> list[tuple[str, list[str]]]:
    """Write everything and return the commands to run: (name, command)."""
    folder.mkdir(parents=True)
    keys = {"MX2026": dkim_record("mx2026"), "PR1": dkim_record("pr1"), "V1": dkim_record("v1")}
    commands = []
    stale = "fault9" in world.flags
    signing = _keys(folder, world.signed)
    for server in ("ns1", "ns2"):
        age = "stale" if server == "ns2" and stale else "fresh"
        here = folder / server
        here.mkdir()
        files = {}
        for zone in world.signed:
            path = here / f"{zone}.zone"
            path.write_text(world.text(f"zones/{zone}.zone", age, **keys))
            files[zone] = _sign(path, zone, signing[zone])
        commands.append((server, _nsd(here, world.addresses[server], files)))
    here = folder / "others"
    here.mkdir()
    files = {}
    parts = _ZONE.split(world.text("zones/others.zones", **keys))
    for zone, text in zip(parts[1::2], parts[2::2], strict=True):
        path = here / f"{zone}.zone"
        path.write_text(
            f"$ORIGIN {zone}.\n$TTL 3600\n@ IN SOA ns.others.example. hostmaster.others.example. 1 3600 600 86400 300\n"
            f"@ IN NS ns.others.example.\n{text}"
        )
        files[zone] = path
    commands.append(("others", _nsd(here, world.addresses["others"], files)))
    commands.append(("unbound", _unbound(folder, world, files, signing)))
    return commands


def _keys(folder: Path, zones: tuple[str, ...]) -> dict[str, Path]:
    made = {}
    (folder / "keys").mkdir()
    for zone in zones:
        name = _tool(folder / "keys", "ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone).strip()
        made[zone] = folder / "keys" / name
    return made


def _sign(path: Path, zone: str, key: Path) -> Path:
    signed = path.with_suffix(".signed")
    _tool(path.parent, "ldns-signzone", "-o", zone, "-f", str(signed), str(path), str(key))
    return signed


def _tool(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise LabError(f"{command[0]} failed: {done.stderr.strip()}", where="lab")
    return done.stdout


def _nsd(here: Path, address: str, zones: dict[str, Path]) -> list[str]:
    lines = [
        "server:",
        f"  ip-address: {address}@53",
        '  username: ""',
        '  chroot: ""',
        f'  zonesdir: "{here}"',
        '  database: ""',
        f'  pidfile: "{here}/nsd.pid"',
        f'  xfrdfile: "{here}/xfrd.state"',
        f'  zonelistfile: "{here}/zone.list"',
        f'  xfrdir: "{here}"',
        "  server-count: 1",
        "remote-control:",
        "  control-enable: no",
    ]
    for zone, file in zones.items():
        lines += ["zone:", f"  name: {zone}", f"  zonefile: {file}"]
    config = here / "nsd.conf"
    config.write_text("\n".join(lines) + "\n")
    return [shutil.which("nsd") or "nsd", "-d", "-c", str(config)]


def _unbound(folder: Path, world: World, others: dict[str, Path], signing: dict[str, Path]) -> list[str]:
    here = folder / "unbound"
    here.mkdir()
    zones = [*world.signed, *others]
    lines = [
        "server:",
        f"  interface: {world.addresses['resolver']}@53",
        "  access-control: 0.0.0.0/0 allow",
        '  username: ""',
        '  chroot: ""',
        f'  directory: "{here}"',
        f'  pidfile: "{here}/unbound.pid"',
        "  use-syslog: no",
        "  do-not-query-localhost: no",
        "  do-ip6: no",
        '  module-config: "validator iterator"',
        "  num-threads: 1",
        # Nothing leaves: every name that is not the lab's does not exist.
        '  local-zone: "." static',
        *(f'  local-zone: "{zone}." transparent' for zone in zones),
        *(f'  domain-insecure: "{zone}"' for zone in others),
        *(f'  trust-anchor-file: "{key}.key"' for key in signing.values()),
        "remote-control:",
        "  control-enable: no",
    ]
    for zone in world.signed:
        # The resolver asks ns1 alone, so that a recording does not depend on which server it happens to prefer.
        lines += ["stub-zone:", f'  name: "{zone}"', f"  stub-addr: {world.addresses['ns1']}"]
    for zone in others:
        lines += ["stub-zone:", f'  name: "{zone}"', f"  stub-addr: {world.addresses['others']}"]
    config = here / "unbound.conf"
    config.write_text("\n".join(lines) + "\n")
    return [shutil.which("unbound") or "unbound", "-d", "-c", str(config)]
