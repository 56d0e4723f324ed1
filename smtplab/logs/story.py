"""The words of a trace: a message's steps as a story for people, times in UTC and the waits between them told."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Any

import pandas as pd

from smtplab import replies
from smtplab.visible import visible

_WIDTH = 80
_INDENT = " " * 12
_SHOWN = 20
_ALIKE = 3
"""More replies in a row that say the same are told in one line."""
_MAILBOX = ("virtual", "local", "dovecot", "lmtp")


def told(asked: str, found: int, messages: pd.DataFrame, steps: pd.DataFrame) -> str:
    """The story of the one message, or the list of them and the newest one's story."""
    if not asked:
        return "No message to trace: name an address, a Message-ID or a queue id."
    if not found:
        return visible(f"The logs hold nothing on {asked}: no message, recipient, sender or queue id of that name.")
    lines: list[str] = []
    if found > 1:
        lines += [f"{found:,} messages for {asked}, newest first", ""]
        lines += [_line(m) for m in messages.head(_SHOWN).itertuples()]
        if found > _SHOWN:
            lines.append(f"     and {found - _SHOWN:,} older ones")
        lines += ["", "The newest of them; for another one ask for its Message-ID or queue id:", ""]
    first = next(messages.itertuples())
    lines += _story(first, steps[steps["number"] == first.number])
    return visible("\n".join(lines))


def duration(seconds: float) -> str:
    """A span in the two largest units: 4 h 12 min."""
    left, said = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            said.append(f"{count} {unit}")
    return " ".join(said[:2]) or "0 s"


def counted(number: int, noun: str) -> str:
    """1 network, 2 networks."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _line(m: Any) -> str:
    names = f"{_sender(m.sender)} to {m.recipients or 'nobody yet'}"
    return f"{m.number:>3}  {m.time:%Y-%m-%d %H:%M:%S}  {m.outcome:<10}  {names}"


def _sender(sender: Any) -> str:
    if pd.isna(sender):
        return "an unknown sender"
    return "the null sender" if sender == "<>" else str(sender)


def _story(m: Any, steps: pd.DataFrame) -> Iterator[str]:
    yield f"Message-ID {'unknown' if pd.isna(m.message_id) else f'<{m.message_id}>'}"
    yield f"from {_sender(m.sender)} to {m.recipients or 'nobody yet'}: {m.outcome}"
    yield ""
    day = ""
    for step, again, last in _runs(steps):
        if step.after >= 60:
            yield f"{'':10}... {duration(step.after)} later ..."
        if (now := f"{step.time:%Y-%m-%d}") != day:
            day = now
            yield f"{day} (UTC)"
        where = f"{step.host}: " if step.host else ""
        yield from wrap(f"  {step.time:%H:%M:%S}  {where}{_said(step)}", _WIDTH, subsequent_indent=_INDENT)
        detail = "" if step.step == "not tried" else str(step.detail)
        yield from wrap(detail, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
        if again:
            span = duration((last - step.time).total_seconds())
            yield f"{_INDENT}the same {counted(again, 'more time')} until {last:%Y-%m-%d %H:%M:%S}, over {span}"


def _runs(steps: pd.DataFrame) -> Iterator[tuple[Any, int, Any]]:
    """Each step with how often it is repeated, and when last: dozens of equal replies are one sentence."""
    rows = list(steps.itertuples())
    at = 0
    while at < len(rows):
        same = at + 1
        while same < len(rows) and _alike(rows[at], rows[same]):
            same += 1
        if same - at > _ALIKE:
            yield rows[at], same - at - 1, rows[same - 1].time
            at = same
        else:
            yield rows[at], 0, None
            at += 1


def _alike(one: Any, other: Any) -> bool:
    names = ("step", "host", "queue_id", "recipient", "reason")
    return one.step in ("deferred", "not tried", "refused") and all(getattr(one, n) == getattr(other, n) for n in names)


def _said(step: Any) -> str:
    why = f" ({replies.words(step.reason)})" if step.reason else ""
    relay, to = step.relay or "the next server", f" for {step.recipient}" if step.recipient else ""
    match step.step:
        case "arrived":
            return f"it arrived, queue id {step.queue_id}"
        case "removed":
            return "it left the queue"
        case "refused":
            return f"{relay} was refused{to}{why}"
        case "sent" if step.relay.partition(" ")[0] in _MAILBOX:
            return f"delivered to the mailbox of {step.recipient}"
        case "sent":
            return f"{relay} accepted it{to}"
        case "not tried":
            return f"not tried{to}: retry time not reached"
        case "deferred" if not step.relay:
            return f"no server took it yet{to}{why}"
        case "deferred":
            return f"{relay} asked to try again later{to}{why}"
        case "bounced":
            return f"{relay} refused it{to}{why}"
        case "expired":
            return f"given up{to}{why}"
    return f"{step.step}{to}{why}"
