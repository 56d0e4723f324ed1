"""A made-up world of domains behind a name server on loopback, which answers after a delay from its own process.

Answers are wire bytes made beforehand, so that the server is not what is measured.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset

Records = dict[str, list[tuple[str, str]]]

KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
"""Of RFC 8463."""
PROVIDERS = 10
"""Mailbox and sending providers, shared by the domains as in life."""
ZONE_SERVERS = tuple(f"127.53.0.{n}" for n in range(1, 21))
"""Addresses of the authoritative servers, two a domain, asked at port 53: only as root."""


def domains(count: int) -> list[str]:
    return [f"d{n:05d}.example" for n in range(count)]


def world(count: int) -> Records:
    """All records of so many domains: half have an MX of their own; SPF with includes, some DKIM keys, DMARC."""
    records: Records = {}

    def put(name: str, *rows: tuple[str, str]) -> None:
        records.setdefault(name, []).extend(rows)

    def host(name: str, a: str, aaaa: str = "") -> None:
        put(name, ("A", a), *([("AAAA", aaaa)] if aaaa else []))
        for ip in filter(None, (a, aaaa)):
            put(dns.reversename.from_address(ip).to_text(omit_final_dot=True), ("PTR", f"{name}."))

    for k in range(PROVIDERS):
        mail = f"mail{k}.example"
        put(f"_spf.{mail}", ("TXT", f'"v=spf1 include:_a.{mail} include:_b.{mail} ~all"'))
        put(f"_a.{mail}", ("TXT", f'"v=spf1 ip4:198.18.{k}.0/25 -all"'))
        put(f"_b.{mail}", ("TXT", f'"v=spf1 ip4:198.18.{k}.128/25 ip6:2001:2:{k}::/48 -all"'))
        put(f"_spf.send{k}.example", ("TXT", f'"v=spf1 ip4:198.19.{k}.0/24 -all"'))
        for n in (1, 2):
            host(f"mx{n}.{mail}", f"198.18.{k}.{n}", f"2001:2:{k}::{n}")
    for n, name in enumerate(domains(count)):
        mail, send = f"mail{n % PROVIDERS}.example", f"send{n % 7}.example"
        own = f"100.{64 + n // 65536}.{n // 256 % 256}.{n % 256}"
        put(name, ("NS", f"ns1.{name}."), ("NS", f"ns2.{name}."), ("A", own))
        put(name, ("SOA", f"ns1.{name}. postmaster.{name}. 7 3600 900 604800 300"))
        for server, ip in zip(("ns1", "ns2"), ZONE_SERVERS[n % 10 * 2 :], strict=False):
            put(f"{server}.{name}", ("A", ip))
        if n % 2:
            put(name, ("MX", f"10 mx1.{mail}."), ("MX", f"20 mx2.{mail}."))
            put(name, ("TXT", f'"v=spf1 include:_spf.{mail} include:_spf.{send} -all"'))
        else:
            put(name, ("MX", f"10 mx.{name}."))
            put(name, ("TXT", f'"v=spf1 ip4:{own} a mx include:_spf.{send} ~all"'))
            host(f"mx.{name}", own)
        if n % 5 < 2:
            put(f"{('selector1', 's1', 'google')[n % 3]}._domainkey.{name}", ("TXT", f'"{KEY}"'))
        if n % 10 < 7:
            to = f"{name}@reports.example" if n % 3 else f"dmarc@{name}"
            policy = ("none", "quarantine", "reject")[n % 3]
            put(f"_dmarc.{name}", ("TXT", f'"v=DMARC1; p={policy}; rua=mailto:{to}"'))
            if n % 3:
                put(f"{name}._report._dmarc.reports.example", ("TXT", '"v=DMARC1"'))
    return records


def wires(records: Records) -> tuple[dict[bytes, bytes], set[bytes]]:
    """The answer (behind the question) by name and type on the wire, and all names that exist."""
    answers, exist = {}, set()
    for text, rows in records.items():
        name = dns.name.from_text(text)
        for above in range(len(name)):
            exist.add(dns.name.Name(name[above:]).to_wire())
        for rtype in {t for t, _ in rows}:
            message = dns.message.make_response(dns.message.make_query(name, rtype), recursion_available=True)
            values = [v for t, v in rows if t == rtype]
            message.answer.append(dns.rrset.from_text_list(name, 300, "IN", rtype, values))
            wire = message.to_wire()
            key = name.to_wire() + struct.pack("!H", dns.rdatatype.from_text(rtype))
            answers[key] = wire[2:12] + wire[12 + len(key) + 2 :]
    return answers, exist


class Answers:
    """Ready-made answers, and how often each type was asked for."""

    def __init__(self, records: Records) -> None:
        self.answers, self.exist = wires(records)
        self.counts: Counter[int] = Counter()

    def to(self, data: bytes) -> bytes:
        end = data.index(b"\0", 12) + 1
        name, kind = data[12:end].lower(), data[end : end + 2]
        self.counts[int.from_bytes(kind, "big")] += 1
        if found := self.answers.get(name + kind):
            return data[:2] + found[:10] + data[12 : end + 4] + found[10:]
        rcode = dns.rcode.NOERROR if name in self.exist else dns.rcode.NXDOMAIN
        return data[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, 0, 0, 0) + data[12 : end + 4]


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answers: Answers, delay: float) -> None:
        self.answers, self.delay = answers, delay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asyncio.get_running_loop().call_later(self.delay, self.transport.sendto, self.answers.to(data), addr)


async def _serve(pipe: Connection, count: int, delay: float) -> None:
    answers = Answers(world(count))
    loop = asyncio.get_running_loop()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(head := await reader.read(2)) == 2:
            wire = answers.to(await reader.readexactly(int.from_bytes(head, "big")))
            await asyncio.sleep(delay)
            writer.write(len(wire).to_bytes(2, "big") + wire)
        writer.close()

    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("127.0.0.1", 0))
    await loop.create_datagram_endpoint(lambda: Datagrams(answers, delay), sock=sock)
    await asyncio.start_server(stream, *sock.getsockname())
    authoritative = True
    try:
        for address in ZONE_SERVERS:
            await loop.create_datagram_endpoint(lambda: Datagrams(answers, delay), local_addr=(address, 53))
    except OSError:
        authoritative = False
    pipe.send((sock.getsockname()[1], authoritative))
    ended = asyncio.Event()

    def asked() -> None:
        if pipe.recv() == "end":
            ended.set()
        pipe.send({dns.rdatatype.to_text(k): n for k, n in answers.counts.items()})
        answers.counts.clear()

    loop.add_reader(pipe.fileno(), asked)
    await ended.wait()


def _process(pipe: Connection, count: int, delay: float) -> None:
    asyncio.run(_serve(pipe, count, delay))


@dataclass
class World:
    """The running server: where it listens, and whether its authoritative servers listen too (port 53)."""

    port: int
    authoritative: bool
    pipe: Connection

    def asked(self) -> dict[str, int]:
        """Questions since the last call, by type, most first."""
        self.pipe.send("counts")
        return dict(sorted(self.pipe.recv().items(), key=lambda i: -i[1]))


@contextmanager
def served(count: int, delay: float) -> Iterator[World]:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_process, args=(theirs, count, delay), daemon=True)
    process.start()
    port, authoritative = ours.recv()
    try:
        yield World(port, authoritative, ours)
    finally:
        ours.send("end")
        ours.recv()
        process.join(5)


def capacity() -> float:
    """Questions a second that the server answers without a delay, asked with ready-made bytes by one sender."""
    with served(200, 0.0) as running, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", running.port))
        wires = [dns.message.make_query(n, "TXT").to_wire() for n in domains(200)]
        began = time.perf_counter()
        for _ in range(100):
            for wire in wires:
                sock.send(wire)
            for _ in wires:
                sock.recv(4096)
        return 100 * len(wires) / (time.perf_counter() - began)
