"""With which name did a host greet the server that wrote a Received line (RFC 5321 sections 4.1.1.1 and 4.4)?"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import lru_cache

import pandas as pd

from smtplab import mail
from smtplab.casefile import domain_name
from smtplab.errors import CaseError
from smtplab.tables import Sighting

MAX_LINES = 10
"""Received lines read from the top: large receivers write several of their own above the one that counts."""
_FROM = re.compile(r"from\s(\S{1,260})\s?(.*)", re.IGNORECASE)
_SAID = re.compile(r"\b(?:helo|ehlo)[= ]([^\s()]{1,255})", re.IGNORECASE)
"""Exim: from PTR ([IP] helo=NAME); qmail: from PTR (HELO NAME) (IP)."""
_ADDRESS = re.compile(r"[\[(](?:IPv6:)?([0-9a-f.:]{3,45})[\])]", re.IGNORECASE)
_SIGNED_IN = re.compile(r"\swith\s(?:utf8)?e?smtps?a\b", re.IGNORECASE)
"""RFC 3848: somebody's mail program, often behind the same address as the server, and free to greet as it likes."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_HOST = re.compile(r"(?!.{254})(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}", re.IGNORECASE | re.ASCII)
"""A host name that is in its plain form but for its case, as nearly all are."""


def greetings(message: mail.Fields) -> str | None:
    """ADDRESS/NAME of each host that handed the message over, by the topmost Received line of it; None without any."""
    pairs = filter(None, map(greeting, mail.headers(message, "Received", MAX_LINES)))
    return " ".join("/".join(pair) for pair in dict(reversed(list(pairs))).items()) or None


def sightings(joined: pd.Series, where: str, least: int = 1) -> list[Sighting]:
    """What messages tell of greetings, each as ADDRESS/NAME joined by spaces, where at least so many tell it."""
    counts = joined.dropna().str.split().explode().value_counts()
    pairs = [(one.partition("/"), int(n)) for one, n in sorted(counts.items()) if n >= least]
    return [Sighting("helo", name, address, where, n) for (address, _, name), n in pairs]


def greeting(line: str) -> tuple[str, str] | None:
    """Address and greeting of the client in a Received line, as in `from HELO (PTR [ADDRESS]) by ...`, or None."""
    told = _client(line.partition(" by ")[0])
    return None if told and _SIGNED_IN.search(line) else told


@lru_cache(maxsize=5_000)
def _client(head: str) -> tuple[str, str] | None:
    """What stands before "by": the same in all that one server took from another."""
    found = _FROM.fullmatch(head)
    if not found:
        return None
    first, rest = found.groups()
    said = _SAID.search(rest)
    address = next(_addresses(rest if not said else f"{rest} {first}"), "")
    name = _name(said[1] if said else first)
    return (address, name) if address and name else None


def _addresses(text: str) -> Iterator[str]:
    for found in _ADDRESS.findall(text):
        try:
            yield str(ipaddress.ip_address(found))
        except ValueError:
            continue


@lru_cache(maxsize=10_000)
def _name(text: str) -> str:
    """A host name in its plain form, also one that exists only inside; "" for an address and for nonsense."""
    if _LABEL.fullmatch(text):
        return "" if text.isdigit() or text.lower() == "unknown" else text.lower()
    if _HOST.fullmatch(text):
        return text.lower()
    try:
        return domain_name(text)
    except CaseError:
        return ""
