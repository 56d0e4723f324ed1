"""Messages a second of the bounce engine beside Sisimai, flufl.bounce and the bare parser of Python. Last line: JSON.

python benchmarks/bounces.py [--messages 10000] [--runs 5] [--mailbox-mib 256] [--memory] [--corpus FOLDER]

All read one mailbox in turn, in the same run, each in a fresh process on one core; the rate is that of the reading and
judging alone, by the processor's time, which other work on the machine does not stretch (two processes: by the clock).
Sisimai is Debian's libsisimai-perl, flufl.bounce comes from PyPI (FLUFL names a Python that has it); a peer that is
absent is passed over with a line that says what to install. The mailbox is made of FOLDER's messages (the public
bounces of SMTPLAB_CORPORA), or of those of the tests. Memory is measured over a mailbox of so many MiB and over one of
a tenth of it, in which every message has addresses of its own and some bring a large attachment; --memory: that alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
AHEAD = 200
"""Messages a process that are judged before they are wanted."""
CORES = sorted(os.sched_getaffinity(0))
SISIMAI = """use Sisimai; my ($user, $system) = times;
my $found = Sisimai->make($ARGV[0], 'delivered' => 1); my @end = times;
printf "%d %f\\n", scalar @$found, $end[0] + $end[1] - $user - $system;"""
PEER = """import mailbox, sys, time
from {module} import {name}
count, began = 0, time.process_time()
for message in mailbox.mbox(sys.argv[1]):
    try:
        {name}(message)
    except Exception:
        pass
    count += 1
print(count, time.process_time() - began)"""
WARM = b"From: MAILER-DAEMON@x.example\nSubject: failure notice\n\n<a@b.example>:\nnobody here\n"
"""Loads all rules; the start of no program is counted."""
LARGE = 15 * 1024 * 1024
LARGE_EVERY = 1_000
"""One in so many messages of the mailbox over which memory is measured is of 5 MiB."""


def ours(box: str) -> tuple[int, float]:
    """Judging alone: what a sending system would do with each message as it comes."""
    from smtplab import bounces, mail

    bounces.sort(WARM)
    began = time.process_time()
    count = sum(1 for raw in mail.read(Path(box), "box", print) if bounces.sort(raw.data))
    return count, time.process_time() - began


def split(box: str) -> tuple[int, float]:
    from smtplab import mail

    began = time.process_time()
    return sum(1 for _ in mail.read(Path(box), "box", print)), time.process_time() - began


def parser(box: str) -> tuple[int, float]:
    import email

    from smtplab import mail

    began = time.process_time()
    count = sum(1 for raw in mail.read(Path(box), "box", print) if email.message_from_bytes(raw.data) is not None)
    return count, time.process_time() - began


def streamed(box: str, processes: int) -> tuple[int, float]:
    """From file to judged rows, in so many processes; their start is not counted, as that of the others is not."""
    from smtplab import bounces

    judged = bounces.judged([(Path(box), "box")], print, processes)
    next(judged)
    # Another process begins meanwhile.
    time.sleep(2)
    began = time.perf_counter()
    count = sum(1 for _ in judged)
    seconds = time.perf_counter() - began
    # What was asked for ahead is done by now.
    return count, seconds * count / (count - AHEAD * (processes - 1))


def large() -> tuple[int, float]:
    from smtplab import bounces

    sys.path.insert(0, str(ROOT))
    from tests.bounces.making import dsn

    line = "A" * 76 + "\n"
    data = dsn().replace("Hello.", line * (LARGE // len(line))).encode()
    bounces.sort(WARM)
    began = time.process_time()
    bounces.sort(data)
    return len(data), time.process_time() - began


def mailbox(messages: Iterable[bytes], path: Path, count: int | None = None, least: int = 0) -> int:
    """A mailbox of `count` messages, or of at least so many bytes; how many it holds."""
    made = 0
    with path.open("wb") as file:
        for data in islice(messages, count):
            if least and file.tell() >= least:
                break
            file.write(b"From MAILER-DAEMON Mon Nov  2 10:00:00 2026\n" + data.rstrip(b"\n") + b"\n\n")
            made += 1
    return made


def different(messages: list[bytes]) -> Iterator[bytes]:
    """Without end, each with addresses and domains of its own, so that nothing can be remembered; some are large."""
    attachment = (b"A" * 76 + b"\n") * (5 * 1024 * 1024 // 77)
    for number, data in enumerate(cycle(messages)):
        made = data.replace(b"@", b"-%d@n%d." % (number, number))
        yield made + b"\n" + attachment if number % LARGE_EVERY == 0 else made


def messages(corpus: Path) -> Iterator[bytes]:
    for file in sorted(corpus.rglob("*.eml")) if corpus.is_dir() else ():
        data = file.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield re.sub(rb"(?m)^(>*From )", rb">\1", data)


def _measure(work: Callable[..., tuple[int, float]], arguments: tuple[Any, ...], core: int | None, to: Any) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    count, seconds = work(*arguments)
    to.send((count, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def once(work: Callable[..., tuple[int, float]], *arguments: Any, pinned: bool = True) -> tuple[int, float, float]:
    """Messages, seconds and peak MiB of a piece of work in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(work, arguments, CORES[0] if pinned else None, there))
    process.start()
    answer: tuple[int, float, float] = here.recv()
    process.join()
    return answer


