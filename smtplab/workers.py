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
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from types import ModuleType
from typing import IO, Any, Generic, TypeVar

_ALIGNED = 64
_BEGIN = """
import pickle, sys
path, first, name = pickle.load(sys.stdin.buffer)
sys.path += [p for p in path if p not in sys.path]
from smtplab.workers import serve
serve(first, name)
"""

T = TypeVar("T")


def spare() -> int:
    """How many processes there is room for beside this one."""
    have = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return have - 1


class Workers:
    """Processes that end with the block, none where `count` is 0; what they are asked for is in `module`."""

    def __init__(self, count: int, module: str) -> None:
        self.waiting = deque[Task[Any]]()
        self.answered = 0
        """Tasks that were done elsewhere."""
        self._stack = ExitStack()
        self.folder = ""
        if count:
            self.folder = self._stack.enter_context(TemporaryDirectory(prefix="smtplab-", ignore_cleanup_errors=True))
        self.processes = [p for n in range(count) if (p := _begun(module, f"{self.folder}/told.{n}"))]
        self._asked: SimpleQueue[Task[Any] | None] = SimpleQueue()
        self._threads = [Thread(target=self._ask, args=one, daemon=True) for one in enumerate(self.processes)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            self._asked.put(None)
        for thread in self._threads:
            thread.join()
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
        if self.processes:
            self.waiting.append(task)
            self._asked.put(task)
        return task

    def another(self) -> Task[Any] | None:
        """A task that nobody has begun."""
        while self.waiting:
            if (task := self.waiting.popleft()).asked.cancel():
                return task
        return None

    def _ask(self, number: int, process: subprocess.Popen[bytes]) -> None:
        """Have a process do one task after another; one that does not begin, or cannot any more, gets none."""
        assert process.stdin
        assert process.stdout
        channel = _Channel(process.stdout, process.stdin, f"{self.folder}/asked.{number}")
        try:
            greeted = channel.receive() == process.pid
        except Exception:
            greeted = False
        if not greeted:
            process.kill()
            return
        while task := self._asked.get():
            if not task.asked.set_running_or_notify_cancel():
                continue
            try:
                channel.send((task.function, task.arguments))
                fine, answer = channel.receive()
            except Exception as e:
                process.kill()
                task.asked.set_exception(e)
                return
            if fine:
                self.answered += 1
                task.asked.set_result(answer)
            else:
                task.asked.set_exception(RuntimeError(answer))


class Task(Generic[T]):
    """What somebody does before its result is asked for, or then."""

    def __init__(self, workers: Workers, function: Callable[..., T], arguments: Sequence[Any]) -> None:
        self.workers, self.function, self.arguments = workers, function, arguments
        self.asked: Future[T] = Future()
        self.then: Callable[[T], object] | None = None
        """What is to be done here with what it gives."""
        self._made: list[T] = []

    def result(self) -> T:
        """What the function gives, once; other tasks are done here while a process does this one."""
        while not self._made:
            if self.asked.cancel():
                self._make()
            elif not self.asked.done() and (other := self.workers.another()):
                # An error is told where that one is asked for: it is made again there.
                with suppress(Exception):
                    other._make()
            elif self.asked.exception() is None:
                self._made.append(self.asked.result())
            else:
                self._make()
        # What is held here would stay in memory.
        with suppress(ValueError):
            self.workers.waiting.remove(self)
        made = self._made.pop()
        if self.then:
            self.then(made)
        return made

    def _make(self) -> None:
        self._made.append(self.function(*self.arguments))


def _begun(module: str, name: str) -> subprocess.Popen[bytes] | None:
    """A process that reads what it is to do; None where none can begin."""
    if not sys.executable or getattr(sys, "frozen", False):
        return None
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
        process.stdin.write(pickle.dumps(([str(p) for p in sys.path], module, name)))
        process.stdin.flush()
    return process


def serve(module: str, name: str) -> None:
    """Do what comes on standard input, until it ends; files of arrays get this name and a number."""
    channel = _Channel(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"), name)
    # What a library prints must not come between the answers.
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is asked for must not wait for this.
    import_module(module)
    with suppress(BrokenPipeError):
        # Only a process that says so is entrusted with anything: another program may stand in Python's place.
        channel.send(os.getpid())
        while True:
            try:
                function, arguments = channel.receive()
                channel.send((True, function(*arguments)))
            except (EOFError, BrokenPipeError):
                return
            except Exception as e:
                channel.send((False, repr(e)[:400]))


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
        try:
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
        except OSError:
            file.unlink(missing_ok=True)
            raise

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
