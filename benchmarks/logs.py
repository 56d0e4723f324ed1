"""Reading a synthetic Postfix log to Parquet, beside pflogsumm and wc. Last line: JSON.

python benchmarks/logs.py [--lines 10000000] [--repeat 5] [--gz] [--no-peer]

Each in turn, so that all meet the same noise: `smtplab logs FILE -o deliveries.parquet` correlates all tables and
writes them as parts; pflogsumm prints a summary. Whole processes: of a short log the start is a good part.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
HOSTS = ("out1", "out2", "mx1", "mail")
SENDERS = ("tickets", "billing", "newsletter", "office")
PROVIDERS = (
    ("gmail.com", "gmail-smtp-in.l.google.com[142.250.27.26]:25"),
    ("outlook.com", "outlook-com.olc.protection.outlook.com[52.101.73.11]:25"),
    ("yahoo.com", "mta7.am0.yahoodns.net[67.195.204.77]:25"),
    ("goodpost.example", "mx.goodpost.example[203.0.113.40]:25"),
)
CIPHER = (
    "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature ECDSA (prime256v1)"
)
GREY = "450 4.2.1 <{}>: Greylisted, try again later (in reply to RCPT TO command)"
GONE = "550 5.1.1 <{}>: User unknown in virtual mailbox table (in reply to RCPT TO command)"
Line = tuple[datetime, str, str, int, str]


def messages(chance: random.Random) -> Iterator[list[Line]]:
    """The lines of one connection after another: about seven a message, some deferred, refused or signed in."""
    now, number = BEGIN, 0
    while True:
        number += 1
        now += timedelta(seconds=chance.random() * 1.2)
        host, pid, client = chance.choice(HOSTS), chance.randrange(700, 800), f"[192.0.2.{chance.randrange(1, 250)}]"
        kind = chance.random()
        if kind < 0.1:
            said = (
                f"warning: unknown{client}: SASL LOGIN authentication failed: UGFzc3dvcmQ6"
                if kind < 0.05
                else f"NOQUEUE: reject: RCPT from unknown{client}: 554 5.7.1 <b{number}@x.example>: Relay denied;"
                f" from=<a@y.example> to=<b{number}@x.example> proto=ESMTP helo=<h{number}>"
            )
            ends = f"disconnect from unknown{client} ehlo=1 auth=0/1 commands=1/2"
            yield [(now, host, "smtpd", pid, t) for t in (f"connect from unknown{client}", said, ends)]
            continue
        yield message(chance, number, now, host, pid, f"app{number % 9}.meridian.example{client}")


def message(chance: random.Random, number: int, now: datetime, host: str, pid: int, client: str) -> list[Line]:
    """One message: accepted, deferred and tried again, or refused."""
    queue_id = "4" + "".join(chance.choices(ALPHABET, k=13)) + "z"
    signed = chance.random() < 0.1
    inbound = "submission/smtpd" if signed else "smtpd"
    domain, relay = chance.choice(PROVIDERS)
    to, smtp = f"user{chance.randrange(10**6)}@{domain}", chance.randrange(800, 900)
    queued = (
        f"{queue_id}: from=<{chance.choice(SENDERS)}@meridian.example>, size={chance.randrange(600, 90000)}, nrcpt=1"
    )
    sasl = ", sasl_method=PLAIN, sasl_username=support" if signed else ""
    lines = [
        (now, host, inbound, pid, f"connect from {client}"),
        (now, host, inbound, pid, f"{queue_id}: client={client}{sasl}"),
        (now, host, "cleanup", pid + 1, f"{queue_id}: message-id=<6abda{number:x}.{number}@shop.meridian.example>"),
        (now, host, "qmgr", 421, f"{queued} (queue active)"),
        (now, host, inbound, pid, f"disconnect from {client} ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"),
    ]
    if chance.random() < 0.6:
        lines.append((now, host, "smtp", smtp, f"Trusted TLS connection established to {relay}: {CIPHER}"))
    uses = f" conn_use={chance.randrange(2, 9)}," if chance.random() < 0.1 else ""
    name, fate = relay.partition(":")[0], chance.random()

    def tried(later: float, enhanced: str, status: str, reply: str) -> None:
        text = f"to=<{to}>, relay={relay},{uses} delay={later:.1f}, delays=0.01/0/0.36/{later:.1f}"
        when = now + timedelta(seconds=later)
        lines.append((when, host, "smtp", smtp, f"{queue_id}: {text}, dsn={enhanced}, status={status} ({reply})"))

    last = 1.5
    if fate < 0.02:
        tried(last, "5.1.1", "bounced", f"host {name} said: {GONE.format(to)}")
    else:
        while fate < 0.08 and last < 4_000:
            tried(last, "4.2.1", "deferred", f"host {name} said: {GREY.format(to)}")
            last, fate = last + 900, chance.random() * 0.2
            lines.append((now + timedelta(seconds=last), host, "qmgr", 421, f"{queued} (queue active)"))
        tried(last, "2.0.0", "sent", f"250 2.0.0 Ok: queued as 4{number:X}B{chance.randrange(16**8):X}")
    lines.append((now + timedelta(seconds=last), host, "qmgr", 421, f"{queue_id}: removed"))
    return lines


def write(path: Path, wanted: int) -> int:
    """Write about `wanted` lines in the order of time; gives how many."""
    import heapq

    waiting: list[tuple[datetime, int, str]] = []
    count = 0
    with path.open("w") as file:
        for lines in messages(random.Random(7)):
            for when, host, program, pid, text in lines:
                stamp = f"{when:%b} {when.day:2d} {when:%H:%M:%S}"
                count += 1
                heapq.heappush(waiting, (when, count, f"{stamp} {host} postfix/{program}[{pid}]: {text}\n"))
            while waiting and waiting[0][0] < lines[0][0]:
                file.write(heapq.heappop(waiting)[2])
            if count >= wanted:
                break
        file.writelines(heapq.heappop(waiting)[2] for _ in range(len(waiting)))
    return count


def run(command: list[str]) -> float:
    """Seconds of a process."""
    began = time.perf_counter()
    made = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if made.returncode:
        raise SystemExit(f"{command}: {made.stderr.decode()}")
    return time.perf_counter() - began


def memory(command: list[str]) -> int:
    """Peak memory (KiB) of a process and of those it began, looked at often; what they share counts once."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0
    while child.poll() is None:
        most = max(most, sum(map(held, [child.pid, *children(child.pid)])))
        time.sleep(0.05)
    return most


