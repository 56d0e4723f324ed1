"""Runs inside the namespace: our survey of Postfix and Dovecot, and what openssl s_client gets from the same ports."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from smtplab.lab import Lab
from smtplab.net import Network, NetworkSettings
from smtplab.net.session import converse
from smtplab.net.suites import ciphers, groups
from smtplab.net.tls import survey

PORTS = (("mx1", 25, "smtp"), ("mail", 587, "smtp"), ("mail", 993, ""), ("mail", 110, "pop3"))
OPTIONS = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}


def shakes(address: str, port: int, starttls: str, *options: str) -> bool | None:
    """Whether openssl completes a handshake with these options; None where it does not know them."""
    command = ["openssl", "s_client", "-connect", f"{address}:{port}", *options]
    command += ["-starttls", starttls] if starttls else []
    done = subprocess.run(command, input=b"", capture_output=True, timeout=30)
    said = done.stdout + done.stderr
    if any(word in said for word in (b"Call to SSL_CONF_cmd", b"unknown option", b"no cipher match", b"not supported")):
        return None
    return b"\nNew, " in said and b"Cipher is (NONE)" not in said


def observe(lab: Lab, host: str, port: int, starttls: str) -> dict[str, Any]:
    address = lab.addresses[host]
    network = Network(NetworkSettings(connections=100, public=("192.0.2.0/24",)), live=True)
    session = network.run(converse(network, host, address, port))
    found = network.run(survey(network, host, address, port, seen=session.tls))
    suites = ciphers("TLSv1.2").values() if port == 25 else ()

    def tried(options: dict[str, tuple[str, ...]]) -> dict[str, bool | None]:
        with ThreadPoolExecutor(8) as pool:
            return dict(
                zip(options, pool.map(lambda o: shakes(address, port, starttls, *o), options.values()), strict=True)
            )

    return {
        "versions": dict(found.versions),
        "groups": found.groups.names,
        "complete": found.groups.complete,
        "post_quantum": found.post_quantum,
        "weak": found.weak,
        "ciphers": dict(found.ciphers)["TLSv1.2"].names,
        "openssl": {
            "versions": tried({v: (option, "-cipher", "ALL:@SECLEVEL=0") for v, option in OPTIONS.items()}),
            "groups": tried({g.name: ("-tls1_3", "-groups", g.name) for g in groups("TLSv1.3").values()}),
            "ciphers": tried({name: ("-tls1_2", "-cipher", f"{name}:@SECLEVEL=0") for name in suites}),
        },
    }


if __name__ == "__main__":
    with Lab("meridian") as lab:
        seen = {f"{host}:{port}": observe(lab, host, port, starttls) for host, port, starttls in PORTS}
    Path(sys.argv[1]).write_text(json.dumps(seen))
