"""The network, seen through the tape: DNS, sessions, TLS and HTTPS ask here, live or in replay alike.

`Network.ask` answers a question from the recording; only a live network performs it, once however many ask,
within its bounds, and records the answer. Work can be given a deadline, after which whatever is still open is
unknown. Coroutines run on a loop of their own thread, so plain functions
work inside Jupyter's running loop too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from smtplab.errors import NotRecorded, SmtplabError
from smtplab.tape import Entry, Question, Recorder, Tape

T = TypeVar("T")
Perform = Callable[[], Awaitable[dict[str, Any]]]
Progress = Callable[[int, int], None]

NOT_RECORDED = "not recorded"
DEADLINE = "deadline"
MAX_ANSWERS = 20_000
"""Answers remembered where no recording holds them; the one not asked for longest goes first."""
_ends: ContextVar[float | None] = ContextVar("smtplab_deadline", default=None)
"""When the work of this task and of those it starts is over, in seconds of the monotonic clock."""
_turned: ContextVar[float | None] = ContextVar("smtplab_turned", default=None)
"""When the question of this task got its turn: waiting for it is no time that a server took."""


class Unknown(Exception):
    """Raised while performing a question that got no answer; recorded with its reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def endpoint(text: str, port: int = 53) -> tuple[str, int]:
    """Address and port of "ADDRESS", "ADDRESS:PORT" or "[ADDRESS]:PORT"; the address is not checked."""
    if text.count(":") == 1 or text.startswith("["):
        host, _, digits = text.rpartition(":") if text.rpartition(":")[2].isdigit() else (text, "", "")
        return host.strip("[]"), int(digits) if digits else port
    return text, port


@dataclass(frozen=True)
class NetworkSettings:
    """How to reach out and how politely.

    `resolver` is HOST:PORT (empty: the machine's own), `resolvers` others to compare it with, `connections` the
    budget for each address and port, `concurrency` how many questions are out at once, `timeout` seconds a server
    may take for an answer, `public` networks that count as public in this case (documentation ranges in a lab),
    `trust` a PEM file of certificate authorities (none: the certifi-like system store), `anchor` a file of DNSSEC
    trust anchors (none: the resolver is believed), `own` names and addresses the analyst may probe as a stranger
    would not, `intrusive` whether a recording does.
    """

    resolver: str = ""
    resolvers: tuple[str, ...] = ()
    connections: int = 12
    concurrency: int = 100
    timeout: float = 5.0
    public: tuple[str, ...] = ()
    trust: Path | None = None
    anchor: Path | None = None
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


@dataclass(eq=False)
class _Flight:
    """A question on its way, and how many wait for it."""

    task: asyncio.Task[Entry]
    waiting: int = 0


