"""How sure is an answer? Measured on replies of program families that neither rules nor figures were taken from.

SMTPLAB_CORPORA=../shared/corpora python benchmarks/reliability.py [--write]

A family is what wrote the bounce (sendmail, exim, ...) or refused it (a provider). For each family the rules that
decide in no other family are taken away, the rest judges its replies, and the confidence is what the same kind of
evidence was worth in all other families. `--write` makes smtplab/data/replies_confidence.toml of it. Last line: JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from smtplab import providers
from smtplab.replies import Reply, judge
from smtplab.replies.confidence import WEAK, Evidence, Standing, key

NO_REASON = {None, "", "feedback", "vacation", "delivered"}
PRIOR = 2.0
"""Answers that every kind of evidence is credited with beside its own: a kind met twice is not certain."""
WEAK_PRIOR = 10.0
"""The same for what hardly tells a cause: a few that were right by chance must not remove an address."""
BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.01)
HEAD = """# How far an answer can be trusted, by what it rests on: the share of right answers, measured on replies of
# program families that neither rules nor figures were taken from (leave one family out). confirmed: text and
# enhanced code say the same; contested: another rule would give another reason; contradicted: the code says otherwise.
"""


class Judged(NamedTuple):
    """One labelled reply and the answers to it: with all rules, and without those of its family alone."""

    family: str
    wanted: str
    full: str
    rule: str
    reason: str
    kind: str


def labelled() -> Iterator[dict[str, Any]]:
    """The strict subset: two versions of Sisimai and a hand label agree."""
    path = Path(os.environ["SMTPLAB_CORPORA"]) / "bounces" / "expected.jsonl"
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row.get("p5_go_agree") and row.get("reason") not in NO_REASON:
            yield row


def family(row: Mapping[str, Any]) -> str:
    """lhost-sendmail-07.eml is of sendmail; the same letter at another place, rhost-..., is of what refused it."""
    return Path(row["file"]).stem.rsplit("-", 1)[0].removeprefix("lhost-").removeprefix("rhost-")


def ask(row: Mapping[str, Any], without: frozenset[str] = frozenset()) -> Reply:
    status = row["deliverystatus"]
    # Sisimai writes codes of its own, x.0.9nn, where the bounce holds none.
    status = None if not status or int(status.rpartition(".")[2]) >= 900 else status
    code = int(row["replycode"]) if row["replycode"] else None
    who = providers.provider(row["destination"], row["rhost"])
    return judge.answer(row["diagnosticcode"], code, status, who, without=without)


def kind(reply: Reply) -> str:
    evidence = reply.evidence
    return "" if evidence is Evidence.NONE else key(evidence, reply.standing)


def judged(rows: list[dict[str, Any]]) -> list[Judged]:
    replies = [ask(row) for row in rows]
    families = [family(row) for row in rows]
    seen: dict[str, set[str]] = defaultdict(set)
    texts: dict[str, set[str]] = defaultdict(set)
    for row, name, reply in zip(rows, families, replies, strict=True):
        seen[reply.rule] |= {name}
        texts[row["diagnosticcode"]].add(name)
    made = []
    for row, name, reply in zip(rows, families, replies, strict=True):
        # The same letter is filed under its program and under its provider: such a pair is one family.
        mine = texts[row["diagnosticcode"]]
        alone = frozenset(rule for rule, where in seen.items() if where <= mine)
        other = ask(row, alone)
        made.append(Judged(name, row["reason"], reply.reason, reply.rule, other.reason, kind(other)))
    return made


def worth(answers: Iterable[Judged]) -> dict[str, float]:
    """Right answers among those given, by kind; what was met seldom is drawn to its evidence, that to the whole."""
    right: dict[str, list[bool]] = defaultdict(list)
    for one in answers:
        if one.kind:
            right[one.kind].append(one.reason == one.wanted)
    base = sum(map(sum, right.values())) / sum(map(len, right.values()))
    made = {}
    for evidence in Evidence:
        weak = evidence in WEAK
        prior, to = (WEAK_PRIOR, 0.5) if weak else (PRIOR, base)
        kinds = [key(evidence, standing) for standing in Standing]
        for name in kinds:
            others = [hit for other in kinds if other != name for hit in right[other]]
            made[name] = _drawn(right[name], _drawn(others, to, prior), prior)
    return made


def _drawn(hits: list[bool], to: float, prior: float) -> float:
    return (sum(hits) + prior * to) / (len(hits) + prior)


def reliability(answers: list[Judged]) -> list[dict[str, Any]]:
    """Stated, by the other families, against observed in the one left out.

    The bin is that of the kind of evidence over all families: without a family that was wrong a kind looks better, so
    by the figure stated its errors would gather above the next edge, and what is right below it.
    """
    whole = worth(answers)
    stated = []
    for name in sorted({a.family for a in answers}):
        others = worth(a for a in answers if a.family != name)
        stated += [
            (whole[a.kind], others[a.kind], a.reason == a.wanted) for a in answers if a.family == name and a.kind
        ]
    rows = []
    for low, high in pairwise(BINS):
        inside = [(s, hit) for at, s, hit in stated if low <= at < high]
        if inside:
            rows.append({
                "stated": round(sum(s for s, _ in inside) / len(inside), 3),
                "observed": round(sum(hit for _, hit in inside) / len(inside), 3),
                "n": len(inside),
            })  # fmt: skip
    return rows


def write(answers: list[Judged], bins: list[dict[str, Any]]) -> None:
    table, counted = worth(answers), defaultdict(int)
    for one in answers:
        counted[one.kind] += 1
    lines = [HEAD + 'command = "python benchmarks/reliability.py --write"', f"date = {datetime.now(UTC):%Y-%m-%d}"]
    lines += ['source = "sisimai/set-of-emails, the part on which its two versions agree"', f"n = {len(answers)}"]
    lines += ["", "[confidence]"]
    for evidence in Evidence:
        for standing in Standing:
            if evidence is not Evidence.NONE:
                name = key(evidence, standing)
                lines.append(f'"{name}" = {table[name]:.3f}  # of {counted[name]}')
    for row in bins:
        lines += ["", "[[bin]]", *(f"{k} = {v}" for k, v in row.items())]
    target = Path(__file__).parents[1] / "smtplab" / "data" / "replies_confidence.toml"
    target.write_text("\n".join(lines) + "\n", "utf-8")


def main(save: bool) -> None:
    answers = judged(list(labelled()))
    bins = reliability(answers)
    total = len(answers)
    full = sum(a.full == a.wanted for a in answers) / total
    left_out = sum(a.reason == a.wanted for a in answers) / total
    alone = sum(a.full != a.reason for a in answers)
    abstained = sum(a.reason == "undefined" for a in answers)
    print(f"{total} labelled replies of {len({a.family for a in answers})} families")
    print(f"  right with all rules                            {full:6.1%}")
    print(f"  right without the rules of its own family       {left_out:6.1%}")
    print(f"  decided otherwise without them                  {alone:6d}   of them undefined {abstained}")
    print("  stated  observed  replies")
    for row in bins:
        print(f"  {row['stated']:6.3f}  {row['observed']:8.3f}  {row['n']:7d}")
    if save:
        write(answers, bins)
    print(
        json.dumps(
            {"n": total, "full": round(full, 4), "left_out": round(left_out, 4), "otherwise": alone, "bins": bins}
        )
    )


if __name__ == "__main__":
    main("--write" in sys.argv)
