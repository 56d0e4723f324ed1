"""Variable envelope return paths: an envelope sender that holds the recipient, so that its bounces tell who failed.

The scheme is Bernstein's (1997): `list-return-anna=example.org@`, also `bounce-12345-anna=example.org@` and
`news+anna=example.org@`; Sympa writes `bounce+anna==a==example.org==list@`. SRS (a forwarder's rewriting) and BATV (a
tag against forged bounces) have equals signs too and name a sender, not a recipient.
"""

from __future__ import annotations

import re

from smtplab import mail

_OTHER = re.compile(r"(?i)(?:srs[01][=+-]|prvs=|btv1==|msprvs1=)")
_SEPARATOR = re.compile(r"[+-]")
MOST = 20
"""Separators that are tried; a longer local part is no return path of a list."""


def candidates(sender: str | None) -> tuple[str, ...]:
    """The recipients an envelope sender may name, in lower case, the longest first; none for what is no VERP.

    Where the prefix ends cannot be told from the address alone: an id and a recipient's own local part may hold the
    separators. Who knows the recipients picks.
    """
    local, at, _ = (sender or "").rpartition("@")
    if not at or _OTHER.match(local):
        return ()
    if "==a==" in local:
        user, _, rest = local.partition("==a==")
        domain = rest.partition("==")[0]
    else:
        user, equals, domain = local.rpartition("=")
        if not equals:
            return ()
    starts = [0, *(m.end() for m in list(_SEPARATOR.finditer(user))[:MOST])]
    found = (mail.address(f"{user[start:]}@{domain}") for start in starts)
    return tuple(a.lower() for a in found if a and "." in domain)
