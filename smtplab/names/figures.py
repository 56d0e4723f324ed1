"""Figure of names: who says what, and how long caches keep it."""

from __future__ import annotations

import plotly.graph_objects as go

from smtplab import theme
from smtplab.names.collect import NamesEvidence
from smtplab.names.propagation import Asked, Place, Zone, label, life, matter, names_of_versions
from smtplab.net.dns import State

ROLES = ("unknown", "accepted", "late", "lost", "pending")
"""Colours of: no answer, the newest answer, and older ones in turn."""
MAX_ROWS = 30


def disagreement(evidence: NamesEvidence) -> go.Figure:
    """A row a server and resolver, a column a record: the same letter and colour say the same answer.

    Of all domains the one with the most to tell: servers that differ, else caches that lag, else the first.
    """
    zones = sorted(evidence.zones, key=lambda z: (not z.differing(), not z.cached()))
    if not zones or not evidence.as_of:
        return theme.missing("No authoritative server answered", "No name server of its domains is known.")
    zone = zones[0]
    places = [*zone.servers, *zone.resolvers][:MAX_ROWS]
    columns = [q for q in zone.questions if q[1] != "A" and any(_known(zone, p, q) for p in zone.servers)]
    if not columns:
        return theme.missing(f"No name server of {zone.domain} answered", "Nothing about it was recorded.")
    letters = {q: names_of_versions(zone, q) for q in columns}
    rows = [[_cell(zone, p, q, letters[q]) for q in columns] for p in places]
    figure = theme.matrix(
        [[min(level, len(ROLES) - 1) for level, _ in row] for row in rows],
        [[text for _, text in row] for row in rows],
        x=[label(q, zone.domain) for q in columns],
        y=list(map(str, places)),
        textfont={"size": 11},
        zmax=len(ROLES) - 1,
        colorscale=theme.steps(ROLES),
        hoverinfo="skip",
    )
    alt = "; ".join(
        f"{place}: " + ", ".join(f"{label(q, zone.domain)} {text.replace('<br>', ', ')}" for q, (_, text) in cells)
        for place, cells in ((p, list(zip(columns, row, strict=True))) for p, row in zip(places, rows, strict=True))
    )
    legend = "A: what the newest server says; B, C: other answers. Below it, how long caches keep the answer"
    return theme.finish(
        figure,
        title=zone.sentence(evidence.as_of),
        alt=alt,
        x=legend,
        source="DNS, each server and resolver asked by itself",
        height=170 + 46 * len(places),
    )


def _known(zone: Zone, place: Place, asked: Asked) -> bool:
    return zone.answer(place, asked).state is not State.UNKNOWN


def _cell(zone: Zone, place: Place, asked: Asked, letters: dict[tuple[str, ...], str]) -> tuple[int, str]:
    """How new the answer is (0: unknown, 1: newest, then older) and its text."""
    answer = zone.answer(place, asked)
    if answer.state is State.UNKNOWN:
        return 0, answer.rcode or "no answer"
    if asked[1] == "SOA":
        serials = sorted({s for p in (*zone.servers, *zone.resolvers) if (s := zone.serial(p)) is not None})
        serial = zone.serial(place)
        return len(serials) - serials.index(serial) if serial is not None else 0, f"serial<br>{serial}"
    left, full = life(answer), zone.ttl(asked) if answer.present else zone.negative_ttl()
    time = "" if left is None else f"kept {_span(left)}"
    if place.resolver and left is not None and full is not None:
        time = _left(left, full)
    letter = letters[matter(answer)]
    none = "" if answer.present else " (none)"
    return list(letters.values()).index(letter) + 1, f"{letter}{none}<br>{time}"


def _left(seconds: int, full: int) -> str:
    left, unit = _span(seconds).split(" ")
    whole, of = _span(full).split(" ")
    return f"{left} of {whole} {of} left" if unit == of else f"{left} {unit} of {whole} {of} left"


def _span(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds // 60} min" if seconds >= 600 else f"{seconds} s"
