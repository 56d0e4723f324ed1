"""A BIMI logo: which rules of SVG Tiny Portable/Secure does it keep (draft-svg-tiny-ps-abrotman, RFC 6170 section 5.2)?

A logo is a stranger's XML: bounded in size and depth, no entities, no DTD, nothing fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd
from lxml import etree

from smtplab import datafiles

MAX_LOGO = 32 * 1024
"""Bytes: draft section 2.4; Gmail demands it."""
MAX_READ = 256 * 1024
SVG = "http://www.w3.org/2000/svg"
_URL = re.compile(r"url\(\s*['\"]?\s*([^'\")]{0,200})|@import", re.I)


@dataclass(frozen=True)
class Rule:
    """One rule, whether the logo keeps it, and what was found; `must` is false for advice."""

    name: str
    ok: bool
    found: str = ""
    must: bool = True


@dataclass(frozen=True)
class Logo:
    """A logo examined."""

    size: int
    rules: tuple[Rule, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        """The rules that it breaks and must keep, with what was found."""
        return tuple(f"{r.name} ({r.found})" if r.found else r.name for r in self.rules if r.must and not r.ok)

    def table(self) -> pd.DataFrame:
        """A row a rule: rule, ok, must, found."""
        rows = [(r.name, r.ok, r.must, r.found) for r in self.rules]
        return pd.DataFrame(rows, columns=["rule", "ok", "must", "found"])


@cache
def profile() -> Mapping[str, Any]:
    """Elements and attributes of the profile, from the dated list in data/svg_tiny_ps.toml."""
    return datafiles.load("svg_tiny_ps")


def examine(data: bytes) -> Logo:
    """Hold a logo against the rules; never raises."""
    size = Rule(f"at most {MAX_LOGO // 1024} KB", len(data) <= MAX_LOGO, f"{len(data):,} bytes")
    root = _parse(data)
    if isinstance(root, str):
        return Logo(len(data), (size, Rule("an SVG document in UTF-8", False, root)))
    return Logo(len(data), (size, Rule("an SVG document in UTF-8", True), *_rules(root)))


def _parse(data: bytes) -> etree._Element | str:
    """The root, or why there is none."""
    if len(data) > MAX_READ:
        return "too large to be read"
    if data.startswith(b"\x1f"):
        return "compressed (SVGZ), which is not looked into"
    if b"\0" in data or b"<!ENTITY" in data:
        return "it declares entities" if b"<!ENTITY" in data else "not UTF-8"
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as e:
        return f"not XML: {e}"[:120]
    return root if root.tag == f"{{{SVG}}}svg" else f"the root is {str(root.tag)[:60]}"


def _rules(root: etree._Element) -> Iterator[Rule]:
    lists = profile()
    elements = [e for e in root.iter() if isinstance(e.tag, str)]
    names = [etree.QName(e).localname for e in elements]
    attributes = [(etree.QName(k).localname, str(v)) for e in elements for k, v in e.attrib.items()]
    yield _equal(root, "version", "1.2")
    yield _equal(root, "baseProfile", "tiny-ps")
    titles = ["".join(map(str, e.itertext())).strip() for e in root.findall(f"{{{SVG}}}title")]
    yield Rule("one title, not empty", len(titles) == 1 and bool(titles[0]), ", ".join(titles)[:80] or "none")
    placed = [a for a in ("x", "y") if a in root.attrib]
    yield Rule("no x or y on the root", not placed, ", ".join(placed))
    handlers = [k for k, _ in attributes if k.lower().startswith("on")]
    yield _none("no script, no link, nothing interactive", [n for n in names if n in lists["active"]] + handlers)
    yield _none("no animation", [n for n in names if n in lists["moving"]])
    yield _none("no raster image, no media", [n for n in names if n in lists["media"]])
    yield _none("no reference to anything outside", _outside(elements, attributes))
    known = {n for group in ("allowed", "active", "moving", "media") for n in lists[group]}
    foreign = [n for e, n in zip(elements, names, strict=True) if not _known(e, n, known)]
    yield _none("only elements of SVG Tiny 1.2", foreign + [k for k, _ in attributes if k == "style"])
    wrong = [f"{k}={v[:20]}" for k, v in attributes if lists["fixed"].get(k, v) != v]
    yield _none("attributes of behaviour have their fixed values", wrong)
    yield Rule("square", _square(root), _measures(root), must=False)
    yield Rule("a title of at most 64 characters", all(len(t) <= 64 for t in titles), must=False)
    relative = [f"{a}={root.get(a)}" for a in ("width", "height") if "%" in (root.get(a) or "")]
    yield Rule("width and height, if any, in pixels", not relative, ", ".join(relative)[:80], must=False)


def _known(element: etree._Element, name: str, known: set[str]) -> bool:
    """What an editor notes of itself in `metadata` is its own affair."""
    if etree.QName(element).namespace == SVG:
        return name in known
    return any(True for _ in element.iterancestors(f"{{{SVG}}}metadata"))


def _equal(root: etree._Element, name: str, value: str) -> Rule:
    have = root.get(name)
    if have == value:
        return Rule(f'{name}="{value}"', True)
    return Rule(f'{name}="{value}"', False, f"it is {have[:20]!r}" if have else "missing")


def _none(name: str, found: list[str]) -> Rule:
    return Rule(name, not found, ", ".join(dict.fromkeys(found))[:120])


def _outside(elements: list[etree._Element], attributes: list[tuple[str, str]]) -> list[str]:
    """References that lead out of the document; a namespace is a name, not a reference."""
    texts = [str(e.text) for e in elements if e.text and etree.QName(e).localname == "style"]
    links = [v.strip() for k, v in attributes if k in ("href", "src", "base")]
    links += [(m[1] or "@import").strip() for text in [v for _, v in attributes] + texts for m in _URL.finditer(text)]
    return [link[:60] for link in links if link and not link.startswith("#")]


def _measures(root: etree._Element) -> str:
    return str(root.get("viewBox") or f"{root.get('width', '?')} x {root.get('height', '?')}")[:60]


def _square(root: etree._Element) -> bool:
    """By the viewBox, else by width and height."""
    box = re.findall(r"-?[0-9]+(?:\.[0-9]+)?", str(root.get("viewBox") or ""))[:5]
    sides = box[2:4] if len(box) == 4 else [str(root.get(a) or "").removesuffix("px") for a in ("width", "height")]
    return len(sides) == 2 and bool(sides[0]) and sides[0] == sides[1]
