"""The network, seen through the tape: DNS, sessions, TLS and HTTPS ask here, live or in replay alike.

`Network.ask` answers a question from the recording; only a live network performs it, once however many ask,
within its bounds, and records the answer. Coroutines run on a loop of their own thread, so plain functions
work inside Jupyter's running loop too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from smtplab.errors import NotRecorded, SmtplabError
from smtplab.tape import Entry, Question, Recorder, Tape

T = TypeVar("T")
Perform = Callable[[], Awaitable[dict[str, Any]]]
Progress = Callable[[int, int], None]

NOT_RECORDED = "not recorded"


class Unknown(Exception):
    """Raised while performing a question that got no answer; recorded with its reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class NetworkSettings:
    """How to reach out and how politely.

    `resolver` is HOST:PORT (empty: the machine's own), `connections` the budget for each address and port,
    `timeout` seconds a question may take, `public` networks that count as public in this case (documentation
    ranges in a lab), `trust` a PEM file of certificate authorities (none: the certifi-like system store),
    `own` names and addresses the analyst may probe as a stranger would not, `intrusive` whether a recording does.
    """

    resolver: str = ""
    connections: int = 12
    timeout: float = 5.0
    public: tuple[str, ...] = ()
    trust: Path | None = None
    own: frozenset[str] = frozenset()
    lab: bool = False
    intrusive: bool = False

    def is_public(self, address: str) -> bool:
        """Whether mail from strangers can reach the address: global, or declared public by the case."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        nets = (ipaddress.ip_network(n) for n in self.public)
        return ip.is_global or any(ip in n for n in nets if n.version == ip.version)


@dataclass
class Network:
    """Answers questions from a tape, and, when live, from the world."""

    settings: NetworkSettings = field(default_factory=NetworkSettings)
    tape: Tape | None = None
    recorder: Recorder | None = None
    live: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    progress: Progress | None = None
    _pending: dict[Question, asyncio.Future[Entry]] = field(default_factory=dict, repr=False)
    _budget: dict[tuple[str, int], int] = field(default_factory=dict, repr=False)
    missed: set[Question] = field(default_factory=set, repr=False)
    """Questions of this run that the tape does not hold."""

    @classmethod
    def without_case(cls, settings: NetworkSettings | None = None) -> Network:
        """Live, and keeping no tape: for one-off commands."""
        return cls(settings or NetworkSettings(), live=True)

    def __repr__(self) -> str:
        return f"Network({'live' if self.live else 'replay'}, {self.tape.name if self.tape else 'no tape'})"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end from a plain function, also inside Jupyter."""
        return asyncio.run_coroutine_threadsafe(work, _loop()).result()

    async def ask(self, kind: str, target: str, params: Mapping[str, str], perform: Perform) -> Entry:
        """The answer to a question: from the tape, or performed once and recorded; never raises for the network."""
        question = Question.of(kind, target, params)
        if self.recorder and (known := self.recorder.entries.get(question)):
            return known
        if not self.live:
            return self._replay(question)
        if (pending := self._pending.get(question)) is None:
            pending = asyncio.ensure_future(self._perform(question, perform))
            self._pending[question] = pending
        return await asyncio.shield(pending)

    def _replay(self, question: Question) -> Entry:
        if self.tape and (entry := self.tape.entries.get(question)):
            return entry
        self.missed.add(question)
        at = self.tape.started if self.tape else self.clock()
        return Entry(question, at, 0.0, unknown=NOT_RECORDED)

    async def _perform(self, question: Question, perform: Perform) -> Entry:
        async with self._bound:
            at, began = self.clock(), time.monotonic()
            value, unknown = None, None
            try:
                # Four timeouts: a session has several phases, each bounded by its own.
                value = await asyncio.wait_for(perform(), self.settings.timeout * 4)
            except Unknown as e:
                unknown = e.reason
            except TimeoutError:
                unknown = "timeout"
            except (OSError, EOFError, UnicodeError, ValueError, SmtplabError) as e:
                unknown = f"{type(e).__name__}: {e}"[:300]
            entry = Entry(question, at, (time.monotonic() - began) * 1000, value, unknown)
        if self.recorder:
            self.recorder.put(entry)
        if self.progress:
            done = sum(f.done() for f in self._pending.values()) + 1
            self.progress(done, len(self._pending))
        return entry

    @cached_property
    def _bound(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(100)

    @asynccontextmanager
    async def slot(self, address: str, port: int) -> AsyncIterator[None]:
        """One connection of the budget of this address and port; raises Unknown("budget") when it is spent."""
        spent = self._budget.get((address, port), 0)
        if spent >= self.settings.connections:
            raise Unknown("budget")
        self._budget[address, port] = spent + 1
        yield

    def connections_used(self) -> dict[str, int]:
        """Connections made, by "address:port"."""
        return {f"{a}:{p}": n for (a, p), n in sorted(self._budget.items())}

    def demand(self, *kinds: str) -> None:
        """Raise NotRecorded when a replay holds nothing of these kinds."""
        if self.live:
            return
        held = self.tape.kinds() if self.tape else {}
        if not any(k in held for k in kinds):
            where = self.tape.name if self.tape else "this case"
            raise NotRecorded(f"holds no {' or '.join(kinds)} answers", where=where, do="Run `smtplab collect CASE`")


_threads: dict[str, asyncio.AbstractEventLoop] = {}
_lock = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of our own thread, started at first use: Jupyter's loop already runs and cannot be re-entered."""
    with _lock:
        if "net" not in _threads:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="smtplab-net", daemon=True).start()
            _threads["net"] = loop
        return _threads["net"]
