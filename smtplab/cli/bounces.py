"""The command `smtplab bounces`: what came back, a line a recipient, from mailboxes, folders, messages or a case."""

from __future__ import annotations

import json as jsonlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smtplab.cli.app import app
from smtplab.cli.output import Json, Output, apart, examples, known, one_line, show, table, write
from smtplab.errors import SourceError

if TYPE_CHECKING:
    from smtplab.bounces import Judged, Policy
    from smtplab.bounces.summary import Summary

FIELDS = (
    "file", "kind", "recipient", "reason", "permanent", "suppress", "smtp_code", "enhanced_code", "action", "agent",
    "rule", "confidence", "feedback_type", "diagnostic", "why",
)  # fmt: skip
SHOWN = ["file", "kind", "recipient", "reason", "suppress", "enhanced_code", "diagnostic"]
MOST_PROBLEMS = 20
MOST_ROWS = 100
"""Rows printed for people."""
MOST_OF_A_KIND = 15
PARTS = {"kinds": "messages", "reasons": "reason", "providers": "provider", "actions": "to do"}
"""Counts of a summary, and what stands before each."""


@app.command(
    epilog=examples(
        "smtplab bounces returned.mbox --summary",
        "smtplab bounces Maildir/ returned.mbox --json --suppression stop.csv",
        "smtplab bounces mycase --suppression stop.csv",
    )
)
def bounces(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH", help="mbox, maildir, folder, .zip, message, case or imaps://USER@HOST/FOLDER; - is stdin"
        ),
    ],
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="At most one a core; more pay from 10,000 messages on")
    ] = 1,
    summary: Annotated[bool, typer.Option("--summary", help="Counts only")] = False,
    json: Json = False,
    output: Output = None,
    suppression: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write whom to stop writing to", callback=known)
    ] = None,
) -> None:
    """What came back and why, a line a recipient. The n-th message of a mailbox is FILE#n."""
    apart(output, *paths)
    apart(suppression, *paths)
    from smtplab.bounces.policies import policy

    own = replace(policy(), as_of=datetime.now(UTC))
    run = _Run([p for path in paths for p in _places(path)], own, processes, suppression is not None)
    if summary:
        _summary(run, json, output)
    elif json and not output:
        for row in run.rows():
            sys.stdout.write(jsonlib.dumps(row) + "\n")
    elif (rows := list(run.rows())) or not run.refused:
        _show(rows, output)
    if suppression and run.seen:
        _hand_over(run, paths, suppression)
    run.tell()


def _places(path: str) -> Iterator[str]:
    """The path, or the bounce mailboxes of a case."""
    if (Path(path) / "case.toml").is_file():
        from smtplab.case import Case

        yield from map(str, Case.open(path).sources("bounces"))
    else:
        yield path


@dataclass
class _Run:
    """The messages of some places, one after the other; `told` keeps the rows of the table bounces if asked to."""

    paths: list[str]
    policy: Policy
    processes: int = 1
    keep: bool = False
    seen: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)
    counted: Summary | None = None
    problems: dict[tuple[str, str], int] = field(default_factory=dict)
    refused: SourceError | None = None

    def problem(self, name: str, what: str) -> None:
        """Count what could not be read; what was named and is no mail is a mistake."""
        from smtplab.mail import NOT_MAIL

        named = {"standard input", *self.paths}
        if what.endswith(NOT_MAIL) and name in named:
            do = "Name an mbox, a maildir, a folder of messages or a message"
            self.refused = self.refused or SourceError(what, where=name, do=do)
        else:
            self.problems[name, what] = self.problems.get((name, what), 0) + 1

    def rows(self) -> Iterator[dict[str, Any]]:
        """One object a recipient, in the order of the input."""
        from smtplab.bounces import judged

        for one, name in _numbered(judged(self._sources(), self.problem, self.processes)):
            self.seen += 1
            answer = one.answer
            if self.counted:
                self.counted.add(answer.kind, answer.time, answer.rows)
            if self.keep and answer.time is None and answer.kind in ("bounce", "complaint"):
                self.problem(name, "no Date that can be read, so --suppression takes this moment, or that of the case")
            if self.keep:
                self.told += ({**row, "file": one.file} for row in answer.rows)
            for row in answer.rows[:1] if answer.kind == "none" else answer.rows:
                yield self._object(name, row, answer.why)

    def _sources(self) -> Iterator[tuple[Path, str]]:
        """Each place and its name; a folder on a mail server is fetched into a file first."""
        for path in self.paths:
            if "://" in path and not Path(path).exists():
                from smtplab.bounces import fetch

                with tempfile.TemporaryDirectory(prefix="smtplab-") as folder:
                    fetch(path, Path(folder) / "fetched.mbox", problem=self.problem)
                    yield Path(folder) / "fetched.mbox", path
            elif path == "-" or Path(path).exists():
                yield Path(path), path
            else:
                raise SourceError("there is no such file or folder", where=path)

    def _object(self, name: str, row: dict[str, Any], why: str) -> dict[str, Any]:
        from smtplab.bounces.summary import advised
        from smtplab.bounces.suppression import Action

        made = {key: row.get(key) for key in FIELDS} | {"file": name, "why": why}
        if made["kind"] == "none":
            made["diagnostic"] = None
        made["suppress"] = advised(row, self.policy) == Action.SUPPRESS
        return made

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
        if not self.seen and not self.problems:
            print(f"smtplab: {one_line(', '.join(self.paths) or 'the case')}: no message is there", file=sys.stderr)
        if not self.seen and any(what.endswith(NOT_MAIL) for _, what in self.problems):
            raise SourceError("nothing here is mail", where=", ".join(self.paths))


