"""200 mail hosts on loopback, each line of theirs 100 ms late: our sessions beside sequential smtplib. Last line: JSON.

python benchmarks/probe.py [HOSTS] [RUNS]

Both greet, read the capabilities, turn to TLS, read them again and leave. smtplib talks to some of the hosts, and the
time for all of them is reckoned from that: in full it would take minutes. The servers run in a process of their own.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import smtplib
import ssl
import statistics
import sys
import tempfile
import time
import tracemalloc
from multiprocessing.connection import Connection
from pathlib import Path

from smtplab.net import Network, NetworkSettings
from smtplab.net.session import Transcript, converse

DELAY = 0.1
PORT = 9525
SAMPLE = 10
EHLO = ("250-mx.example", "250-PIPELINING", "250-SIZE 10240000", "250-STARTTLS", "250 8BITMIME")
REPLIES = {"EHLO": EHLO, "STARTTLS": ("220 go",), "QUIT": ("221 bye",)}


def address(number: int) -> str:
    return f"127.1.{number // 250}.{number % 250 + 1}"


def certificate(folder: Path) -> tuple[Path, Path]:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    secret.write_bytes(key.private_bytes(*form))
    return chain, secret


def servers(hosts: int, chain: Path, key: Path, ready: Connection) -> None:
    """Every host on one loop; the count of its connections goes back at the end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    counts: dict[str, int] = {}

    async def say(writer: asyncio.StreamWriter, lines: tuple[str, ...]) -> None:
        for line in lines:
            await asyncio.sleep(DELAY)
            writer.write(f"{line}\r\n".encode())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = writer.get_extra_info("sockname")[0]
        counts[host] = counts.get(host, 0) + 1
        await asyncio.sleep(DELAY)
        await say(writer, ("220 mx ESMTP",))
        while line := (await reader.readline()).decode("latin-1").strip().upper():
            word = line.split(" ")[0]
            await say(writer, REPLIES.get(word, ("500 what?",)))
            if word == "STARTTLS":
                await writer.start_tls(context)
            if word == "QUIT":
                break
        writer.close()

    async def main() -> None:
        for number in range(hosts):
            await asyncio.start_server(serve, address(number), PORT, backlog=50)
        ready.send("ready")
        while True:
            # A pipe has no reader of asyncio's own; its owner asks seldom.
            if ready.poll():
                if ready.recv() == "stop":
                    return
                ready.send(dict(counts))
                counts.clear()
            await asyncio.sleep(0.02)

    asyncio.run(main())


def ours(hosts: int) -> tuple[float, int]:
    """Seconds, and the most connections of one endpoint."""
    settings = NetworkSettings(timeout=20, concurrency=hosts, public=("127.0.0.0/8",))
    network = Network.without_case(settings)

    async def all_of_them() -> list[Transcript]:
        work = (converse(network, f"mx{n}.example", address(n), PORT, 25) for n in range(hosts))
        return list(await asyncio.gather(*work))

    began = time.perf_counter()
    heard = network.run(all_of_them())
    seconds = time.perf_counter() - began
    assert all(t.tls and t.capabilities("capabilities-tls") for t in heard), [t.ended or t.why for t in heard][:3]
    return seconds, max(network.connections_used().values())


def memory(hosts: int) -> float:
    """Peak of Python's objects in MB, in a run of its own: watching it costs time."""
    tracemalloc.start()
    ours(hosts)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return peak


def peer(hosts: int) -> float:
    """Seconds for as many hosts as smtplib was given."""
    context = ssl._create_unverified_context()
    began = time.perf_counter()
    for number in range(hosts):
        with smtplib.SMTP(address(number), PORT, timeout=20) as smtp:
            smtp.ehlo()
            smtp.starttls(context=context)
            smtp.ehlo()
    return time.perf_counter() - began


def main() -> None:
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    sample = min(SAMPLE, hosts)
    with tempfile.TemporaryDirectory() as folder:
        here, there = multiprocessing.Pipe()
        process = multiprocessing.Process(target=servers, args=(hosts, *certificate(Path(folder)), there), daemon=True)
        process.start()
        assert here.recv() == "ready"
        # In turn, so that both meet the same machine.
        pairs = [(ours(hosts), peer(sample) * hosts / sample) for _ in range(runs)]
        here.send("count")
        counts = here.recv()
        few, many = memory(max(1, hosts // 4)), memory(hosts)
        here.send("stop")
        process.join(5)
    mine, theirs = statistics.median(o[0] for o, _ in pairs), statistics.median(p for _, p in pairs)
    most = max(o[1] for o, _ in pairs)
    ours_alone = [n for host, n in counts.items() if host not in map(address, range(sample))]
    print(f"smtplab           {hosts / mine:>8.1f} hosts/s  {mine:6.2f} s")
    print(f"smtplib in a row  {hosts / theirs:>8.1f} hosts/s  {theirs:6.2f} s, reckoned from {sample} hosts")
    print(f"smtplab is {theirs / mine:.0f} times as fast, with at most {most} connections a host")
    print(f"memory at the peak: {few:.1f} MB for {max(1, hosts // 4)} hosts, {many:.1f} MB for {hosts}")
    result = {"hosts": hosts, "runs": runs, "ours": mine, "peer": theirs, "ratio": theirs / mine}
    result |= {"most_connections": most, "seen_by_a_server": max(ours_alone or [0]) / runs}
    result |= {"peak_mb": many, "peak_mb_few": few}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
