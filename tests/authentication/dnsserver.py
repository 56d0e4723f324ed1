"""A name server on loopback: real packets by UDP and TCP, from a table of names."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from smtplab.net import Network, NetworkSettings

Zone = Mapping[str, list[tuple[str, str]]]
"""Names to (type, presentation form); the type "*" with a text: SERVFAIL, REFUSED, TIMEOUT, or one of TRICKS."""

TRICKS = ("TCP", "CUT", "MALFORMED", "WRONG ID", "OTHER QUESTION", "LATE", "SECOND")
"""What UDP does at a name that has records: nothing at all, an answer cut short with nonsense in it, nonsense, an
answer to another query or question before the right one, the answer after 0.1 s, or only when asked again."""

Names = dict[dns.name.Name, list[tuple[str, str]]]


def txt(value: bytes) -> str:
    """A TXT record in presentation form, split into strings of 255 bytes."""
    parts = [value[i : i + 255] for i in range(0, len(value), 255)] or [b""]
    return " ".join('"' + "".join(f"\\{b:03d}" for b in part) + '"' for part in parts)


def _found(zone: Names, name: dns.name.Name) -> list[tuple[str, str]] | None:
    """The records of a name, or of the wildcard that covers it: RFC 4592."""
    above = name
    while above not in zone and not any(n.is_subdomain(above) for n in zone) and above != dns.name.root:
        above = above.parent()
    return zone.get(name if above == name else dns.name.Name((b"*", *above.labels)))


def _answer(zone: Names, query: dns.message.Message, udp: bool, aa: bool = False) -> bytes | None:
    response = dns.message.make_response(query, recursion_available=True)
    response.flags |= dns.flags.AA * aa
    question = query.question[0]
    name, seen = question.name, set()
    for _ in range(20):
        records = _found(zone, name)
        if records is None:
            # A name above one that exists, exists (RFC 8020); an alias answers as its target does (RFC 6604).
            below = any(n.is_subdomain(name) for n in zone)
            response.set_rcode(dns.rcode.NOERROR if below else dns.rcode.NXDOMAIN)
            break
        hits = [r for t, r in records if t == dns.rdatatype.to_text(question.rdtype)]
        alias = next((r for t, r in records if t == "CNAME"), None)
        broken = next((r for t, r in records if t == "*" and r not in TRICKS), None)
        if hits:
            response.answer.append(dns.rrset.from_text_list(name, 300, "IN", question.rdtype, hits))
        elif broken == "TIMEOUT":
            return None
        elif broken:
            response.set_rcode(dns.rcode.from_text(broken))
        elif alias and name not in seen:
            seen.add(name)
            response.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", alias))
            name = dns.name.from_text(alias)
            continue
        break
    wire = response.to_wire(max_size=65535)
    if udp and len(wire) > 1232:
        response.answer.clear()
        response.flags |= dns.flags.TC
        wire = response.to_wire()
    return wire


def _datagrams(zone: Names, data: bytes, aa: bool, seen: set[bytes]) -> Iterator[bytes]:
    """What UDP sends back for a query, in order."""
    query = dns.message.from_wire(data)
    trick = next((r for t, r in zone.get(query.question[0].name, ()) if t == "*" and r in TRICKS), "")
    again = data in seen
    seen.add(data)
    wire = _answer(zone, query, udp=True, aa=aa)
    if wire is None or trick == "TCP" or (trick == "SECOND" and not again):
        return
    if trick in ("CUT", "MALFORMED"):
        yield data[:2] + (b"\x82" if trick == "CUT" else b"\x80") + b"\x00" + b"\xff" * 20
        return
    if trick == "WRONG ID":
        yield bytes(b ^ 255 for b in wire[:2]) + wire[2:]
        yield b"\x00"
    if trick == "OTHER QUESTION":
        yield data[:2] + (_answer(zone, dns.message.make_query("x.example", "A"), udp=True) or b"")[2:]
    if trick == "LATE":
        time.sleep(0.1)
    yield wire


@contextmanager
def serve(zone: Zone, aa: bool = False) -> Iterator[str]:
    """Serve a zone; gives "ADDRESS:PORT". With `aa` it holds the zone, else it is a resolver."""
    seen: set[bytes] = set()
    names = {dns.name.from_text(name): records for name, records in zone.items()}

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            for wire in _datagrams(names, data, aa, seen):
                sock.sendto(wire, self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = int.from_bytes(self.rfile.read(2), "big")
            if wire := _answer(names, dns.message.from_wire(self.rfile.read(length)), udp=False, aa=aa):
                self.wfile.write(len(wire).to_bytes(2, "big") + wire)

    udp, tcp = _pair(Datagram, Stream)
    with udp, tcp:
        for server in (udp, tcp):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"127.0.0.1:{udp.server_address[1]}"
        finally:
            udp.shutdown()
            tcp.shutdown()


def _pair(
    datagram: type[socketserver.BaseRequestHandler], stream: type[socketserver.BaseRequestHandler]
) -> tuple[socketserver.ThreadingUDPServer, socketserver.ThreadingTCPServer]:
    """Both servers on one port: the system picks it for UDP, and may have given it away for TCP."""
    for _ in range(20):
        udp = socketserver.ThreadingUDPServer(("127.0.0.1", 0), datagram)
        try:
            return udp, socketserver.ThreadingTCPServer(("127.0.0.1", udp.server_address[1]), stream)
        except OSError:
            udp.server_close()
    raise OSError("no port is free for both UDP and TCP")


@contextmanager
def network(zone: Zone, timeout: float = 2.0) -> Iterator[Network]:
    """A live network whose resolver serves the zone; documentation ranges count as public."""
    public = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
    with serve(zone) as resolver:
        yield Network.without_case(NetworkSettings(resolver=resolver, timeout=timeout, public=public))
