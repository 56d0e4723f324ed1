"""Alignment and verdict, RFC 9989 section 4.4 and 5.3.4: do the domains that SPF and DKIM vouch for match the From?

Relaxed alignment asks for the same organizational domain, which RFC 9989 finds by a walk of its own for each domain
and RFC 7489 by the public suffix list; strict alignment asks for the same name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import pandas as pd

from smtplab.authentication import dmarc
from smtplab.authentication.dmarc import Dmarc, Standard
from smtplab.authentication.dmarc_record import DmarcRecord, Policy, ascii_name
from smtplab.names.suffixes import organization
from smtplab.net import Network

MAX_SIGNATURES = 10
"""Signatures of one message that are looked at; more is somebody's attack."""
Mechanism = Literal["spf", "dkim"]
Checked = tuple[str, str]
"""A domain and the result of SPF or DKIM for it, such as ("bounce.example.org", "pass")."""


class Result(StrEnum):
    """The DMARC result of a message, in the words of RFC 8601."""

    PASS = "pass"
    FAIL = "fail"
    NONE = "none"
    """No record governs."""
    TEMPERROR = "temperror"
    """An answer is missing on which the result rests."""


@dataclass(frozen=True)
class Identity:
    """A domain that SPF or DKIM looked at, with its organizational domain by the walk ("" unknown) and by the list.

    `strict` and the two relaxed forms say whether it aligns with the From domain, whatever its result; None: unknown.
    """

    mechanism: Mechanism
    domain: str
    result: str
    org: str
    org_psl: str
    strict: bool
    relaxed: bool | None
    relaxed_psl: bool

    def aligned(self, record: DmarcRecord, standard: Standard) -> bool | None:
        """By the mode that the record asks for (aspf, adkim)."""
        if record.strict(self.mechanism):
            return self.strict
        return self.relaxed if standard is Standard.WALK else self.relaxed_psl


@dataclass(frozen=True)
class Verdict:
    """What a receiver of one standard concludes: `policy` is asked for, `disposition` what comes of it."""

    standard: Standard
    result: Result
    policy: Policy
    disposition: Policy
    why: str

    def __repr__(self) -> str:
        return f"dmarc={self.result} by RFC {self.standard} (policy {self.policy}): {self.why}"


@dataclass(frozen=True)
class Alignment:
    """The From domain and every identity held against it."""

    author: Dmarc
    identities: tuple[Identity, ...]

    def __repr__(self) -> str:
        return "\n".join(map(repr, (self.verdict(Standard.WALK), self.verdict(Standard.LIST))))

    def verdict(self, standard: Standard = Standard.WALK) -> Verdict:
        """pass, fail, none or temperror, and what the policy then asks for."""
        found = self.author.by(standard)
        record, policy = found.record, found.policies[0]
        if record is None or policy is Policy.ABSENT:
            unknown = policy is Policy.UNKNOWN
            why = f"no answer: {found.why}" if unknown else f"no DMARC policy governs {self.author.domain}"
            return Verdict(standard, Result.TEMPERROR if unknown else Result.NONE, policy, policy, why)
        for one in self.identities:
            if one.result == "pass" and one.aligned(record, standard):
                why = f"{one.mechanism} passed for {one.domain}, which is aligned"
                return Verdict(standard, Result.PASS, policy, Policy.NONE, why)
        for one in self.identities:
            # A pass that is left has an unknown alignment; what cannot align decides nothing, however it ended.
            if one.result in ("pass", "temperror") and one.aligned(record, standard) is not False:
                why = f"{one.mechanism} for {one.domain} may yet pass and align"
                return Verdict(standard, Result.TEMPERROR, policy, Policy.NONE, why)
        disposition, note = applied(record, policy, standard)
        why = f"nothing that passed is aligned with {self.author.domain}"
        return Verdict(standard, Result.FAIL, policy, disposition, f"{why}; {note}" if note else why)

    def frame(self) -> pd.DataFrame:
        """A row an identity: mechanism, domain, result, strict, and for both standards organizational and relaxed."""
        words = {True: "aligned", False: "not aligned", None: "unknown"}
        rows = [
            (i.mechanism, i.domain, i.result, words[i.strict], i.org, words[i.relaxed], i.org_psl, words[i.relaxed_psl])
            for i in self.identities
        ]
        columns = ["mechanism", "domain", "result", "strict"]
        more = ["organizational (9989)", "relaxed (9989)", "organizational (7489)", "relaxed (7489)"]
        return pd.DataFrame(rows, columns=[*columns, *more])


def applied(record: DmarcRecord, policy: Policy, standard: Standard) -> tuple[Policy, str]:
    """What becomes of a policy by t=y (RFC 9989) or pct (RFC 7489), and a note where it is not what the tag says."""
    if standard is Standard.WALK and record.testing and policy is not policy.milder:
        return policy.milder, f"t=y: {policy.milder} instead of {policy}"
    if standard is Standard.LIST and record.pct < 100 and policy is not policy.milder:
        return policy.milder, f"pct={record.pct}: {policy} for {record.pct}% of the messages, else {policy.milder}"
    return policy, ""


async def align(network: Network, author: str | Dmarc, spf: Checked | None, dkim: Sequence[Checked]) -> Alignment:
    """Hold the domain of MAIL FROM (or, with an empty one, of HELO) and the d= of each signature against the From."""
    found = author if isinstance(author, Dmarc) else await dmarc.collect(network, author)
    given: list[tuple[Mechanism, Checked]] = [("spf", spf)] if spf else []
    given += [("dkim", d) for d in dkim[:MAX_SIGNATURES]]
    return Alignment(found, tuple(await asyncio.gather(*(_identity(network, found, m, c) for m, c in given))))


async def _identity(network: Network, author: Dmarc, mechanism: Mechanism, checked: Checked) -> Identity:
    domain, result = ascii_name(checked[0]), checked[1].lower()
    if not domain:
        return Identity(mechanism, checked[0][:255], result, "", "", False, False, False)
    org = dmarc.organization(domain, await dmarc.ask(network, domain))
    org_psl, strict = organization(domain), domain == author.domain
    relaxed = True if strict else org == author.org if org and author.org else None
    return Identity(mechanism, domain, result, org, org_psl, strict, relaxed, org_psl == author.org_psl)
