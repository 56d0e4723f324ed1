"""Work shared with other processes: of the threads of one, Python lets a single one run at a time.

A task is a function and its arguments. Whoever is free takes the next, also who waits for another; a task that another
process could not do is done here, so that its error is told here and a process that ended costs time only. Arrays go
through files in a folder: they are mapped by who gets them, not copied.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import IO, Any, Generic, TypeVar

_ALIGNED = 64
_BEGIN = """
import pickle, sys
sys.path[:], first, name = pickle.load(sys.stdin.buffer)
# What is asked for must not wait for this.
__import__(first)
from smtplab.workers import serve
serve(name)
"""

T = TypeVar("T")


def spare() -> int:
    """How many processes there is room for beside this one."""
    have = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return have - 1


class Workers:
    """Processes that end with the block, none where `count` is 0; what they are asked for is in `module`."""

    def __init__(self, count: int, module: str) -> None:
        self.open = deque[Task[Any]]()
        self._stack = ExitStack()
        self.folder = self._stack.enter_context(TemporaryDirectory(prefix="smtplab-")) if count else ""
        self.processes = [p for n in range(count) if (p := _begun(module, f"{self.folder}/told.{n}"))]
        self._free, self._own = deque(enumerate(self.processes)), threading.local()
        self._threads = ThreadPoolExecutor(len(self.processes)) if self.processes else None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
        if self._threads:
            self._threads.shutdown(cancel_futures=True)
        for process in self.processes:
            # What was written for it and not read is told by an error.
            with suppress(OSError):
                process.__exit__(None, None, None)
        self._stack.close()

    @property
    def ahead(self) -> int:
        """Tasks that are asked for before the first is taken, so that nobody waits."""
        return 2 * len(self.processes)

    def submit(self, function: Callable[..., T], *arguments: Any) -> Task[T]:
        """A task: the function, which a module holds, of the arguments."""
        task = Task(self, function, arguments)
        if self._threads:
            task.asked = self._threads.submit(self._ask, function, arguments)
            self.open.append(task)
        return task

    def another(self) -> Task[Any] | None:
        """A task that nobody has begun."""
        while self.open:
            if (task := self.open.popleft()).asked.cancel():
                return task
        return None

    def _ask(self, function: Callable[..., T], arguments: Sequence[Any]) -> T:
        """Have a process do it; raises where it did not."""
        if not hasattr(self._own, "channel"):
            number, process = self._free.popleft()
            assert process.stdin
            assert process.stdout
            self._own.channel = _Channel(process.stdout, process.stdin, f"{self.folder}/asked.{number}")
        channel: _Channel = self._own.channel
        channel.send((function, arguments))
        fine, answer = channel.receive()
        if not fine:
            raise RuntimeError(answer)
        made: T = answer
        return made


class Task(Generic[T]):
    """What somebody does before its result is asked for, or then."""

    def __init__(self, workers: Workers, function: Callable[..., T], arguments: Sequence[Any]) -> None:
        self.workers, self.function, self.arguments = workers, function, arguments
        self.asked: Future[T] = Future()
        self._made: list[T] = []

    def result(self) -> T:
        """What the function gives, once; other tasks are done here while a process does this one."""
        while not self._made:
            if self.asked.cancel():
                self.make()
            elif not self.asked.done() and (other := self.workers.another()):
                other.make()
            elif self.asked.exception() is None:
                self._made.append(self.asked.result())
            else:
                self.make()
        # What is held here would stay in memory.
        with suppress(ValueError):
            self.workers.open.remove(self)
        return self._made.pop()

    def make(self) -> None:
        """Do it here."""
        self._made.append(self.function(*self.arguments))


def _begun(module: str, name: str) -> subprocess.Popen[bytes] | None:
    """A process that reads what it is to do; None where none can begin."""
    try:
        process = subprocess.Popen(
            # -P: a file that lies where the analyst works must not be taken for a module.
            [sys.executable, "-P", "-c", _BEGIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError:
        return None
    with suppress(OSError):
        assert process.stdin
        process.stdin.write(pickle.dumps((sys.path, module, name)))
        process.stdin.flush()
    return process


def serve(name: str) -> None:
    """Do what comes on standard input, until it ends; files of arrays get this name and a number."""
    channel = _Channel(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"), name)
    # What a library prints must not come between the answers.
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError):
        while True:
            function, arguments = channel.receive()
            try:
                answer = True, function(*arguments)
            except Exception as e:
                answer = False, repr(e)[:400]
            channel.send(answer)


@dataclass
class _Channel:
    """Two pipes to another process, and the path of files for arrays, to which a number is added."""

    reading: IO[bytes]
    writing: IO[bytes]
    name: str
    numbers: count[int] = field(default_factory=count)

    def send(self, held: Any) -> None:
        arrays: list[pickle.PickleBuffer] = []
        pickled = _Pickler.of(held, arrays)
        file, ends = Path(f"{self.name}.{next(self.numbers)}"), []
        if arrays:
            with file.open("xb") as out:
                # An empty file cannot be mapped.
                out.write(bytes(_ALIGNED))
                for array in arrays:
                    begin = out.tell()
                    ends.append((begin, begin + out.write(array.raw())))
                    out.write(bytes(-out.tell() % _ALIGNED))
        pickle.dump((pickled, file, ends), self.writing)
        self.writing.flush()

    def receive(self) -> Any:
        """Raises EOFError where the other has ended."""
        pickled, file, ends = pickle.load(self.reading)
        raw = memoryview(_mapped(file)) if ends else memoryview(b"")
        return pickle.loads(pickled, buffers=[raw[begin:end] for begin, end in ends])


def _mapped(file: Path) -> bytearray | mmap.mmap:
    """What a file holds, which is not needed any more."""
    if os.name == "nt":
        # A file that is mapped cannot be deleted.
        held: bytearray | mmap.mmap = bytearray(file.read_bytes())
    else:
        with file.open("rb") as opened:
            held = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    file.unlink()
    return held


class _Pickler(pickle.Pickler):
    @staticmethod
    def of(held: Any, arrays: list[pickle.PickleBuffer]) -> bytes:
        out = io.BytesIO()
        _Pickler(out, 5, buffer_callback=arrays.append).dump(held)
        return out.getvalue()

    def reducer_override(self, held: Any) -> Any:
        # A format of files is a module.
        return (import_module, (held.__name__,)) if isinstance(held, ModuleType) else NotImplemented