def command(*words: str) -> float:
    done = subprocess.run(["taskset", "-c", str(CORES[0]), *words], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def peers(box: Path) -> dict[str, Callable[[], float]]:
    """What can be measured on this machine."""
    found: dict[str, Callable[[], float]] = {}
    if subprocess.run(["perl", "-MSisimai", "-e", "1"], capture_output=True, check=False).returncode == 0:
        found["sisimai"] = lambda: command("perl", "-e", SISIMAI, str(box))
    else:
        print("Sisimai is passed over: apt-get install --no-install-recommends libsisimai-perl")
    python = os.environ.get("FLUFL", sys.executable)
    if subprocess.run([python, "-c", "import flufl.bounce"], capture_output=True, check=False).returncode == 0:
        script = PEER.format(module="flufl.bounce", name="scan_message")
        found["flufl.bounce"] = lambda: command(python, "-c", script, str(box))
    else:
        print("flufl.bounce is passed over: pip install flufl.bounce, or FLUFL=PYTHON that has it")
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--messages", type=int, default=10_000)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--mailbox-mib", type=int, default=256)
    options.add_argument("--memory", action="store_true")
    options.add_argument(
        "--corpus", type=Path, default=Path(os.environ.get("SMTPLAB_CORPORA", ".")) / "bounces" / "eml"
    )
    chosen = options.parse_args()
    sys.path.insert(0, str(ROOT))
    pool = list(messages(chosen.corpus))
    if not pool:
        from tests.bounces.mutation import seeds

        pool = seeds()
        print("no corpus: the messages are those of the tests")
    folder = Path(tempfile.mkdtemp(prefix="smtplab-bench-"))
    try:
        made = {} if chosen.memory else measure(pool, folder, chosen)
        print(json.dumps(made | flat(pool, folder, chosen.mailbox_mib)))
    finally:
        shutil.rmtree(folder)


def measure(pool: list[bytes], folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    box = folder / "box"
    count = mailbox(cycle(pool), box, chosen.messages)
    print(f"{count:,} messages, {box.stat().st_size / 1e6:.1f} MB, {len(pool)} distinct; load {os.getloadavg()[0]:.1f}")
    others = peers(box)
    times: dict[str, list[float]] = {}
    for _ in range(chosen.runs):
        for name, work in (("smtplab", ours), ("split alone", split), ("email.message_from_bytes", parser)):
            times.setdefault(name, []).append(once(work, str(box))[1])
        for name, run in others.items():
            times.setdefault(name, []).append(run())
        for number in (1, 2):
            times.setdefault(f"stream, {number} processes", []).append(
                once(streamed, str(box), number, pinned=False)[1]
            )
        times.setdefault("15 MiB message", []).append(once(large)[1])
    rates = {n: count / statistics.median(t) for n, t in times.items() if n != "15 MiB message"}
    mine = rates["smtplab"]
    for name, rate in rates.items():
        print(f"{name:28} {rate:10,.0f} messages/s   smtplab is {mine / rate:5.2f} times that")
    made: dict[str, Any] = {"messages": count, "runs": chosen.runs, "rates": {n: round(r) for n, r in rates.items()}}
    made["ratio"] = {n: round(mine / r, 2) for n, r in rates.items() if n in others or n.startswith("email")}
    made["two_processes"] = round(rates["stream, 2 processes"] / rates["stream, 1 processes"], 2)
    made["large_seconds"] = round(statistics.median(times["15 MiB message"]), 3)
    print(f"two processes: {made['two_processes']} times one; a 15 MiB message: {made['large_seconds']} s")
    return made


def flat(pool: list[bytes], folder: Path, mib: int) -> dict[str, Any]:
    """Peak memory over a mailbox, and over one of a tenth of its size."""
    made = {}
    for name, size in (("small", mib // 10), ("large", mib)):
        box = folder / name
        count = mailbox(different(pool), box, least=size * 1024 * 1024)
        found, seconds, peak = once(streamed_alone, str(box))
        assert found == count, "a message was lost"
        made[name] = {"mib": size, "messages": count, "seconds": round(seconds, 1), "peak_mib": round(peak)}
        print(f"{size:5} MiB mailbox: {count:,} messages, {count / seconds:,.0f} a second, peak memory {peak:.0f} MiB")
        box.unlink()
    return {"mailbox": made}


def streamed_alone(box: str) -> tuple[int, float]:
    from smtplab import bounces

    began = time.process_time()
    return sum(1 for _ in bounces.judged([(Path(box), "box")], print)), time.process_time() - began


if __name__ == "__main__":
    main()
