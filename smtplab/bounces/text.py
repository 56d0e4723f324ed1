"""Bounces in prose: Postfix's own text and its cousins (qmail, Exim, sendmail), for reports without RFC 3464 parts.

A paragraph that starts with an address tells what became of it; `X-Failed-Recipients` (Exim) names the others.
"""

from __future__ import annotations

import re

from smtplab import mail
from smtplab.bounces.autoreply import DAEMON
from smtplab.bounces.dsn import MAX_RECIPIENTS, Recipient
from smtplab.bounces.message import Part

_SUBJECT = re.compile(
    r"(?i)undeliver|not deliver|n't be deliver|delivery (status|fail|report|error|problem|notif|has failed|warning)"
    r"|failure notice|fail(ed|ure).{0,20}(deliver|mail)|returned (mail|to sender)|return(ed)? message"
    r"|mail (delivery|system|status|could not)|message status|non.?delivery|warning: (could not|message)|delayed"
    r"|nondeliverable|rejected|bounce|user unknown|unzustellbar|nicht zugestellt|non remis|no se pudo entregar"
    r"|配信|エラー|不達"
)
_LEAD = re.compile(
    r"^[ \t>*-]{0,8}(?:(?:to|recipient|address|user)(?:: ?| ))?"
    r"<?\"?([^\s<>@\"(),;:]{1,64}@[A-Za-z0-9.-]{1,253}\w)\"?>?(.{0,400})$",
    re.I,
)
_EXPANDED = re.compile(r"^\s*\((?:expanded|generated) from:? <?([^\s<>()]{3,320})>?\)")
_ANY = re.compile(
    r"(?<![\w.+-])([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})"
)
_HOST = re.compile(r"(?i)\bhost (\S{1,255}?)\[")
_DELAY = re.compile(
    r"(?i)warning message only|will (be retried|continue to (try|attempt|be made))|not (yet )?been delivered"
    r"|delivery .{0,20}delayed|still be(ing)? (re)?tried|will keep trying|no action is required"
    r"|temporar(y|ily) (fail|defer)"
)
_GAVE_UP = re.compile(
    r"(?i)permanent|giving up|given up|i've given up|fatal|could not be delivered|undeliverable|failed"
)


def looks_like_report(message: Part, parts: list[Part]) -> bool:
    """Whether a message is a server's report, by its sender, subject or form."""
    sender = next(iter(mail.addresses(message, "From")), mail.header(message, "From") or "")
    null = (mail.header(message, "Return-Path") or "").strip() == "<>"
    form = "report-type=delivery-status" in (mail.header(message, "Content-Type") or "").replace('"', "").lower()
    subject = bool(_SUBJECT.search(mail.header(message, "Subject") or ""))
    daemon = bool(DAEMON.match(sender)) or "mailer-daemon" in sender.lower()
    return form or message.has("X-Failed-Recipients") or daemon or (subject and (null or len(parts) > 0))


def read(message: Part, notice: str) -> list[Recipient]:
    """The recipients that a report's text tells of; `notice` is its text above the returned copy."""
    kind = "delay" if _DELAY.search(notice) and not _GAVE_UP.search(notice) else "bounce"
    named = [a for v in mail.headers(message, "X-Failed-Recipients") for p in v.split(",") if (a := mail.address(p))]
    found = _paragraphs(notice, kind, set(named))
    told = {r.address for r in found}
    found += [Recipient(kind, a, diagnostic=_words(notice)) for a in dict.fromkeys(named) if a not in told]
    return found[:MAX_RECIPIENTS] or _loose(message, notice, kind)


def _paragraphs(notice: str, kind: str, named: set[str]) -> list[Recipient]:
    """Lines that begin with an address, each with what follows it up to an empty line or the next address."""
    made: dict[str, Recipient] = {}
    lines = notice.split("\n")[:5_000]
    for at, line in enumerate(lines):
        found = _LEAD.match(line)
        address = mail.address(found[1]) if found else None
        if not found or not address or (named and address not in named) or DAEMON.match(address):
            continue
        rest = found[2].strip()
        expanded = _EXPANDED.match(rest)
        if expanded:
            rest = rest[expanded.end() :].strip()
        if rest and not rest.startswith((":", "(", "-", "=", ".", "<")):
            continue
        tail: list[str] = []
        for more in lines[at + 1 : at + 25]:
            if (not more.strip() and (tail or rest.strip(": "))) or _LEAD.match(more):
                break
            tail.append(more.strip())
        words = " ".join(" ".join([rest.lstrip(": "), *tail]).split())[:2_000]
        if not words:
            continue
        host = _HOST.search(words)
        made.setdefault(
            address,
            Recipient(
                kind,
                address,
                original=mail.address(expanded[1]) if expanded else None,
                diagnostic=words,
                remote_mta=host[1] if host else None,
            ),
        )
    return list(made.values())


def _loose(message: Part, notice: str, kind: str) -> list[Recipient]:
    """Last resort: the addresses that the text names, our own and the reporter's left out."""
    about = {*mail.addresses(message, "From"), *mail.addresses(message, "To"), *mail.addresses(message, "Reply-To")}
    plain = [a for raw in _ANY.findall(notice[:20_000]) if (a := mail.address(raw.rstrip(".")))]
    named = [a for a in dict.fromkeys(plain) if a not in about and not DAEMON.match(a)]
    return [Recipient(kind, a, diagnostic=_words(notice)) for a in named[:1]]


def _words(notice: str) -> str | None:
    return " ".join(notice.split())[:2_000] or None
