"""Where do mail programs find our servers? SRV records (RFC 6186, 8314) and autoconfig or autodiscover files.

The file is Thunderbird's config-v1.1.xml, or Exchange's autodiscover.xml, also where the analyst has put one among the
configuration sources.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree

from smtplab.net import Network
from smtplab.net.dns import State, query
from smtplab.net.https import fetch

SERVICES = {
    # label: protocol, TLS
    "_submissions": ("smtp", "implicit"),
    "_submission": ("smtp", "starttls"),
    "_imaps": ("imap", "implicit"),
    "_imap": ("imap", "starttls"),
    "_pop3s": ("pop3", "implicit"),
    "_pop3": ("pop3", "starttls"),
    "_sieve": ("sieve", "starttls"),
}
MAX_FILE = 65_536
MAX_SERVERS = 40
_TLS = {"ssl": "implicit", "tls": "starttls", "starttls": "starttls", "plain": "none", "none": "none"}
_HOST = re.compile(r"^[a-z0-9_]([a-z0-9_.-]{0,252})$")


@dataclass(frozen=True)
class Pointer:
    """A server that programs are sent to; `source` SRV, autoconfig, autodiscover; `tls` implicit, starttls, none."""

    domain: str
    source: str
    protocol: str
    host: str
    port: int
    tls: str
    where: str


@dataclass(frozen=True)
class ClientEvidence:
    """What a domain tells mail programs; `unknown` what could not be asked, with its reason."""

    domain: str
    pointers: tuple[Pointer, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()


async def collect(network: Network, domain: str) -> ClientEvidence:
    """Ask for the SRV records of a domain and for its autoconfig file."""
    answers = await asyncio.gather(*(query(network, f"{label}._tcp.{domain}", "SRV") for label in SERVICES))
    pointers, unknown = list[Pointer](), list[tuple[str, str]]()
    for (protocol, tls), answer in zip(SERVICES.values(), answers, strict=True):
        if answer.state is State.UNKNOWN:
            unknown.append((answer.name, answer.why))
        for record in answer.records[:MAX_SERVERS]:
            _, _, port, host = [*record.split(), "", "", "", ""][:4]
            # RFC 6186 section 3.4: a lone dot says that the service is not offered.
            if port.isascii() and port.isdigit() and len(port) <= 5 and _HOST.match(host):
                pointers.append(Pointer(domain, "SRV", protocol, host, int(port), tls, f"DNS SRV {answer.name}"))
    for url in (
        f"https://autoconfig.{domain}/mail/config-v1.1.xml",
        f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
    ):
        file = await fetch(network, url)
        if file.why:
            unknown.append((url, file.why))
        elif file.status == 200 and (found := read(file.body, domain, url)):
            pointers += found
            break
    return ClientEvidence(domain, tuple(pointers), tuple(unknown))


def read_file(path: Path, domain: str, where: str) -> tuple[Pointer, ...]:
    """The servers of a file among the sources."""
    with path.open("rb") as file:
        return read(file.read(MAX_FILE).decode("utf-8", "replace"), domain, where)


def read(text: str, domain: str, where: str) -> tuple[Pointer, ...]:
    """The servers of an autoconfig or autodiscover file; () for anything else. Never raises."""
    root = _root(text)
    if root is None:
        return ()
    found = _autoconfig(root, domain, where) if _tag(root) == "clientConfig" else _autodiscover(root, domain, where)
    return tuple(found)[:MAX_SERVERS]


def elements(text: str) -> list[tuple[str, str]]:
    """Every element of a file with its text; [] for what is no XML, or has a document type."""
    root = _root(text)
    return [] if root is None else [(_tag(e), (e.text or "").strip()) for e in root.iter()]


def _root(text: str) -> Any:
    """The document of a stranger, None for none."""
    if "<!doctype" in text.lower():
        # Neither format has one; entities are all it could bring.
        return None
    data = text.encode("utf-8", "replace")[:MAX_FILE]
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _autoconfig(root: Any, domain: str, where: str) -> Iterator[Pointer]:
    for server in root.iter("incomingServer", "outgoingServer"):
        told = {_tag(child): (child.text or "").strip() for child in server}
        kind, tls = str(server.get("type", "")), told.get("socketType", "")
        if made := _pointer(domain, "autoconfig", kind, told.get("hostname", ""), told.get("port", ""), tls, where):
            yield made


def _autodiscover(root: Any, domain: str, where: str) -> Iterator[Pointer]:
    for element in root.iter():
        if _tag(element) != "Protocol":
            continue
        told = {_tag(child): (child.text or "").strip() for child in element}
        # "SSL on" leaves open which of both; Encryption says it where it stands.
        tls = told.get("Encryption") or {"on": "ssl", "off": "none"}.get(told.get("SSL", "on").lower(), "ssl")
        kind = told.get("Type", "")
        if made := _pointer(domain, "autodiscover", kind, told.get("Server", ""), told.get("Port", ""), tls, where):
            yield made


def _pointer(domain: str, source: str, kind: str, host: str, port: str, tls: str, where: str) -> Pointer | None:
    host = host.lower().rstrip(".").replace("%emaildomain%", domain)
    fine = port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536 and _HOST.match(host)
    if not fine or kind.lower() not in ("smtp", "imap", "pop3"):
        return None
    return Pointer(domain, source, kind.lower(), host, int(port), _TLS.get(tls.lower(), "none"), where)


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
