"""Reading a synthetic Postfix log, beside pflogsumm where it is installed. Last line: JSON.

python benchmarks/logs.py [DELIVERIES]
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smtplab import logs
from smtplab.case import Case

START = datetime(2026, 10, 1, tzinfo=UTC)


def write(path: Path, deliveries: int) -> int:
    with path.open("w") as file:
        for n in range(deliveries):
            stamp = f"{START + timedelta(seconds=n * 3):%b %e %H:%M:%S} out1 postfix"
            queue_id = f"4{n:09X}"
            file.write(
                f"{stamp}/cleanup[3]: {queue_id}: message-id=<{n}@meridian.example>\n"
                f"{stamp}/qmgr[4]: {queue_id}: from=<tickets@meridian.example>, size=900, nrcpt=1 (queue active)\n"
                f"{stamp}/smtp[5]: {queue_id}: to=<r{n}@goodpost.example>, relay=mx.goodpost.example[203.0.113.40]:25, "
                f"delay=0.9, delays=0.1/0/0.5/0.3, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {n:X})\n"
                f"{stamp}/qmgr[4]: {queue_id}: removed\n"
            )
    return deliveries * 4


def main() -> None:
    deliveries = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case"
        Case.create(case, "meridian.example")
        path = case / "sources" / "logs" / "mail.log"
        count = write(path, deliveries)
        toml = case / "case.toml"
        toml.write_text(toml.read_text().replace("version = 1\n", "version = 1\nas_of = 2026-11-16T06:00:00Z\n", 1))
        began = time.perf_counter()
        evidence = logs.read(Case.open(case))
        ours = count / (time.perf_counter() - began)
        assert len(evidence.outcomes) == deliveries
        result: dict[str, float | int | None] = {"lines": count, "smtplab": round(ours), "pflogsumm": None}
        print(f"smtplab    {ours:>12,.0f} lines/s  (all tables, cache written)")
        if shutil.which("pflogsumm"):
            began = time.perf_counter()
            subprocess.run(["pflogsumm", str(path)], check=True, stdout=subprocess.DEVNULL)
            theirs = count / (time.perf_counter() - began)
            result["pflogsumm"] = round(theirs)
            print(f"pflogsumm  {theirs:>12,.0f} lines/s  (a summary)   smtplab is {ours / theirs:.2f}x")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