def _numbered(messages: Iterator[Judged]) -> Iterator[tuple[Judged, str]]:
    """Each message with its name: its file, and its place where the file holds several."""
    held: Judged | None = None
    for one in messages:
        if held:
            yield held, _name(held, alone=held.number == 1 and one.file != held.file)
        held = one
    if held:
        yield held, _name(held, alone=held.number == 1)


def _name(one: Judged, alone: bool) -> str:
    return one.file if alone else f"{one.file}#{one.number}"


def _show(rows: list[dict[str, Any]], output: Path | None) -> None:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(FIELDS))
    frame = frame.astype({"permanent": "boolean", "smtp_code": "Int64", "confidence": "Float64"})
    if output:
        show(frame, False, output)
    else:
        table(frame.assign(diagnostic=frame["diagnostic"].fillna(frame["why"]))[SHOWN].head(MOST_ROWS))
        if len(frame) > MOST_ROWS:
            print(f"\n{MOST_ROWS} of {len(frame):,} rows; all of them with --json or -o FILE, counts with --summary")


def _summary(run: _Run, json: bool, output: Path | None) -> None:
    """Counts instead of rows; of the providers the table for people names the first."""
    import pandas as pd

    from smtplab.bounces.summary import Summary

    run.counted = Summary(run.policy)
    for _ in run.rows():
        pass
    told = run.counted.told(sum(run.problems.values()))
    if json and not output:
        print(jsonlib.dumps(told))
        return
    rows = [(k, v) for k, v in told.items() if not isinstance(v, dict)]
    for name, word in PARTS.items():
        counts = list(told[name].items())
        most = len(counts) if output else MOST_OF_A_KIND
        rows += [(f"{word}: {_words_of(name, k)}", v) for k, v in counts[:most]]
        if rest := counts[most:]:
            rows.append((f"{word}: {len(rest):,} others", sum(v for _, v in rest)))
    texts = [(k, f"{v:,}" if isinstance(v, int) and not output else str("" if v is None else v)) for k, v in rows]
    show(pd.DataFrame(texts, columns=["what", "count"]), False, output)


def _words_of(part: str, name: str) -> str:
    """A reason in plain words behind its name; anything else as it is."""
    from smtplab.replies import words

    return f"{name} ({words(name)})" if part == "reasons" and words(name) != name else name


def _hand_over(run: _Run, paths: list[str], suppression: Path) -> None:
    """Write the suppression list: of a case by all that it holds, else by the bounces alone."""
    from smtplab import bounces as area
    from smtplab.tables import conform

    if len(paths) == 1 and (Path(paths[0]) / "case.toml").is_file():
        from smtplab.case import Case
        from smtplab.examination import examine

        exam = examine(Case.open(paths[0]))
        made, known_by = exam.joined.verdicts, "the logs, events and bounces of the case"
    else:
        evidence = replace(area.read_paths([]), bounces=conform("bounces", run.told))
        made, known_by = area.suppress(evidence, conform("outcomes", []), run.policy), "these messages alone"
    stopped = area.hand_over(made)
    write(stopped, suppression)
    print(f"smtplab: {suppression}: {len(stopped):,} recipients, by {known_by}", file=sys.stderr)
