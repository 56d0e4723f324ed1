"""Mail that is no report and looks like one, and automatic replies, made from templates by a seeded maker."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tests.bounces.making import POSTFIX_TEXT, complaint, dsn

PEOPLE = (
    "Anna Berg",
    "Jean Dupont",
    "José Ruiz",
    "Mario Rossi",
    "Tom Smith",
    "Ewa Nowak",
    "Kenji Sato",
    "Olga Petrova",
)
FAILURES = (
    "550 5.1.1 <bob@example.net>: Recipient address rejected: User unknown",
    "452 4.2.2 The email account that you tried to reach is over quota",
    "554 5.7.1 Message rejected as spam by content filtering",
    "host mx.example.net[192.0.2.9] said: 550 No such user here (in reply to RCPT TO command)",
)
SUBJECTS = (
    "Undelivered Mail Returned to Sender", "Mail delivery failed: returning message to sender", "failure notice",
    "Delivery Status Notification (Failure)", "Undeliverable: Your invoice", "Returned mail: see transcript for details",
)  # fmt: skip
WROTE = (
    "On Mon, 2 Nov 2026 at 10:00, Mail Delivery System <MAILER-DAEMON@mx.example> wrote:",
    "Am 02.11.2026 um 10:00 schrieb Mail Delivery System:",
    "Le 2 nov. 2026 à 10:00, Mail Delivery System a écrit :",
    "El lun, 2 nov 2026 a las 10:00, Mail Delivery System escribió:",
)
GREETINGS = ("Hi all,", "Hello Tom,", "Hallo zusammen,", "Bonjour,", "Hola,", "Dear support team,")
LISTS = ("dev", "users", "announce", "postfix-users", "ops")
TOPICS = (
    "How we cut our delivery failures in half", "Your delivery is delayed", "Undeliverable parcels: what to do",
    "5 reasons why your mail bounces", "Returned goods policy", "Delivery status update for order 4711",
    "Out of office season: holiday opening hours", "Mailbox full? Upgrade your storage",
)  # fmt: skip


def _head(random: Random, subject: str, *more: str) -> str:
    name = random.choice(PEOPLE)
    local = name.split()[0].lower().encode("ascii", "ignore").decode()
    lines = [
        f"From: {name} <{local}@{random.choice(('corp', 'uni', 'shop'))}.example>",
        "To: help@meridian.example",
        f"Date: Tue, {random.randint(1, 28)} Nov 2026 09:{random.randint(10, 59)}:00 +0000",
        f"Message-ID: <{random.getrandbits(64):x}@corp.example>",
        f"Subject: {subject}",
        *more,
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n"))


def reply_that_quotes(random: Random) -> str:
    subject = random.choice(SUBJECTS)
    thread = random.choice(("In-Reply-To: <m1@mx.example>", "References: <m1@mx.example>", "X-Mailer: Mail 1"))
    words = random.choice(("what does this mean?", "can you resend it please?", "this keeps coming back, see below."))
    body = POSTFIX_TEXT.partition("\n\n")[2].partition("------")[0]
    return (
        f"{_head(random, f'Re: {subject}', thread)}\n\n{random.choice(GREETINGS)}\n\n{words}\n\n"
        f"{random.choice(WROTE)}\n{_quoted(body)}\n"
    )


def reply_above(random: Random) -> str:
    """As Outlook quotes: the header repeated, then the text, without marks."""
    subject, mark = random.choice(SUBJECTS), random.choice(("RE", "AW", "Re"))
    body = POSTFIX_TEXT.partition("\n\n")[2].partition("------")[0]
    return (
        f"{_head(random, f'{mark}: {subject}', 'In-Reply-To: <m1@mx.example>')}\n\n"
        f"{random.choice(GREETINGS)}\n\nany news on this?\n\n-----Original Message-----\n"
        "From: Mail Delivery System <MAILER-DAEMON@mx.example>\nSent: Monday, November 2, 2026 10:00 AM\n"
        f"To: help@meridian.example\nSubject: {subject}\n\n{body}\n"
    )


def newsletter(random: Random) -> str:
    plain = "text/plain; charset=utf-8" if random.random() < 0.5 else "text/html; charset=utf-8"
    text = f"<p>{random.choice(FAILURES)}</p>" if "html" in plain else random.choice(FAILURES)
    head = _head(
        random, random.choice(TOPICS), "List-Unsubscribe: <https://news.example/u>", "Precedence: bulk", f"Content-Type: {plain}"
    )  # fmt: skip
    return f"{head}\n\nDear reader,\n\nyour parcel could not be delivered? This is what servers say:\n\n{text}\n\nwrite to care@news.example\n"


def digest(random: Random) -> str:
    name = random.choice(LISTS)
    head = _head(
        random,
        f"{name} Digest, Vol {random.randint(1, 99)}, Issue {random.randint(1, 30)}",
        f"List-Post: <mailto:{name}@lists.example>",
        f"List-Id: <{name}.lists.example>",
        'Content-Type: multipart/mixed; boundary="X"',
    )
    inner = f"From: a@b.example\nSubject: {random.choice(SUBJECTS)}\n\nI got this:\n\n{random.choice(FAILURES)}\n"
    post = dsn() if random.random() < 0.3 else inner
    return (
        f"{head}\n\n--X\n\nSend {name} mailing list submissions to {name}@lists.example\n\n--X\n"
        f'Content-Type: multipart/digest; boundary="Y"\n\n--Y\n\n{post}\n--Y\n\n{inner}\n--Y--\n--X--\n'
    )


def forwarded_ticket(random: Random) -> str:
    number = random.randint(1000, 9999)
    subject = random.choice(
        (f"Fwd: [Ticket #{number}] mail does not arrive", f"WG: Ticket {number}", f"Fw: case {number}")
    )
    return (
        f"{_head(random, subject)}\n\n{random.choice(GREETINGS)}\nplease look at this ticket.\n\n"
        "---------- Forwarded message ---------\nFrom: Customer Care <care@shop.example>\n"
        f"Date: Mon, 2 Nov 2026\nSubject: [Ticket #{number}] mail does not arrive\nTo: ops@shop.example\n\n"
        f"A customer tells us that his mail to bob@example.net failed:\n\n  {random.choice(FAILURES)}\n\nRegards\nCare\n"
    )


def letter(random: Random) -> str:
    subject = random.choice(
        (
            "Problem with mail",
            "mail to Bob failed",
            "User unknown?",
            "bounce handling question",
            "Delivery failure again",
        )
    )
    return (
        f"{_head(random, subject)}\n\n{random.choice(GREETINGS)}\n\nwhen I write to bob@example.net I get an error:\n\n"
        f"{random.choice(FAILURES)}\n\nCan you help?\n\nRegards,\nAnna\n"
    )


def alert(random: Random) -> str:
    subject = random.choice(
        (
            "Cron <root@db2> /usr/bin/backup",
            "[nagios] PROBLEM: mail queue is CRITICAL",
            "logwatch for mx1",
            "Backup failed on db2",
        )
    )
    submitted = random.choice(("Auto-Submitted: auto-generated", "Precedence: bulk", "X-Cron-Env: <SHELL=/bin/sh>"))
    return (
        f"{_head(random, subject, submitted)}\n\nstatus=bounced (host mx.example.net said: {random.choice(FAILURES)})\n"
    )


def dmarc(random: Random) -> str:
    head = _head(
        random, "Report Domain: meridian.example Submitter: big.example", 'Content-Type: application/zip; name="r.zip"'
    )
    return f"{head}\nContent-Transfer-Encoding: base64\n\nUEsDBBQAAAA{random.randint(10, 99)}=\n"


def not_spam(random: Random) -> str:
    return complaint(random.choice(("not-spam", "auth-failure")))


def invitation(random: Random) -> str:
    head = _head(
        random, random.choice(("Accepted: Weekly", "Invitation: Delivery review", "Canceled: Mail failure review"))
    )
    return f"{head}\nContent-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR\nATTENDEE:mailto:bob@example.net\nEND:VCALENDAR\n"


def thanks(random: Random) -> str:
    return (
        f"{_head(random, f'Re: {random.choice(TOPICS)}', 'In-Reply-To: <t1@meridian.example>')}\n\n"
        f"{random.choice(GREETINGS)}\n\nthank you, it arrived. bob@example.net has left, please write to eve@example.net.\n"
    )


KINDS = (
    reply_that_quotes, reply_above, newsletter, digest, forwarded_ticket, letter, alert, dmarc, not_spam, invitation, thanks,
)  # fmt: skip


def negatives(each: int = 24, seed: int = 6) -> Iterator[tuple[str, str]]:
    """The name of a template and a message of it, so many of each."""
    random = Random(seed)
    for make in KINDS:
        for _ in range(each):
            yield make.__name__, make(random)


AWAY = {
    "en": ("Automatic reply: Your invoice", "I am out of the office until Monday, with limited access to e-mail."),
    "de": (
        "Abwesenheitsnotiz: Ihre Rechnung",
        "Ich bin bis Montag nicht im Büro. Ihre Mail wird nicht weitergeleitet.",
    ),
    "fr": ("Réponse automatique : Votre facture", "Je suis absent du bureau, de retour le 9 novembre."),
    "es": ("Respuesta automática: Su factura", "Estoy fuera de la oficina y volveré el lunes."),
    "it": ("Risposta automatica: La sua fattura", "Sono fuori ufficio, rientrerò lunedì."),
    "pt": ("Resposta automática: Sua fatura", "Estou fora do escritório e retornarei na segunda."),
    "nl": ("Automatisch antwoord: Uw factuur", "Ik ben afwezig en maandag weer bereikbaar."),
    "ja": ("自動応答: 請求書", "ただいま休暇をいただいております。戻り次第ご連絡いたします。"),
    "pl": ("Automatyczna odpowiedź: Faktura", "Jestem na urlopie, wrócę w poniedziałek."),
    "ru": ("Автоматический ответ: Ваш счёт", "Я в отпуске и вернусь в понедельник."),
}
"""Language: subject and words."""
FORMS = (
    (
        "subject",
        ("Auto-Submitted: auto-replied", "X-Auto-Response-Suppress: All", "In-Reply-To: <t1@meridian.example>"),
    ),
    ("Re: Your invoice", ("Auto-Submitted: auto-replied", "Precedence: bulk")),
    ("subject", ("Precedence: auto_reply", "X-Autoreply: yes")),
    ("subject", ("Return-Path: <>",)),
    ("Your invoice", ("X-Autorespond: yes", "Auto-Submitted: auto-generated", "References: <t1@meridian.example>")),
)
"""How programs mark automatic replies: the subject (of the language, or a plain one) and headers."""


def auto_replies() -> Iterator[tuple[str, str]]:
    """The language and a message, five for each of ten languages."""
    random = Random(7)
    for language, (subject, words) in AWAY.items():
        for wanted, more in FORMS:
            head = _head(
                random, subject if wanted == "subject" else wanted, *more, "Content-Type: text/plain; charset=utf-8"
            )
            yield language, f"{head}\n\n{words}\n\nAnna\n"
