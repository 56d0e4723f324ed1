"""A first look at the sources of a case: files of which nothing can be understood are refused before anything is
read, asked or written.

Only the first 64 KiB of a file are looked at, so the answer is quick; what looks right and is not is told by the
area that reads it. A log or an export is evidence as a whole, so each must be of its kind. Mail and reports come a
file at a time, so one of many that is none costs only itself, as a row of the table problems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from smtplab import mail
from smtplab.case import Case
from smtplab.errors import SourceError
from smtplab.logs import looks
from smtplab.reports.read import refusal as no_report
from smtplab.servers import configuration

Refusal = Callable[[Path], str]
"""Why a file can be nothing of its kind; "" for one that may be, or that is empty."""
LOOKS: Mapping[str, tuple[Refusal, bool]] = MappingProxyType(
    {
        "logs": (looks.refusal, True),
        "events": (looks.no_events, True),
        "bounces": (mail.refusal, False),
        "messages": (mail.refusal, False),
        "dmarc": (no_report, False),
        "tls_reports": (no_report, False),
        "configuration": (configuration.refusal, False),
    }
)
"""By kind of source: its look, and whether every file must pass it."""
_MOST = 1_000


def check(case: Case) -> None:
    """Raise SourceError naming the first file that must be refused."""
    for kind, (refusal, each) in LOOKS.items():
        files = (f for path in case.sources(kind) for f, _ in islice(mail.files(path, path.name), _MOST))
        if refused := _refused(((f, refusal(f)) for f in files), each):
            file, why = refused
            raise SourceError(why, where=file, do=f"Put the right file there, or mend sources.{kind} of case.toml")


def _refused(looks: Iterator[tuple[Path, str]], each: bool) -> tuple[Path, str] | None:
    """The first refused, where every one must pass or none passed."""
    first = None
    for look in looks:
        if look[1] and each:
            return look
        if not (look[1] or each):
            return None
        first = first or (look if look[1] else None)
    return first