@dataclass
class Network:
    """Answers questions from a tape, and, when live, from the world."""

    settings: NetworkSettings = field(default_factory=NetworkSettings)
    tape: Tape | None = None
    recorder: Recorder | None = None
    live: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    progress: Progress | None = None
    _flights: dict[Question, _Flight] = field(default_factory=dict, repr=False)
    _answers: dict[Question, Entry] = field(default_factory=dict, repr=False)
    _asked: int = field(default=0, repr=False)
    _budget: dict[tuple[str, int], int] = field(default_factory=dict, repr=False)
    _turns: WeakValueDictionary[tuple[str, int], asyncio.Semaphore] = field(
        default_factory=WeakValueDictionary, repr=False
    )
    heard: bool = field(default=False, init=False)
    """Whether any question of this run got an answer."""
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

    @asynccontextmanager
    async def deadline(self, seconds: float) -> AsyncIterator[None]:
        """Within, no question is waited for any longer: what is open then is unknown ("deadline").

        A question that others wait for goes on for them; one that nobody waits for is given up.
        """
        outer, own = _ends.get(), time.monotonic() + seconds
        token = _ends.set(own if outer is None else min(outer, own))
        try:
            yield
        finally:
            _ends.reset(token)

    async def ask(self, kind: str, target: str, params: Mapping[str, str], perform: Perform) -> Entry:
        """The answer to a question: from the tape, or performed once and recorded; never raises for the network."""
        question = Question.of(kind, target, params)
        if not self.live:
            return self._replay(question)
        if known := self._known(question):
            return known
        ends, began = _ends.get(), time.monotonic()
        if ends is not None and ends <= began:
            return self._late(question, began)
        if (flight := self._flights.get(question)) is None:
            # A context of its own: the deadline of whoever asks first is not that of who joins later.
            task = asyncio.get_running_loop().create_task(self._perform(question, perform), context=Context())
            flight = self._flights[question] = _Flight(task)
            self._asked += 1
        flight.waiting += 1
        try:
            await asyncio.wait((flight.task,), timeout=None if ends is None else ends - began)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                flight.task.cancel()
                self._flights.pop(question, None)
        return flight.task.result() if flight.task.done() else self._late(question, began)

    def _late(self, question: Question, began: float) -> Entry:
        entry = Entry(question, self.clock(), (time.monotonic() - began) * 1000, unknown=DEADLINE)
        if self.recorder and question not in self._flights:
            self.recorder.put(entry)
        return entry

    def _known(self, question: Question) -> Entry | None:
        if self.recorder:
            entry = self.recorder.entries.get(question)
            return None if entry and entry.unknown == DEADLINE else entry
        if entry := self._answers.pop(question, None):
            self._answers[question] = entry
        return entry

    def _replay(self, question: Question) -> Entry:
        if self.tape and (entry := self.tape.entries.get(question)):
            return entry
        self.missed.add(question)
        at = self.tape.started if self.tape else self.clock()
        return Entry(question, at, 0.0, unknown=NOT_RECORDED)

    async def _perform(self, question: Question, perform: Perform) -> Entry:
        at, began = self.clock(), time.monotonic()
        value, unknown = None, None
        try:
            value = await perform()
            self.heard = True
        except Unknown as e:
            unknown = e.reason
        except TimeoutError:
            unknown = "timeout"
        except (OSError, EOFError, UnicodeError, ValueError, SmtplabError) as e:
            unknown = f"{type(e).__name__}: {e}"[:300]
        finally:
            if (flight := self._flights.get(question)) and flight.task is asyncio.current_task():
                del self._flights[question]
        entry = Entry(question, at, (time.monotonic() - (_turned.get() or began)) * 1000, value, unknown)
        self._keep(entry)
        if self.progress:
            self.progress(self._asked - len(self._flights), self._asked)
        return entry

    def _keep(self, entry: Entry) -> None:
        if self.recorder:
            self.recorder.put(entry)
            return
        self._answers[entry.question] = entry
        if len(self._answers) > MAX_ANSWERS:
            del self._answers[next(iter(self._answers))]

    @cached_property
    def _bound(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self.settings.concurrency)

    @asynccontextmanager
    async def turn(self, address: str, port: int, at_once: int | None = None) -> AsyncIterator[None]:
        """Wait for a turn: `concurrency` in all are in use, `at_once` of them at one server; then time counts."""
        theirs = self._turns.setdefault((address, port), asyncio.Semaphore(at_once or self.settings.concurrency))
        # Four timeouts: a session has several phases, each bounded by its own.
        async with theirs, self._bound, asyncio.timeout(self.settings.timeout * 4):
            _turned.set(_turned.get() or time.monotonic())
            yield

    @asynccontextmanager
    async def slot(self, address: str, port: int) -> AsyncIterator[None]:
        """One connection of the budget of this address and port; raises Unknown("budget") when it is spent."""
        spent = self._budget.get((address, port), 0)
        if spent >= self.settings.connections:
            raise Unknown("budget")
        self._budget[address, port] = spent + 1
        async with self.turn(address, port):
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
