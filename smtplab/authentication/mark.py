"""The mark certificate of a BIMI logo (VMC or CMC), linted by checkdmarc, which the extra smtplab[bimi] brings.

Without it only the certificate's dates and names are told. Dates are judged at the case's time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509

MAX_PEM = 65_536
INSTALL = "pip install 'smtplab[bimi]'"
_CLOCK = re.compile(r"expired on|not valid until|will expire")
"""Words of checkdmarc that come from the machine's clock."""


@dataclass(frozen=True)
class Mark:
    """A mark certificate: what is wrong with it, and whether it was looked into (`checked`, else only its dates).

    `kind` is its mark type ("Registered Mark", "Prior Use Mark", ...), `ends` when it ends.
    """

    checked: bool
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    kind: str = ""
    issuer: str = ""
    ends: datetime | None = None


def examine(pem: bytes, domain: str, at: datetime, logo: bytes = b"") -> Mark:
    """Lint the certificate for a domain; never raises. `logo` is what l= serves: it must be the certificate's."""
    try:
        leaf = x509.load_pem_x509_certificates(pem[:MAX_PEM])[0]
        ends, begins = leaf.not_valid_after_utc, leaf.not_valid_before_utc
        issuer = leaf.issuer.rfc4514_string()[:200]
    except (ValueError, TypeError, IndexError) as e:
        return Mark(False, (f"it is no certificate in PEM ({type(e).__name__})",))
    problems = [f"it ended on {ends:%Y-%m-%d}"] if ends < at else []
    problems += [f"it begins on {begins:%Y-%m-%d}"] if begins > at else []
    if importlib.util.find_spec("checkdmarc") is None:
        return Mark(False, tuple(problems), (), "", issuer, ends)
    told = _linted(pem[:MAX_PEM], domain)
    problems += [p for p in _texts(told, "validation_errors") if not _CLOCK.search(p)]
    warnings = [w for w in _texts(told, "warnings") if not _CLOCK.search(w)]
    held = str(told.get("logotype_sha256") or "")
    if logo and held and hashlib.sha256(logo).hexdigest() != held:
        problems.append("its logo is not the one that l= names")
    subject = told.get("subject")
    kind = str(subject.get("markType", ""))[:60] if isinstance(subject, dict) else ""
    return Mark(True, tuple(problems), tuple(warnings), kind, issuer, ends)


def _linted(pem: bytes, domain: str) -> dict[str, Any]:
    from checkdmarc.bimi import get_certificate_metadata

    try:
        return dict(get_certificate_metadata(pem, domain=domain))
    except Exception as e:  # a stranger's certificate in another project's hands: whatever it raises is a finding
        return {"validation_errors": [f"it cannot be read ({type(e).__name__})"]}


def _texts(told: dict[str, Any], name: str) -> list[str]:
    found = told.get(name)
    return [str(t)[:200] for t in found[:20]] if isinstance(found, list) else []
