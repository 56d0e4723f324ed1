"""Writes recorded groups again for other messages: new times, queue ids, processes, sizes and delays that agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from smtplab.lab.story import samples
from smtplab.lab.story.plan import Mail, Step
from smtplab.lab.story.queueids import long_id, printed
from smtplab.lab.story.rhythm import utc
from smtplab.lab.story.templates import PLACE, Line, Template

OUR_HOSTS = ("out1", "out2", "mail", "mx1", "mx2")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SESSION = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MAX_USE, MAX_IDLE = 100, 100.0


@dataclass
class Processes:
    """Process ids of one host's daemons; as in Postfix, one serves at most 100 times and leaves when idle."""

    rng: Random
    last: int = 700
    fixed: dict[str, int] = field(default_factory=dict)
    pool: dict[str, list[list[float]]] = field(default_factory=lambda: defaultdict(list))

    def take(self, program: str, start: float, end: float) -> int:
        """The process that serves from `start` to `end`."""
        if program.endswith("qmgr"):
            return self.fixed.setdefault(program, self.rng.randrange(400, 700))
        running = [p for p in self.pool[program] if start - p[1] < MAX_IDLE and p[2] < MAX_USE]
        free = next((p for p in running if p[1] <= start), None)
        if free is None:
            self.last = (self.last + self.rng.randrange(1, 40)) % 4_000_000
            free = [float(self.last), end, 0]
            running.append(free)
        free[1], free[2] = max(free[1], end), free[2] + 1
        self.pool[program] = running
        return int(free[0])


@dataclass(frozen=True)
class Returned:
    """A bounce that reached the mailbox, as text with LF line ends."""

    at: float
    mail: Mail
    text: str


class Writer:
    """Renders steps in order of time; `lines` by host and `returned` grow.

    `trusted_until`: until then the certificate of mx1 was valid, so its clients called the connection trusted.
    """

    def __init__(self, templates: dict[str, Template], rng: Random, trusted_until: datetime) -> None:
        self.templates, self.rng = templates, rng
        self.trusted_until = trusted_until.timestamp()
        self.lines: dict[str, list[tuple[float, str]]] = {host: [] for host in OUR_HOSTS}
        self.returned: list[Returned] = []
        self.values: dict[int, dict[str, str]] = {}
        self.arrived: dict[int, dict[str, float]] = {}
        self.processes = {host: Processes(Random(host)) for host in (*OUR_HOSTS, "postrider", "crmvendor", "dovecot")}
        self.number = 48_200

    def write(self, mails: Iterable[Mail]) -> None:
        """All steps of all messages."""
        steps = [(step.at, n, step, mail) for n, mail in enumerate(mails) for step in mail.steps]
        for _, n, step, mail in sorted(steps, key=lambda s: s[:2]):
            self._step(n, step, mail)
            if step is mail.steps[-1]:
                self.values.pop(n, None)
                self.arrived.pop(n, None)

    def _step(self, n: int, step: Step, mail: Mail) -> None:
        template = self.templates[step.scenario]
        values = self._values(n, mail, step)
        arrived = self.arrived.setdefault(n, {})
        run = _Run(self, values, arrived)
        if step.part in ("whole", "start"):
            run.host(template.arrival, step.at)
            run.host(template.attempts[0] if template.attempts else (), None)
        else:
            run.host(template.attempts[1] if step.part == "retry" else template.attempts[-1], step.at)
        if step.part in ("whole", "end"):
            run.elsewhere(template.elsewhere)
            if template.returned:
                self._return(template, run, mail)

    def _values(self, n: int, mail: Mail, step: Step) -> dict[str, str]:
        """The values of a message's placeholders; of queue ids only its own outlives an attempt."""
        before = self.values.get(n)
        if before is None:
            self.number += self.rng.randrange(1, 4)
            ident = samples.message_id(mail.kind, self.number, f"{int(mail.at):x}")
            before = {"R": mail.recipient, "M": ident, "K": str(self.number), "more": str(self.rng.randrange(0, 400))}
            before |= mail.swaps
        kept = {k: v for k, v in before.items() if k == "Q0" or not (k[0] == "Q" and k[1:].isdigit())}
        self.values[n] = kept
        return kept

    def _return(self, template: Template, run: _Run, mail: Mail) -> None:
        end = run.end
        run.values |= {"D": _date(end), "A": _date(mail.at), "E": str(int(end))}
        self.returned.append(Returned(end, mail, run.fill(template.returned, end)))


