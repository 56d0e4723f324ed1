"""The command `smtplab bounces`: what came back, a line a recipient, from mailboxes, folders, messages or a case."""

from __future__ import annotations

import json as jsonlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smtplab.cli.app import app
from smtplab.cli.output import Json, Output, known, one_line, show, table, write
from smtplab.errors import SourceError

if TYPE_CHECKING:
    from smtplab.bounces import Policy
    from smtplab.mail import Raw

FIELDS = (
    "file", "kind", "recipient", "reason", "permanent", "suppress", "smtp_code", "enhanced_code", "action", "agent",
    "rule", "confidence", "feedback_type", "diagnostic", "why",
)  # fmt: skip
SHOWN = ["file", "kind", "recipient", "reason", "suppress", "enhanced_code", "diagnostic"]
MOST_PROBLEMS = 20
_IMAP = re.compile(r"(imaps?):/+(.*)")
"""A path has one slash where the address had two."""


@app.command(epilog="Example: smtplab bounces Maildir/ returned.mbox --json --suppression stop.csv")
def bounces(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="mbox, maildir, folder, zip, message, case, imaps://USER@HOST/FOLDER; - is standard input",
        ),
    ],
    json: Json = False,
    output: Output = None,
    suppression: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write whom to stop writing to", callback=known)
    ] = None,
) -> None:
    """What came back and why, a line a recipient; the n-th message of a mailbox is FILE#n."""
    from smtplab.bounces.policies import policy

    run = _Run([p for path in paths for p in _places(path)], policy(), keep=suppression is not None)
    if json and not output:
        for row in run.rows():
            sys.stdout.write(jsonlib.dumps(row) + "\n")
    elif (rows := list(run.rows())) or not run.refused:
        _show(rows, output)
    if suppression and run.seen:
        _hand_over(run, paths, suppression)
    run.tell()


def _places(path: str) -> Iterator[Path]:
    """The path, or the bounce mailboxes of a case."""
    if (Path(path) / "case.toml").is_file():
        from smtplab.case import Case

        yield from Case.open(path).sources("bounces")
    else:
        yield Path(path)


@dataclass
class _Run:
    """The messages of some places, one after the other; `told` keeps the rows of the table bounces if asked to."""

    paths: list[Path]
    policy: Policy
    keep: bool = False
    seen: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)
    problems: dict[tuple[str, str], int] = field(default_factory=dict)
    refused: SourceError | None = None

    def problem(self, name: str, what: str) -> None:
        """Count what could not be read."""
        self.problems[name, what] = self.problems.get((name, what), 0) + 1

    def rows(self) -> Iterator[dict[str, Any]]:
        """One object a recipient, in the order of the input."""
        from smtplab.bounces.stream import answer

        for path in self.paths:
            for raw, name in _numbered(self._messages(path)):
                self.seen += 1
                one = answer(raw.data)
                if self.keep:
                    self.told += ({**row, "file": raw.file} for row in one.rows)
                for row in one.rows[:1] if one.kind == "none" else one.rows:
                    yield self._object(name, row, one.why)

    def _messages(self, path: Path) -> Iterator[Raw]:
        if str(path) == "-":
            with tempfile.NamedTemporaryFile(prefix="smtplab-") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
                file.flush()
                yield from self._read(Path(file.name), "-")
            return
        if found := _IMAP.match(str(path)):
            from smtplab.bounces import fetch

            with tempfile.TemporaryDirectory(prefix="smtplab-") as folder:
                url = f"{found[1]}://{found[2]}"
                fetch(url, Path(folder) / "mail")
                yield from self._read(Path(folder) / "mail", url)
            return
        if not path.exists():
            raise SourceError("there is no such file or folder", where=path)
        yield from self._read(path, str(path))

    def _read(self, path: Path, name: str) -> Iterator[Raw]:
        from smtplab import mail

        if path.is_file() and (refusal := mail.refusal(path)):
            do = "Name an mbox, a maildir, a folder of messages or a message"
            self.refused = self.refused or SourceError(refusal, where=name, do=do)
        else:
            yield from mail.read(path, name, self.problem)

    def _object(self, name: str, row: dict[str, Any], why: str) -> dict[str, Any]:
        made = {key: row.get(key) for key in FIELDS} | {"file": name, "why": why}
        if made["kind"] == "none":
            made["diagnostic"] = None
        made["suppress"] = self._stops(row)
        return made

    def _stops(self, row: dict[str, Any]) -> bool:
        """Whether this message alone is reason enough to stop writing."""
        from smtplab.bounces.policies import correction
        from smtplab.mail import domain_of

        if row["kind"] == "complaint":
            return row.get("feedback_type") in self.policy.complaints
        domain = domain_of(row.get("recipient")) or ""
        code = row.get("enhanced_code") or row.get("smtp_code")
        once = self.policy.at_once(row.get("reason"), code, row.get("rule"))
        return row["kind"] == "bounce" and once and not correction(domain)

    def tell(self) -> None:
        """Say on standard error what could not be read; raises SourceError for what is no mail."""
        from smtplab.mail import NOT_MAIL

        for (name, what), count in list(self.problems.items())[:MOST_PROBLEMS]:
            times = f" ({count:,} times)" if count > 1 else ""
            print(f"smtplab: {one_line(name)}: {one_line(what)}{times}", file=sys.stderr)
        if (more := len(self.problems) - MOST_PROBLEMS) > 0:
            print(f"smtplab: {more:,} more problems", file=sys.stderr)
        if self.refused:
            raise self.refused
        if not self.seen and any(what.endswith(NOT_MAIL) for _, what in self.problems):
            raise SourceError("nothing here is mail", where=", ".join(map(str, self.paths)))


def _numbered(messages: Iterator[Raw]) -> Iterator[tuple[Raw, str]]:
    """Each message with its name: its file, and its place where the file holds several."""
    held: Raw | None = None
    for raw in messages:
        if held:
            alone = held.number == 1 and raw.file != held.file
            yield held, held.file if alone else f"{held.file}#{held.number}"
        held = raw
    if held:
        yield held, held.file if held.number == 1 else f"{held.file}#{held.number}"


def _show(rows: list[dict[str, Any]], output: Path | None) -> None:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(FIELDS))
    frame = frame.astype({"permanent": "boolean", "smtp_code": "Int64", "confidence": "Float64"})
    if output:
        show(frame, False, output)
    else:
        table(frame.assign(diagnostic=frame["diagnostic"].fillna(frame["why"]))[SHOWN])


def _hand_over(run: _Run, paths: list[str], suppression: Path) -> None:
    """Write the suppression list: of a case by all that it holds, else by the bounces alone."""
    from dataclasses import replace

    from smtplab import bounces as area
    from smtplab.tables import conform

    if len(paths) == 1 and (Path(paths[0]) / "case.toml").is_file():
        from smtplab.case import Case
        from smtplab.examination import examine

        exam = examine(Case.open(paths[0]))
        own = area.policy(exam.case)
        made = area.suppress(exam.bounces, exam.outcomes, own, exam.logs.complaints)
    else:
        evidence = replace(area.read_paths([]), bounces=conform("bounces", run.told))
        made = area.suppress(evidence, conform("outcomes", []), run.policy)
    write(area.hand_over(made), suppression)
