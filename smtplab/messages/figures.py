"""Figures of messages: what each signature of the samples rests on, and where it breaks."""

from __future__ import annotations

from collections import Counter

import plotly.graph_objects as go

from smtplab import theme
from smtplab.authentication.signatures import Cause, Result, Signature
from smtplab.messages.signatures import Sample, SignatureEvidence

ROWS = 24
_KEY = (Cause.KEY_MISSING, Cause.KEY_UNUSABLE, Cause.OTHER_KEY)
_TIME = (Cause.EXPIRED, Cause.FUTURE)
_FORM = (Cause.MALFORMED, Cause.SHA1, Cause.FROM_UNSIGNED, Cause.FROM_TWICE)
COLUMNS = ("form", "key", "time", "body", "header", "From domain")
_WORDS = {
    "form": ("sound", "unsound"),
    "key": ("fits", "missing or unfit"),
    "time": ("in time", "out of time"),
    "body": ("as signed", "changed"),
    "header": ("as signed", "changed"),
    "From domain": ("the same", "another"),
}


def signature_checks(evidence: SignatureEvidence) -> go.Figure:
    """A row a signature, a column a check: what holds, what breaks it, what cannot be told; broken ones first."""
    last = {Result.PASS: 2, Result.TEMPERROR: 1}
    pairs = sorted(evidence.each(), key=lambda p: (last.get(p[1].result, 0), p[0].file, p[1].number))
    if not pairs:
        what = "None of the sample messages carries a DKIM signature." if evidence.samples else "There are no samples."
        return theme.missing("No signature to verify", what)
    checks = [_checks(signature) for _, signature in pairs]
    labels = [_label(sample, signature) for sample, signature in pairs]
    figure = theme.matrix(
        [[{False: 0, None: 1, True: 2}[c] for c in row] for row in checks[:ROWS]],
        [[_word(n, c) for n, c in zip(COLUMNS, row, strict=True)] for row in checks[:ROWS]],
        x=list(COLUMNS),
        y=labels[:ROWS],
        zmax=2,
    )
    figure.update_xaxes(side="top")
    good = sum(s.result is Result.PASS for _, s in pairs)
    causes = Counter(str(s.cause) for _, s in pairs if s.result is not Result.PASS).most_common(3)
    title = "; ".join((f"{good} of {len(pairs)} signatures verify", *(f"{cause} ({n})" for cause, n in causes)))
    left = f" {len(pairs) - ROWS} more are not drawn." if len(pairs) > ROWS else ""
    told = [f"{label.replace('<br>', ' ')}: {s.cause}" for label, (_, s) in zip(labels, pairs, strict=True)]
    alt = "; ".join(told[:ROWS]) + left
    height = 150 + 44 * min(ROWS, len(labels))
    return theme.finish(figure, title=title, alt=alt, source="sample messages, DNS", height=height)


def _label(sample: Sample, signature: Signature) -> str:
    name = sample.file.rpartition("/")[2].removesuffix(".eml")[:40]
    place = f"{name} ({sample.number})" if sample.number > 1 else name
    return f"{place}<br>{signature.domain[:40]}/{signature.selector[:20]} #{signature.number}"


def _checks(signature: Signature) -> list[bool | None]:
    """In the order of the columns; None for what was not reached or cannot be told."""
    cause = signature.cause
    key = False if cause in _KEY else True if signature.header is not None else None
    time = False if cause in _TIME else True if signature.header is not None or cause is Cause.OTHER_KEY else None
    return [cause not in _FORM, key, time, signature.body, signature.header, signature.aligned]


def _word(column: str, held: bool | None) -> str:
    return "not known" if held is None else _WORDS[column][0 if held else 1]