def children(process: int) -> Iterator[int]:
    """The processes that a process began."""
    with suppress(OSError):
        for told in Path(f"/proc/{process}/task").glob("*/children"):
            yield from map(int, told.read_text().split())


def held(process: int) -> int:
    """Its memory in KiB, with its part of what it shares; 0 where it has ended."""
    with suppress(OSError):
        told = dict(line.split(":", 1) for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:])
        return int(told["Pss"].split()[0]) if "Pss" in told else 0
    return 0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=10_000_000)
    options.add_argument("--repeat", type=int, default=5)
    options.add_argument("--gz", action="store_true", help="read the log packed")
    options.add_argument("--no-peer", action="store_true", help="leave pflogsumm out")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="smtplab-") as folder:
        log, made = Path(folder) / "mail.log", Path(folder) / "deliveries.parquet"
        count, read = write(log, given.lines), log
        if given.gz:
            read = log.with_suffix(".log.gz")
            with log.open("rb") as source, gzip.open(read, "wb", 6) as packed:
                shutil.copyfileobj(source, packed)
        ours = [sys.executable, "-m", "smtplab", "logs", str(read), "-o", str(made)]
        runs = {"ours": ours, "wc": ["wc", "-l", str(log)]}
        if shutil.which("pflogsumm") and not given.no_peer:
            runs["peer"] = ["sh", "-c", f"zcat {read} | pflogsumm"] if given.gz else ["pflogsumm", str(log)]
        seen: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(given.repeat):
            for name, command in runs.items():
                seen[name].append(run(command))
        peak = memory(ours)
    median = {name: statistics.median(times) for name, times in seen.items()}
    # Of pairs that ran one behind the other: a machine's speed drifts.
    pairs = [peer / own for peer, own in zip(seen.get("peer", ()), seen["ours"], strict=False)]
    result = {
        "lines": count,
        "packed": given.gz,
        **{name: round(count / seconds) for name, seconds in median.items()},
        "ratio": round(statistics.median(pairs), 2) if pairs else None,
        "of_wc": round(median["wc"] / median["ours"], 4),
        "peak_mb": round(peak / 1024),
        "cores": os.cpu_count(),
    }
    for name, seconds in median.items():
        print(f"{name:6} {seconds:8.2f} s  {count / seconds:12,.0f} lines/s")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
