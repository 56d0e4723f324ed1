"""One DMARC record, RFC 9989 sections 4.7 and 4.8: what it asks of receivers, and how RFC 7489 reads the same text.

Nothing is judged here: what cannot be used is kept apart, so that a finding can name it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote

import dns.exception
import dns.name

MAX_PARTS = 60
"""Tags read of one record, and report addresses of one tag: far more than anybody needs."""
_VERSION = re.compile(r"^[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")
_RESEMBLES = re.compile(r"dmarc\s*[0-9]|(?:^|;)\s*s?p\s*=\s*(?:none|quarantine|reject)\b", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,30}):(.+)", re.DOTALL)
_SIZE = re.compile(r"![0-9]+[kmgtKMGT]?$")


class Policy(StrEnum):
    """What a domain asks receivers to do with a message that fails, mildest first."""

    ABSENT = "absent"
    """No record governs, or the one that does asks for nothing at all: there is no DMARC."""
    UNKNOWN = "unknown"
    """An answer is missing."""
    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def milder(self) -> Policy:
        """One step down: for messages that pct leaves out (RFC 7489 section 6.6.4), and for t=y."""
        return {Policy.REJECT: Policy.QUARANTINE, Policy.QUARANTINE: Policy.NONE}.get(self, self)


Policies = tuple[Policy, Policy, Policy]
"""For a domain itself, for its subdomains that exist, and for those that do not."""
ASKED = ("none", "quarantine", "reject")


@dataclass(frozen=True)
class DmarcRecord:
    """One record as published at `_dmarc.` of `domain`.

    `tags` holds the first value of each tag, names in lower case; `repeated` the tags that stand twice, `stray`
    the parts without "=". `rua` and `ruf` are mail addresses, `unusable` the report addresses that are none,
    `reports` whether rua names anything that is a URI, `sized` whether one carries the historic `!size`.
    """

    domain: str
    text: str
    tags: Mapping[str, str] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()
    stray: tuple[str, ...] = ()
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    reports: bool = False
    sized: bool = False

    def asked(self, *, np: bool = True) -> Policies:
        """p, sp and np with their defaults; without `np`, as RFC 7489 reads the record, which does not know that tag.

        A policy that is missing or not valid makes the whole record p=none if rua can be used, and no DMARC
        otherwise: RFC 9989 section 4.10.1, RFC 7489 section 6.6.3.
        """
        known = ("sp", "np") if np else ("sp",)
        if not self._valid("p") or any(t in self.tags and not self._valid(t) for t in known):
            return (Policy.NONE if self.reports else Policy.ABSENT,) * 3
        p = Policy(self.tags["p"].lower())
        sp = Policy(self.tags["sp"].lower()) if "sp" in self.tags else p
        return p, sp, Policy(self.tags["np"].lower()) if np and "np" in self.tags else sp

    def _valid(self, tag: str) -> bool:
        return self.tags.get(tag, "").lower() in ASKED

    @property
    def invalid(self) -> tuple[tuple[str, str], ...]:
        """Policies that are none: tag and value."""
        return tuple((t, self.tags[t]) for t in ("p", "sp", "np") if t in self.tags and not self._valid(t))

    @property
    def p(self) -> Policy:
        """For the domain itself."""
        return self.asked()[0]

    @property
    def sp(self) -> Policy:
        """For subdomains that exist."""
        return self.asked()[1]

    @property
    def np(self) -> Policy:
        """For subdomains that do not exist."""
        return self.asked()[2]

    @property
    def explicit(self) -> frozenset[str]:
        """The tags that are written out."""
        return frozenset(self.tags)

    @property
    def psd(self) -> str:
        """Whether the domain is a public suffix: y, n or u."""
        value = self.tags.get("psd", "u").lower()
        return value if value in ("y", "n") else "u"

    @property
    def testing(self) -> bool:
        """t=y: RFC 9989 section 4.7."""
        return self.tags.get("t", "").lower() == "y"

    @property
    def pct(self) -> int:
        """The historic share of messages the policy is for; 100 where it is not written or not a number."""
        value = self.tags.get("pct", "")
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 3 and int(value) <= 100 else 100

    @property
    def rigour(self) -> tuple[int, ...]:
        """Larger for the record that asks for more: the policies first, then whether they are meant for all mail."""
        return (*(list(Policy).index(p) for p in self.asked()), not self.testing, self.pct, len(self.rua))

    def strict(self, mechanism: str) -> bool:
        """Whether "dkim" or "spf" must match the From domain exactly (adkim, aspf)."""
        return self.tags.get(f"a{mechanism}", "r").lower() == "s"

    def changed(self, **tags: str) -> str:
        """The text with tags set ("" takes one away), the policies first, and without policies that are not valid."""
        gone = {"v", *(t for t, _ in self.invalid)}
        kept = {k: v for k, v in self.tags.items() if k not in gone} | tags
        order = {t: i for i, t in enumerate(("p", "sp", "np"))}
        names = sorted((k for k in kept if kept[k]), key=lambda k: order.get(k, 3))
        return "; ".join(["v=DMARC1", *(f"{k}={kept[k]}" for k in names)])


def parse(domain: str, text: str) -> DmarcRecord | None:
    """Read a record; None if it is not a DMARC record at all, which is so unless it begins with v=DMARC1."""
    if not _VERSION.match(text):
        return None
    tags: dict[str, str] = {}
    repeated, stray = [], []
    for part in text.split(";")[:MAX_PARTS]:
        name, sign, value = (s.strip() for s in part.partition("="))
        if not sign:
            stray += [name] if name else []
        elif name.lower() in tags:
            repeated.append(name.lower())
        else:
            tags[name.lower()] = value
    rua, ruf = _uris(tags.get("rua", "")), _uris(tags.get("ruf", ""))
    return DmarcRecord(
        domain,
        text,
        tags,
        tuple(repeated),
        tuple(stray),
        tuple(dict.fromkeys(a for _, a in rua if a)),
        tuple(dict.fromkeys(a for _, a in ruf if a)),
        tuple(t for t, a in (*rua, *ruf) if not a),
        any(a or (_SCHEME.match(t) and not t.lower().startswith("mailto:")) for t, a in rua),
        any(_SIZE.search(t) for t, _ in (*rua, *ruf)),
    )


def resembles(text: str) -> bool:
    """Whether a text that is no DMARC record was meant to be one."""
    return not _VERSION.match(text) and bool(_RESEMBLES.search(text[:1000]))


def agrees(text: str) -> bool:
    """Whether a record at `_report._dmarc` is one: RFC 9990 section 4."""
    return bool(_VERSION.match(text))


def _uris(text: str) -> list[tuple[str, str]]:
    """Each part of a rua or ruf tag with the mail address it names, or ""; the historic `!size` is cut off."""
    made = []
    for part in text.split(",")[:MAX_PARTS]:
        uri = part.strip()
        if not uri:
            continue
        scheme = _SCHEME.fullmatch(_SIZE.sub("", uri))
        local, _, host = unquote(scheme[2].split("?")[0]).strip().rpartition("@") if scheme else ("", "", "")
        host = ascii_name(host)
        usable = scheme and scheme[1].lower() == "mailto" and local and "." in host
        made.append((uri, f"{local}@{host}" if usable else ""))
    return made


def ascii_name(name: str) -> str:
    """A domain name in lower-case A-labels without the final dot; "" if it is no host name."""
    try:
        text = dns.name.from_text(name.strip(), idna_codec=dns.name.IDNA_2008_Practical).to_text(omit_final_dot=True)
    except (dns.exception.DNSException, UnicodeError, ValueError):
        return ""
    return text.lower() if _NAME.fullmatch(text.lower()) else ""
