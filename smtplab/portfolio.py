"""Many domains, a row each: streamed, bounded in flight, and taken up again after an interruption.

A row is the object of `DomainReport.as_dict`, a JSON line. While the work goes on the rows stand in `FILE.part`, in
the order in which they were finished; the whole file replaces it in one rename, in the order asked for.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import pandas as pd

from smtplab import domains
from smtplab.casefile import domain_name
from smtplab.domains import DomainReport, known, verdict
from smtplab.errors import CaseError, SmtplabError
from smtplab.net import Network
from smtplab.tape import MAX_LINE, beside

CONCURRENCY = 50
"""Domains in flight."""
DEADLINE = 20.0
"""Seconds a domain may take; what is not answered by then is unknown."""
MAX_NAME = 1_000
"""Bytes read of a line in a list: no name is longer, and a list may be any file."""
MAX_TOLD = 20

Row = Mapping[str, Any]
T = TypeVar("T")


@dataclass
class Names:
    """Domains to ask for, in the order given and each once.

    `refused` entries are no domain; `bad` tells of the first of them where each stands and what it is. `repeated`
    entries were named before.
    """

    domains: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    refused: int = 0
    repeated: int = 0

    @classmethod
    def read(cls, typed: Iterable[str] = (), file: Path | None = None) -> Names:
        """Names typed, then those of a file: one a line, `#` begins a comment; raises OSError for the file."""
        made, found = cls(), dict[str, None]()
        for where, text in chain((("", t) for t in typed), _lines(file) if file else ()):
            try:
                name = domain_name(text)
            except CaseError as e:
                made.refused += 1
                if made.refused <= MAX_TOLD:
                    made.bad.append(f"{where}{e}")
                continue
            made.repeated += name in found
            found[name] = None
        made.domains = list(found)
        return made


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    with file.open("rb") as lines:
        number = 0
        while line := lines.readline(MAX_NAME):
            number += 1
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = lines.readline(MAX_NAME)
            if text := line.decode("utf-8-sig", "replace").partition("#")[0].strip():
                yield f"{file}:{number}: ", text


def examine(
    network: Network,
    names: Sequence[str],
    selectors: Sequence[str] = (),
    *,
    guess: bool = True,
    propagation: bool = True,
    concurrency: int = CONCURRENCY,
    deadline: float = DEADLINE,
) -> Iterator[DomainReport]:
    """The reports of domains (in A-labels), each as soon as it is finished.

    At most `concurrency` domains are in flight, and as many finished reports wait for whoever takes them. A domain
    that takes longer than `deadline` seconds is reported with what is known by then.
    """

    async def ask(name: str) -> DomainReport:
        try:
            async with network.deadline(deadline):
                return await domains.ask(network, name, selectors, guess=guess, propagation=propagation)
        except Exception as e:
            what = f"a mistake of smtplab's, {type(e).__name__}: {e}"
            raise SmtplabError(what, where=name, do="Report it; without this domain the run goes on") from e

    return stream(network, names, ask, concurrency)


def stream(network: Network, names: Sequence[str], ask: Callable[[str], Awaitable[T]], concurrency: int) -> Iterator[T]:
    """What `ask` gives for each name, in the order of finishing; leaving the iterator stops the work."""
    left = iter(names)
    finished: asyncio.Queue[tuple[T | None, BaseException | None]] = asyncio.Queue(concurrency)

    async def work() -> None:
        for name in left:
            try:
                await finished.put((await ask(name), None))
            except Exception as e:  # Not lost in a task that nobody awaits.
                await finished.put((None, e))

    async def start() -> list[asyncio.Task[None]]:
        return [asyncio.create_task(work()) for _ in range(min(concurrency, len(names)))]

    async def take() -> list[tuple[T | None, BaseException | None]]:
        # All there is at once: each turn between two threads costs milliseconds.
        made = [await finished.get()]
        while not finished.empty():
            made.append(finished.get_nowait())
        return made

    async def stop() -> None:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        with suppress(asyncio.QueueFull):
            # For a `take` that waits on, when Ctrl-C came while it did.
            finished.put_nowait((None, None))

    workers = network.run(start())
    try:
        count = 0
        while count < len(names):
            for result, error in network.run(take()):
                if error:
                    raise error
                count += 1
                yield cast("T", result)
    finally:
        network.run(stop())


class Rows:
    """The finished rows of a portfolio, on disk, found by domain.

    Entering the `with` block takes up what an earlier run left in FILE.jsonl and FILE.part; leaving it keeps the
    `.part` file until `finish` has made the whole one.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.part = target.with_name(f"{target.name}.part")
        self.at: dict[str, tuple[Path, int]] = {}
        """File and offset of the last row of each domain whose SPF, DMARC and MX are all known."""
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Rows:
        if self.target.is_dir():
            raise SmtplabError("is a folder", where=self.target, do="Name a file")
        if self.part.exists() and not self.part.is_file():
            # A pipe would be waited for without end.
            raise SmtplabError("is no file, and finished rows are kept there", where=self.part, do="Remove it")
        self._file = self.part.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            do = "Wait for it, or name another file"
            raise SmtplabError("another run is writing it", where=self.part, do=do) from None
        if self.target.suffix == ".jsonl" and self.target.is_file():
            self._index(self.target)
        whole = self._index(self.part)
        # A line cut in the middle by the interruption is asked again.
        self._file.seek(self._file.truncate(whole))
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def _index(self, file: Path) -> int:
        """Find the rows of a file; returns where its last whole line ends."""
        whole = 0
        with file.open("rb") as lines:
            while (line := lines.readline(MAX_LINE)).endswith(b"\n"):
                if (row := _row(line)) and known(row):
                    self.at[row["domain"]] = (file, whole)
                whole += len(line)
        return whole

    def put(self, row: Row) -> None:
        """Add one row; it is on disk when this returns."""
        assert self._file
        self.at[row["domain"]] = (self.part, self._file.tell())
        self._file.write(json.dumps(row).encode() + b"\n")
        self._file.flush()

    def lines(self, names: Iterable[str]) -> Iterator[bytes]:
        """The lines of these domains, then of all others that were found."""
        files = {path: path.open("rb") for path in {p for p, _ in self.at.values()}}
        try:
            for name in dict.fromkeys((*names, *self.at)):
                path, offset = self.at[name]
                files[path].seek(offset)
                yield files[path].readline()
        finally:
            for file in files.values():
                file.close()

    def finish(self, names: Iterable[str]) -> None:
        """Make the whole FILE.jsonl of the rows found, and remove what was in progress."""
        with beside(self.target) as made, made.open("wb") as file:
            file.writelines(self.lines(names))
            file.flush()
            os.fsync(file.fileno())
        self.part.unlink()

    def frame(self, names: Iterable[str]) -> pd.DataFrame:
        """The table of these domains, then of all others that were found."""
        return table(r for line in self.lines(names) if (r := _row(line)))


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """A row a domain: the words of `verdict`, then what is published; lists in a cell are parted by semicolons."""
    return pd.DataFrame([{**verdict(r), **_flat(r)} for r in rows])


def _row(line: bytes) -> Row | None:
    """The row of a line; None for anything else, since the file may be any file."""
    try:
        row = json.loads(line)
        verdict(row)
        _flat(row)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return dict(row) if isinstance(row["domain"], str) else None


def _flat(row: Row) -> dict[str, Any]:
    spf, dmarc = row["spf"], row["dmarc"]
    return {
        "spf_record": spf["record"],
        "spf_lookups": spf["lookups"],
        "spf_void_lookups": spf["void_lookups"],
        "dkim_selectors": "; ".join(k["selector"] for k in row["dkim"]) or None,
        "dmarc_record": dmarc["record"],
        "subdomain_policy": dmarc["subdomain_policy"],
        "nonexistent_policy": dmarc["nonexistent_policy"],
        "organizational_domain": dmarc["organizational_domain"],
        "psl_organizational_domain": dmarc["psl_organizational_domain"],
        "mx_hosts": "; ".join(h["name"] for h in row["mx"]["hosts"]) or None,
        "findings": "; ".join(f["code"] for f in row["findings"] if f["severity"] not in ("ok", "info")) or None,
    }
