"""Cleaning: HTML from a cell's output becomes markup that is safe, accessible and quiet.

The tables are tidied first and the result is cleaned by nh3 last, so that nothing after the cleaning can change
what it means. What nh3 lets through has no script, no event handler, no image and no style that loads a file.
"""

from __future__ import annotations

import re
from html import escape

import nh3
from lxml import etree, html

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
_ABSENT = {"NaN", "NaT", "<NA>"}


def clean(markup: str) -> str:
    """Safe HTML of any HTML."""
    return nh3.clean(markup, tags=_TAGS, attributes=_ATTRIBUTES, filter_style_properties=_STYLES, url_schemes=_SCHEMES)


def output(markup: str) -> str:
    """Safe HTML of a cell's output, its tables with scoped headers, aligned numbers and no row counter."""
    try:
        root = html.fragment_fromstring(markup, create_parent="div")
    except (etree.ParserError, ValueError):
        return clean(markup)
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
        _drop_counter(head, body)
    for row in body:
        for cell in row:
            _say(cell)
    _align(head, body)


def _drop_counter(head: list[html.HtmlElement], body: list[html.HtmlElement]) -> None:
    """Pandas numbers the rows of a frame that has no index of its own; on paper that is noise."""
    plain = len(head) == 1 and len(head[0]) > 1 and _text(head[0][0]) == ""
    if plain and all(len(row) > 1 and _text(row[0]) == str(i) for i, row in enumerate(body)):
        for row in (*head, *body):
            row.remove(row[0])


def _say(cell: html.HtmlElement) -> None:
    text = _text(cell)
    if text in _ABSENT:
        cell.text = "\u2013"
        cell.set("class", "absent")
        cell.set("title", "not known")
    elif (time := _UTC.fullmatch(text)) and not len(cell):
        cell.text = f"{time[1]} UTC"
        cell.set("class", "time")


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
