"""Cleaning: HTML from a cell's output becomes markup that is safe, accessible and quiet.

The tables are tidied first and the result is cleaned by nh3 last, so that nothing after the cleaning can change
what it means. What nh3 lets through has no script, no event handler, no image and no style that loads a file.
"""

from __future__ import annotations

import re
from html import escape
from itertools import zip_longest

import nh3
from lxml import etree, html

from smtplab import markup

_TAGS = set(nh3.ALLOWED_TAGS) - {"img", "map", "area"}
_ATTRIBUTES = {
    "*": {"class", "style", "title"},
    "tr": {"data-severity"},
    "th": {"scope", "colspan", "rowspan"},
    "td": {"colspan", "rowspan"},
    "a": {"href"},
    "ol": {"start"},
}
# `background` and its kin are left out: they can name a file to load.
_STYLES = {
    "text-align", "vertical-align", "color", "background-color", "padding", "border-radius", "font-size",
    "white-space", "overflow-wrap", "margin", "caption-side",
}  # fmt: skip
_SCHEMES = {"http", "https", "mailto"}
_NUMBER = re.compile(r"[-\u2212+]?[\d,]*\.?\d+(?:e[-+]?\d+)?\s?%?")
_UTC = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)?\+00:00")
_LONGEST = 200
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SHARE = re.compile(r"[01]\.\d+(?:e-\d+)?")
_COUNTED = frozenset(
    {"count", "recipients", "messages", "accepted", "late", "lost", "pending", "attempts", "deliveries", "records"}
)
_SHARES = ("share", "aligned")
_BREAK = re.compile(r"(?<=[._/@:+-])(?=\w)")
_HERE = "\ufdd0"
"""A mark that no text holds (Unicode noncharacter)."""
_LONG = 12
"""Characters of a word beyond which it may break at its dots and slashes."""
_SENTENCE = 40
"""Characters beyond which a text is given room, so that its row does not grow tall."""
_TRUTH = {"True": "yes", "False": "no"}
_ABSENT = {"NaN", "NaT", "<NA>"}


def clean(text: str) -> str:
    """Safe HTML of any HTML."""
    return nh3.clean(text, tags=_TAGS, attributes=_ATTRIBUTES, filter_style_properties=_STYLES, url_schemes=_SCHEMES)


def output(text: str) -> str:
    """Safe HTML of a cell's output, its tables with scoped headers, aligned numbers and no row counter."""
    try:
        root = html.fragment_fromstring(text, create_parent="div")
    except (etree.ParserError, ValueError):
        return clean(text)
    for script in list(root.iter("script")):
        _show(script)
    for table in root.iter("table"):
        _tidy(table)
    return clean(escape(root.text or "") + "".join(html.tostring(child, encoding="unicode") for child in root))


def _show(script: html.HtmlElement) -> None:
    """A script never runs and never vanishes: it is shown, as text, from its start."""
    source = html.tostring(script, encoding="unicode", with_tail=False)
    shown = etree.Element("code")
    shown.text, shown.tail = (source if len(source) <= _LONGEST else f"{source[:_LONGEST]}…"), script.tail
    script.getparent().replace(script, shown)


def _tidy(table: html.HtmlElement) -> None:
    for part, scope in (("thead", "col"), ("tbody", "row")):
        for cell in table.iterfind(f"{part}//th"):
            if "scope" not in cell.attrib:
                cell.set("scope", scope)
    head, body = table.findall("thead/tr"), table.findall("tbody/tr")
    if "dataframe" in table.get("class", "").split():
        for row in head:
            row.attrib.pop("style", None)
        _one_head(head)
        _drop_counter(head, body)
    for row in head:
        for cell in row:
            if not len(cell):
                cell.text = (cell.text or "").replace("_", " ")
            _breakable(cell)
    if not body and head:
        _none(table, len(head[0]))
    names = [_text(cell).replace(" ", "_") for cell in head[0]] if len(head) == 1 else []
    for row in body:
        for name, cell in zip_longest(names, row):
            if cell is not None:
                _say(cell, name or "")
    _align(head, body)


def _one_head(head: list[html.HtmlElement]) -> None:
    """Pandas gives the name of an index a row of its own: it fits above the index."""
    if len(head) != 2 or len(head[0]) != len(head[1]) or any(map(_text, head[1][1:])):
        return
    head[0][0].text = _text(head[1][0])
    head[1].getparent().remove(head[1])
    del head[1]


def _drop_counter(head: list[html.HtmlElement], body: list[html.HtmlElement]) -> None:
    """Pandas numbers the rows of a frame that has no index of its own; on paper that is noise."""
    plain = len(head) == 1 and len(head[0]) > 1 and _text(head[0][0]) == ""
    if plain and all(len(row) > 1 and _text(row[0]) == str(i) for i, row in enumerate(body)):
        for row in (*head, *body):
            row.remove(row[0])


def _none(table: html.HtmlElement, width: int) -> None:
    body = table.find("tbody")
    body = etree.SubElement(table, "tbody") if body is None else body
    cell = etree.SubElement(etree.SubElement(body, "tr"), "td", {"colspan": str(width), "class": "absent"})
    cell.text = "none"


def _say(cell: html.HtmlElement, column: str) -> None:
    """A value as people write it, where pandas writes it as Python does."""
    text = _text(cell)
    if len(cell):
        return
    if text in _ABSENT:
        cell.text = "\u2013"
        cell.set("class", "absent")
        cell.set("title", "not known")
    elif time := _UTC.fullmatch(text):
        cell.text = f"{time[1]} UTC".replace(" 00:00:00 UTC", "")
        cell.set("class", "time")
    elif _DATE.fullmatch(text):
        cell.set("class", "time")
    elif text in _TRUTH:
        cell.text = _TRUTH[text]
    elif column.split("_")[-1] in _SHARES and _SHARE.fullmatch(text):
        cell.text = f"{float(text):.1%}"
    elif column in _COUNTED and text.isdecimal():
        cell.text = f"{int(text):,}"
    elif column == "severity" and text in markup.BADGES:
        cell.text = None
        cell.append(html.fragment_fromstring(markup.badge(text)))
    else:
        if len(text) > _SENTENCE:
            cell.set("class", "long")
        _breakable(cell)


def _breakable(cell: html.HtmlElement) -> None:
    """Let long names break where they have dots and slashes, so that a wide table fits."""
    if len(cell):
        return
    words = re.split(r"(\s+)", cell.text or "")
    first, *rest = "".join(_BREAK.sub(_HERE, w) if len(w) > _LONG else w for w in words).split(_HERE)
    cell.text = first
    for part in rest:
        etree.SubElement(cell, "wbr").tail = part


def _align(head: list[html.HtmlElement], body: list[html.HtmlElement]) -> None:
    """Numbers stand right, where every cell of a column is one."""
    rows = [*head, *body]
    width = len(rows[-1]) if body else 0
    if any(len(row) != width or any(cell.get("colspan") for cell in row) for row in rows):
        return
    for column in range(width):
        texts = [_text(row[column]) for row in body if row[column].get("class") != "absent"]
        if texts and all(map(_NUMBER.fullmatch, texts)):
            for row in rows:
                row[column].set("class", f"{row[column].get('class', '')} number".strip())


def _text(cell: html.HtmlElement) -> str:
    return str(cell.text_content()).strip()