class _Run:
    """One step being written."""

    def __init__(self, writer: Writer, values: dict[str, str], arrived: dict[str, float]) -> None:
        self.writer, self.values, self.arrived = writer, values, arrived
        self.rng = writer.rng
        self.now = self.end = 0.0
        self.handed: dict[str, float] = {}
        self.pids: dict[tuple[str, str, str], int] = {}

    def host(self, lines: Iterable[Line], start: float | None) -> None:
        """Lines of one host from `start` on (None: where the last part ended)."""
        if start is not None:
            self.now = start
        connection = 0.0
        for line in lines:
            if line.handshake:
                connection = (
                    self.rng.uniform(0.004, 0.02) if "meridian.example" in line.text else self.rng.uniform(0.04, 0.5)
                )
                self.now += connection
            elif line.status:
                self._status(line, connection)
                connection = 0.0
            else:
                self.now += self.rng.uniform(0.0005, 0.012)
            self._put(line)
        self.end = max(self.end, self.now)

    def elsewhere(self, lines: tuple[Line, ...]) -> None:
        """Lines of the hosts that the message, or its bounce, was handed to."""
        waiting = list(dict.fromkeys(line.host for line in lines))
        while waiting:
            firsts = {h: next((x.queue for x in lines if x.host == h and x.queue), "") for h in waiting}
            host = next((h for h in waiting if firsts[h] in self.handed), waiting[0])
            waiting.remove(host)
            self.host([x for x in lines if x.host == host], self.handed.get(firsts[host], self.end) - 0.03)

    def _status(self, line: Line, connection: float) -> None:
        queue = line.queue
        before = self.now - connection
        remote = bool(connection) and "meridian.example" not in line.text.partition("relay=")[2][:40]
        waited = self.rng.choice((0.0, 0.0, 0.01, 0.02)) if connection else 0.0
        sending = self.rng.uniform(0.08, 1.3) if remote else self.rng.uniform(0.0, 0.02)
        self.handed |= {m[1]: self.now for m in PLACE.finditer(line.text) if "queued as \x01" + m[1] in line.text}
        self.now += sending
        earlier = max(0.0, before - waited - self.arrived.get(queue, before))
        parts = [printed(x) for x in (earlier, waited, connection, sending)]
        self.values["DELAY"] = f"delay={printed(earlier + waited + connection + sending)}, delays={'/'.join(parts)}"

    def _put(self, line: Line) -> None:
        text = self.fill(line.text, self.now)
        if self.now < self.writer.trusted_until:
            text = text.replace(
                "Untrusted TLS connection established to mx1.", "Trusted TLS connection established to mx1."
            )
        host = "mail" if line.host == "dovecot" else line.host
        if line.queue:
            self.arrived.setdefault(line.queue, self.now)
        if host not in self.writer.lines:
            return
        program = line.program
        if line.process:
            key = (host, program, line.process)
            if key not in self.pids:
                self.pids[key] = self.writer.processes[host].take(program, self.now, self.now + 2.0)
            program += f"[{self.pids[key]}]"
        self.writer.lines[host].append((self.now, f"{program}: {text}"))

    def fill(self, text: str, at: float) -> str:
        """The text with its placeholders filled; queue ids are made when they are first needed."""
        return PLACE.sub(lambda m: self._value(m[1], at), text)

    def _value(self, name: str, at: float) -> str:
        if name in self.values:
            return self.values[name]
        if name == "T":
            return f"{self.rng.getrandbits(48):012x}"
        if name[0] == "Z":
            return str(int(name[1:]) + int(self.values["more"]))
        if name[0] == "Q":
            made = long_id(at, self.rng.randrange(2_000_000, 2_600_000))
        elif name == "X":
            made = "".join(self.rng.choices(SESSION, k=16))
        elif name == "N":
            made = str(self.rng.randrange(900, 40_000))
        else:
            raise KeyError(name)
        self.values[name] = made
        return made


def _date(moment: float) -> str:
    return f"{utc(moment):%a, %d %b %Y %H:%M:%S} +0000 (UTC)"


def syslog(host: str, lines: list[tuple[float, str]]) -> str:
    """The lines of a host in order of time, as postlogd writes them (no year, seconds)."""
    made = []
    for at, text in sorted(lines, key=lambda line: line[0]):
        when = utc(at)
        made.append(f"{MONTHS[when.month - 1]} {when.day:2d} {when:%H:%M:%S} {host} {text}\n")
    return "".join(made)
