"""Signatures of a message: each verifies as the RFCs say, and each break is named by its cause."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import dkim as dkimpy
import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplab.authentication import canonical, signatures
from smtplab.authentication.signatures import Cause, Signature, Verification
from smtplab.net import Network
from tests.authentication.dnsserver import Zone, network, txt
from tests.authentication.signing import DOMAIN, MESSAGE, key, sign, zone

AT = datetime(2026, 11, 2, 10, 1, tzinfo=UTC)
STAMP = int(AT.timestamp())


def verify(raw: bytes, names: Zone | None = None, *, at: datetime = AT) -> Verification:
    with network(names if names is not None else zone(), timeout=0.5) as net:
        return signatures.verify_message(net, raw, at=at)


def one(raw: bytes, names: Zone | None = None, *, at: datetime = AT) -> Signature:
    [signature] = verify(raw, names, at=at).signatures
    return signature


RFC6376 = """\
DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
        4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
        KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
        4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game. Are you hungry yet?

Joe.
"""
RFC6376_KEY = (
    "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
    "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi"
    "tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
)
RFC8463 = """\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
"""
RFC8463_KEYS = {
    "brisbane": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test": "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2"
    "jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kr"
    "yOTIKT+l/K4w3QIDAQAB",
}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_example_of_rfc_6376_appendix_a(ends: str) -> None:
    names = {"brisbane._domainkey.example.com": [("TXT", txt(RFC6376_KEY.encode()))]}
    found = one(RFC6376.replace("\n", ends).encode(), names)
    assert (found.cause, found.bits, found.identity) == (Cause.VERIFIES, 1024, "joe@football.example.com")


def test_the_examples_of_rfc_8463_appendix_a() -> None:
    names = {f"{s}._domainkey.football.example.com": [("TXT", txt(r.encode()))] for s, r in RFC8463_KEYS.items()}
    found = verify(RFC8463.encode(), names)
    assert [(s.number, s.algorithm, str(s.result)) for s in found.signatures] == [
        (1, "ed25519-sha256", "pass"),
        (2, "rsa-sha256", "pass"),
    ]
    swapped = RFC8463.replace("s=brisbane", "s=x").replace("s=test", "s=brisbane").replace("s=x", "s=test")
    mixed = verify(swapped.encode(), names).signatures
    assert [(s.cause, s.detail) for s in mixed] == [
        (Cause.KEY_UNUSABLE, "the signature is ed25519, the key rsa"),
        (Cause.KEY_UNUSABLE, "the signature is rsa, the key ed25519"),
    ]


Edit = Callable[[bytes], bytes]


def swap(old: str, new: str) -> Edit:
    def edit(raw: bytes) -> bytes:
        assert old.encode() in raw
        return raw.replace(old.encode(), new.encode(), 1)

    return edit


EDITS: list[tuple[Edit, Cause, bool | None, bool | None, str]] = [
    # what is done to a signed message; the cause, whether body and header are as signed, words of a hint
    (swap("at ten. ", "at ten.  \t"), Cause.VERIFIES, True, True, ""),
    (swap("\r\nTo: ", "\r\nTO:   "), Cause.VERIFIES, True, True, ""),
    (lambda m: m + b"\r\n\r\n", Cause.VERIFIES, True, True, ""),
    (lambda m: b"Received: from here\r\n" + m, Cause.VERIFIES, True, True, ""),
    (lambda m: m.replace(b"\r\n", b"\n"), Cause.VERIFIES, True, True, ""),
    (swap("at ten", "at nine"), Cause.HEADER, True, False, ""),
    (swap("at ten. ", "at nine. "), Cause.BODY, False, True, ""),
    (lambda m: m + b"-- \r\nSent by the gateway\r\n", Cause.BODY, False, True, "up to line 5; 2 lines"),
    (lambda m: m[: m.index(b"\r\n\r\n") + 4], Cause.BODY, False, True, ""),
    (swap("Subject: ", "Subject: [dev] "), Cause.HEADER, True, False, "the subject was tagged: without '[dev]'"),
    (swap("Subject: ", "Subject: Re: [dev] "), Cause.HEADER, True, False, ""),
    (swap("Content-Type: text/plain", "Content-Type: text/html"), Cause.HEADER, True, False, ""),
    (swap(" b=", " b=QUFB"), Cause.OTHER_KEY, True, None, ""),
    (lambda m: b"From: <eve@evil.example>\r\n" + m, Cause.FROM_TWICE, True, False, "From was added"),
    (swap("To: dev", "To: <x@y.example>\r\nTo: dev"), Cause.VERIFIES, True, True, ""),
    (swap("Message-ID", "To: <x@y.example>\r\nMessage-ID"), Cause.HEADER, True, False, "To was added"),
    (
        lambda m: b"List-Id: Dev <dev.list.example>\r\n" + swap("Subject: ", "Subject: [dev] ")(m) + b"____\r\nlist\r\n",
        Cause.BODY, False, False, "mailing list (List-Id: Dev <dev.list.example>)",
    ),
    (lambda m: b"X-MIME-Autoconverted: from 8bit\r\n" + m + b"x\r\n", Cause.BODY, False, True, "converted the body"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(EDITS)))
def test_what_was_changed_is_told_apart(number: int) -> None:
    edit, cause, body, header, words = EDITS[number]
    found = one(edit(sign()))
    assert (found.cause, found.body, found.header) == (cause, body, header)
    assert words in "; ".join(found.hints)
    assert bool(words) == bool(found.hints)


@pytest.mark.parametrize("name", ["rsa1024", "rsa2048", "rsa4096", "ed25519"])
@pytest.mark.parametrize("form", ["simple/simple", "relaxed/simple", "simple/relaxed", "relaxed/relaxed"])
def test_every_algorithm_and_canonicalization_verifies(name: str, form: str) -> None:
    raw = sign(name=name, form=form)
    names = zone(s1=key(name)[1])
    assert one(raw, names).cause is Cause.VERIFIES
    assert one(raw.replace(b"ten. ", b"ten.  "), names).cause is (Cause.VERIFIES if "/relaxed" in form else Cause.BODY)
    folded = raw.replace(b"Meeting at", b"Meeting\r\n  at")
    assert one(folded, names).cause is (Cause.VERIFIES if "relaxed/" in form else Cause.HEADER)


KEYS: list[tuple[Zone, Cause, str]] = [
    # what stands where the key should; the cause and words of its detail
    ({}, Cause.KEY_MISSING, "NXDOMAIN"),
    ({f"s1._domainkey.{DOMAIN}": [("*", "SERVFAIL")]}, Cause.KEY_UNKNOWN, "SERVFAIL"),
    ({f"s1._domainkey.{DOMAIN}": [("*", "TIMEOUT")]}, Cause.KEY_UNKNOWN, "timeout"),
    (zone(s1="v=DKIM1; p="), Cause.KEY_UNUSABLE, "revoked"),
    (zone(s1=key("rsa2048")[1][:255]), Cause.KEY_UNUSABLE, "ends too early"),
    (zone(s1=key("rsa2048")[1].replace("k=rsa", "k=rsa; h=sha1")), Cause.KEY_UNUSABLE, "only sha1"),
    (zone(s1=key("rsa2048")[1].replace("k=rsa", "k=rsa; s=tlsrpt")), Cause.KEY_UNUSABLE, "not for mail"),
    (zone(s1=key("rsa2048")[1].replace("k=rsa", "k=ed25519")), Cause.KEY_UNUSABLE, ""),
    (zone(s1=key("ed25519")[1]), Cause.KEY_UNUSABLE, "the signature is rsa, the key ed25519"),
    (zone(s1=key("rsa2048-other")[1]), Cause.OTHER_KEY, ""),
    (zone(s1=key("rsa1024")[1]), Cause.OTHER_KEY, ""),
    (zone(s1=key("rsa4096")[1]), Cause.OTHER_KEY, ""),
    (zone(s1=key("rsa2048")[1].replace("k=rsa", "k=rsa; t=y")), Cause.VERIFIES, ""),
    (zone(s1=key("rsa2048")[1].replace("v=DKIM1; ", "n=note;;") + ";"), Cause.VERIFIES, ""),
]


@pytest.mark.parametrize("number", range(len(KEYS)))
def test_what_is_wrong_with_the_key_is_told_apart(number: int) -> None:
    names, cause, words = KEYS[number]
    found = one(sign(), {DOMAIN: [], **names})
    assert found.cause is cause
    assert words in found.detail
    assert found.body is True  # needs no key


def test_a_key_that_is_weak_does_not_count() -> None:
    # A 512-bit key, made once: libraries refuse to make one today, and this signature is of no key at all.
    weak = (
        "v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKr8ryWETX4mg8hiAGQoX6iZUcPu7FWXE/o5c+RJFZuJLiuLuIcZI9KgHKT1fi1tPLA"
        "Xe9rWrw2WT6zC8WG+JusCAwEAAQ=="
    )
    found = one(sign(), zone(s1=weak))
    assert (found.cause, found.detail) == (Cause.KEY_UNUSABLE, "the key has only 512 bits")


def test_with_ed25519_another_key_and_a_changed_header_look_alike() -> None:
    found = one(sign(name="ed25519"), zone(s1=key("ed25519-other")[1]))
    assert (found.cause, found.header) == (Cause.HEADER, False)
    assert "another key" in found.detail


TAGS: list[tuple[dict[str, str | None], Cause, str]] = [
    # tags as signed; the cause and words of its detail
    ({"x": str(STAMP + 60)}, Cause.VERIFIES, ""),
    ({"x": str(STAMP - 60), "t": None}, Cause.VERIFIES, ""),  # clocks differ
    ({"x": str(STAMP - 7200), "t": None}, Cause.EXPIRED, "x= is 2026-11-02 08:01 UTC"),
    ({"t": str(STAMP + 7200)}, Cause.FUTURE, "t= is 2026-11-02 12:01 UTC"),
    ({"t": "999999999999"}, Cause.FUTURE, ""),
    ({"t": None}, Cause.VERIFIES, ""),
    ({"t": str(STAMP), "x": str(STAMP - 1)}, Cause.MALFORMED, "expires before it was made"),
    ({"x": "never"}, Cause.MALFORMED, "x= is not a number"),
    ({"l": "-1"}, Cause.MALFORMED, "l= is not a number"),
    ({"v": "2"}, Cause.MALFORMED, "version '2' is not 1"),
    ({"v": None}, Cause.MALFORMED, "has no v="),
    ({"s": None}, Cause.MALFORMED, "has no s="),
    ({"bh": "***"}, Cause.MALFORMED, "not base64"),
    ({"c": "loose"}, Cause.MALFORMED, "canonicalization 'loose'"),
    ({"q": "ldap"}, Cause.MALFORMED, "not to be had from DNS"),
    ({"q": "x-new:dns/txt"}, Cause.VERIFIES, ""),
    ({"i": "ann@mail.corp.example"}, Cause.VERIFIES, ""),
    ({"i": "ann@evilcorp.example"}, Cause.MALFORMED, "(evilcorp.example) does not lie within d="),
    ({"h": "to:subject"}, Cause.FROM_UNSIGNED, "anyone may change the author"),
    ({"z": "From:x|To:y"}, Cause.VERIFIES, ""),
]


@pytest.mark.parametrize("number", range(len(TAGS)))
def test_the_tags_of_a_signature_are_obeyed(number: int) -> None:
    tags, cause, words = TAGS[number]
    found = one(sign(**tags))
    assert found.cause is cause
    assert words in found.detail


def test_sha1_is_not_accepted_though_it_verifies() -> None:
    found = one(sign(a="rsa-sha1"))
    assert (found.cause, str(found.result), found.body) == (Cause.SHA1, "policy", True)


def test_a_signature_without_the_author_is_a_permanent_error() -> None:
    found = one(sign(h="to:subject"))
    assert (found.cause, str(found.result)) == (Cause.FROM_UNSIGNED, "permerror")


def test_a_tag_that_stands_twice_makes_the_field_void() -> None:
    assert one(sign().replace(b" d=corp.example;", b" d=corp.example; d=corp.example;", 1)).cause is Cause.MALFORMED


def test_a_key_may_forbid_subdomains() -> None:
    strict = zone(s1=key("rsa2048")[1].replace("k=rsa", "k=rsa; t=s"))
    assert one(sign(), strict).cause is Cause.VERIFIES
    assert one(sign(i="ann@mail.corp.example"), strict).cause is Cause.KEY_UNUSABLE


def test_a_length_leaves_the_end_of_the_body_open() -> None:
    raw = sign(length=True)
    assert one(raw).unsigned == 0
    assert one(sign()).unsigned is None
    found = one(raw + b"Buy now!\r\n")
    assert (found.cause, found.unsigned) == (Cause.VERIFIES, len(b"Buy now!\r\n"))
    assert one(raw.replace(b"Ann\r\n", b"")).cause is Cause.BODY


def test_many_signatures_are_verified_up_to_a_limit() -> None:
    raw = sign()
    field = raw[: len(raw) - len(MESSAGE)]
    found = verify(field * 12 + MESSAGE)
    assert ([s.number for s in found.signatures], found.left_out) == (list(range(1, 11)), 2)
    assert {s.cause for s in found.signatures} == {Cause.VERIFIES}


@pytest.mark.parametrize(
    ("signer", "record", "aligned"),
    [
        ("corp.example", "v=DMARC1; p=none", True),
        ("corp.example", "v=DMARC1; p=none; adkim=s", True),
        ("news.corp.example", "v=DMARC1; p=none", True),
        ("news.corp.example", "v=DMARC1; p=none; adkim=s", False),
        ("vendor.example", "v=DMARC1; p=none", False),
        ("vendor.example", "", False),
        ("corp.example", "", True),
    ],
)
def test_alignment_follows_the_record_of_the_author(signer: str, record: str, aligned: bool) -> None:
    published = {f"_dmarc.{DOMAIN}": [("TXT", txt(record.encode()))]} if record else {}
    found = verify(sign(domain=signer), {DOMAIN: [], **zone(domain=signer), **published})
    assert (found.signatures[0].cause, found.signatures[0].aligned) == (Cause.VERIFIES, aligned)


def test_alignment_that_cannot_be_known_is_not_guessed() -> None:
    silent = {f"_dmarc.{d}": [("*", "SERVFAIL")] for d in (DOMAIN, "news.corp.example")}
    assert (
        verify(sign(domain="news.corp.example"), {**zone(domain="news.corp.example"), **silent}).signatures[0].aligned
        is None
    )


def test_the_table_has_a_row_a_signature() -> None:
    table = verify(sign(sign(), selector="gone")).table()
    assert table[["selector", "result", "cause"]].to_numpy().tolist() == [
        ["gone", "permerror", "key missing"],
        ["s1", "pass", "verifies"],
    ]
    assert table["header"].isna().tolist() == [True, False]
    assert verify(MESSAGE).table().empty


def test_nothing_is_asked_of_a_case_without_a_recording() -> None:
    found = signatures.verify_message(Network(), sign(), at=AT)
    assert (found.signatures[0].cause, found.signatures[0].detail) == (Cause.KEY_UNKNOWN, "not recorded")


HUGE = [
    b" " * canonical.MAX_HEAD,
    b"\r\n" * 6_000_000,
    b"a \r\n" * 3_500_000,
    b"\r" * 14_000_000,
    b"\t" * 14_000_000,
]


@pytest.mark.parametrize("body", HUGE, ids=["header", "lines", "blanks", "returns", "tabs"])
def test_a_message_made_to_last_is_done_in_seconds(body: bytes) -> None:
    raw = sign(sign(form="simple/simple"))
    began = time.monotonic()
    assert len(verify(raw + body).signatures) == 2
    verify(raw.replace(b"\r\n\r\n", b"\r\n" + body[:500_000] + b"\r\n\r\n", 1))
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"A: b\r\n\r\n" + b"x" * canonical.MAX_MESSAGE, "longer than 15 MB"),
        (b"A: " + b"x" * canonical.MAX_HEAD + b"\r\n\r\n", "header is longer"),
        (b"A: b\r\n" * 3_000, "more than 2,000 header fields"),
    ],
)
def test_what_is_too_large_is_left_alone_and_told(raw: bytes, why: str) -> None:
    found = verify(raw)
    assert (found.signatures, why in found.why) == ((), True)


@pytest.mark.parametrize(
    "field",
    [
        b"a" * 100_000,
        b"v=1; b=" + b"\r\n " * 5_000 + b";",
        b"v=1; h=" + b"a:" * 7_000 + b"; a=rsa-sha256; b=AAAA; bh=AAAA; d=x; s=y",
        b"v=1; a=rsa-sha256; b=AAAA; bh=AAAA; d=" + b"x." * 3_000 + b"; s=\xff\x00; h=from",
    ],
)
def test_a_field_made_to_last_is_malformed_at_once(field: bytes) -> None:
    began = time.monotonic()
    [found] = verify(b"DKIM-Signature: " + field + b"\r\n" + MESSAGE).signatures
    assert found.cause in (Cause.MALFORMED, Cause.KEY_UNKNOWN)
    assert time.monotonic() - began < 2


SIGNED = [sign(), sign(name="ed25519", selector="e1"), sign(form="simple/simple"), sign(length=True)]
NAMES = zone(e1=key("ed25519")[1])


def by_dkimpy(raw: bytes) -> bool:
    records = {"s1": key("rsa2048")[1], "e1": key("ed25519")[1]}

    def lookup(name: bytes, timeout: int = 5) -> str | None:
        return (
            records.get(name.decode("latin-1").partition(".")[0])
            if name.endswith(b"._domainkey.corp.example.")
            else None
        )

    try:
        return bool(dkimpy.verify(raw, dnsfunc=lookup))
    except Exception:
        return False


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network(NAMES, timeout=0.3) as made:
        yield made


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SIGNED), st.integers(0, 900), st.binary(max_size=12), st.integers(0, 6))
def test_no_damage_makes_it_raise_and_dkimpy_agrees(net: Network, raw: bytes, at: int, noise: bytes, cut: int) -> None:
    damaged = raw[:at] + noise + raw[at + cut :]
    found = signatures.verify_message(net, damaged, at=AT)
    passed = bool(found.signatures) and found.signatures[0].cause is Cause.VERIFIES
    if by_dkimpy(damaged):
        assert passed or found.signatures[0].cause is Cause.FROM_UNSIGNED
    elif passed:
        assert damaged.split(b"\r\n\r\n")[0] != raw.split(b"\r\n\r\n")[0]


@given(st.text("ab \t\r\n", max_size=40))
def test_bodies_are_canonicalized_as_dkimpy_does(text: str) -> None:
    message = canonical.take_apart(b"A: b\r\n\r\n" + text.encode())
    _, body = dkimpy.rfc822_parse(b"A: b\r\n\r\n" + text.encode())
    assert message.body == body
    assert message.simple == Simple.canonicalize_body(body)
    whole = body if body.endswith(b"\r\n") or not body else body + b"\r\n"
    assert message.relaxed == Relaxed.canonicalize_body(whole)


def test_the_examples_of_rfc_6376_section_3_4_5() -> None:
    message = canonical.take_apart(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n")
    assert message.relaxed == b" C\r\nD E\r\n"
    assert message.simple == b" C \r\nD \t E\r\n"
    assert message.fields == ((b"A", b" X\r\n"), (b"B", b" Y\t\r\n\tZ  \r\n"))
    empty = canonical.take_apart(b"A: X\r\n\r\n")
    assert (empty.simple, empty.relaxed) == (b"\r\n", b"")


def test_times_are_the_messages_not_the_readers() -> None:
    raw = sign(x=str(STAMP + 86_400))
    assert one(raw, at=AT).cause is Cause.VERIFIES
    assert one(raw, at=AT + timedelta(days=400)).cause is Cause.EXPIRED
    assert one(raw, at=AT - timedelta(days=400)).cause is Cause.FUTURE


def test_comments_within_comments_name_no_author() -> None:
    with network({}) as net:
        found = signatures.verify_message(
            net, b"From: " + b"(" * 20_000 + b"\r\n\r\nhi\r\n", at=datetime(2026, 11, 16, tzinfo=UTC)
        )
    assert (found.author, found.authors) == ("", 1)
