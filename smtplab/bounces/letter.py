"""A report in prose as the recognisers see it: its words by lines, and whose addresses are no recipients."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from smtplab import mail
from smtplab.bounces import notice, returned
from smtplab.bounces.dsn import Recipient
from smtplab.bounces.message import Part, once
from smtplab.bounces.returned import Returned

MAX_LINES = 2_000
MAX_LINE = 1_000
MAX_WORDS = 2_000
DAEMON = re.compile(r"(?i)^(?:mailer-?daemon|post_?master|mdaemon|mail-?daemon|mailerdaemon)@")
LOCAL = r"(?:[^\s<>()\[\]\"',;:@\\：，。、（）【】「」《》；]{1,64}|\"[^\"\s]{1,64}\")"
DOMAIN = r"[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}"
ADDRESS = rf"{LOCAL}@{DOMAIN}"
# What may not stand before comes after the digit: so the digit is looked for first, which is fast.
REPLY = re.compile(r"[45](?:\d\d(?<![^\s:(\[>]...)(?:[ -]|$)|\.\d{1,3}\.\d{1,3}\b)", re.S)
_ECHO = re.compile(
    r"^[ \t>*|-]{0,10}\[?(from|to|cc|bcc|subject|sent|date|sent date|message-id|messageid|reply-to|sender|"
    r"received on|"
    r"von|an|betreff|gesendet|datum|de|à|a|objet|envoyé|para|asunto|enviado|da|oggetto|inviato|data|assunto|"
    r"onderwerp|aan|van|verzonden|od|do|temat|от|кому|тема|дата|差出人|宛先|件名|日時|送信者|送信日時|发件人|收件人|主题)"
    r"[ \t]{0,8}[:：][ \t]*(.*)$",
    re.I,
)
_SUBJECTS = {
    "subject", "betreff", "objet", "asunto", "oggetto", "assunto", "onderwerp", "temat", "тема", "件名", "主题",
}  # fmt: skip
_TOS = {"to", "an", "à", "a", "para", "aan", "do", "кому", "宛先", "收件人"}
_SPAN = 8
_TYPE = re.compile(r"(?i)^(?:[^@]{0,200}[;/:])?(?:smtp|rfc-?822|mailto)[:=;]")


class Letter:
    """A message and its parts; words, copy and returned message are looked for when somebody asks."""

    def __init__(self, message: Part, parts: list[Part]) -> None:
        self.message = message
        self.parts = parts

    @once
    def kinds(self) -> frozenset[str]:
        """The types of its parts."""
        return frozenset(part.kind for part in self.parts)

    @once
    def text(self) -> str:
        """All that a person reads."""
        return notice.words(self.parts) or notice.preamble(self.message)

    @once
    def _halves(self) -> tuple[str, str]:
        return notice.split(self.text)

    @once
    def words(self) -> str:
        """The text above the copy of the message."""
        return self._halves[0]

    @once
    def plain(self) -> str:
        """The beginning of the words in one line."""
        return " ".join(self.words[: MAX_WORDS * 2].split())[:MAX_WORDS]

    @property
    def copy(self) -> str:
        """The copy of the message within the text, "" without one."""
        return self._halves[1]

    @once
    def back(self) -> Returned | None:
        """The message that came back: a part of its own, or the copy within the text."""
        return returned.read(self.parts) or returned.copied(self.copy)

    @once
    def _split(self) -> tuple[list[str], list[str]]:
        """Lines without those that repeat the header of the returned message, and those taken out."""
        lines = [line[:MAX_LINE].rstrip() for line in self.words.split("\n", MAX_LINES)[:MAX_LINES]]
        said = ((at, _ECHO.match(line)) for at, line in enumerate(lines) if ":" in line or "：" in line)
        labels = [(at, m[1].lower(), m[2]) for at, m in said if m]
        about = [at for at, label, _ in labels if label in _SUBJECTS]
        if not about:
            return lines, []
        taken = {at for at, _, _ in labels if any(abs(at - other) <= _SPAN for other in about)}
        tos = [value for at, label, value in labels if at in taken and label in _TOS]
        return ["" if at in taken else line for at, line in enumerate(lines)], tos

    @once
    def lines(self) -> list[str]:
        """The words by lines."""
        return self._split[0]

    @property
    def echoed(self) -> list[str]:
        """The recipients that a repeated header names."""
        found = [a for value in self._split[1] for raw in re.findall(ADDRESS, value) if (a := mail.address(raw))]
        return list(dict.fromkeys(found))

    @once
    def ours(self) -> frozenset[str]:
        """Addresses of who reports and of whom the report was sent to."""
        names = ("From", "To", "Reply-To", "Delivered-To", "Return-Path")
        return frozenset(a.lower() for n in names for a in mail.addresses(self.message, n))

    def names(self, address: str) -> bool:
        """Whether an address that a report merely mentions can be a recipient that failed."""
        return address.lower() not in self.ours and not DAEMON.match(address)

    def may_fail(self, address: str) -> bool:
        """Whether an address that a report singles out can be a recipient: not whom the report comes from."""
        return not DAEMON.match(address) and address.lower() not in self._reporter

    @once
    def _reporter(self) -> frozenset[str]:
        return frozenset(a.lower() for a in self.message.authors)


def address(raw: str) -> str | None:
    """An address as prose writes it, without what belongs to the sentence around it."""
    plain = _TYPE.sub("", raw.strip().strip("<>[](){}|*'`,;").rstrip(".:!?"))
    return mail.address(plain)


@dataclass(frozen=True)
class Recogniser:
    """One way in which reports name recipients: `example` is a text from which it takes lost@example.net."""

    name: str
    example: str
    read: Callable[[Letter, str], list[Recipient]]
    """Recipients of a letter; the second argument is the kind that the letter as a whole tells of."""
