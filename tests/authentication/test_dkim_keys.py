"""DKIM key records: what is published, judged by RFC 6376, 8301 and 8463, over real packets."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from smtplab.authentication import AuthEvidence, check, dkim
from smtplab.authentication.spf import SpfRecord
from smtplab.findings import Findings, Severity
from smtplab.net.dns import State
from tests.authentication.dnsserver import Zone, network, txt

DOMAIN = "corp.example"
AT = datetime(2026, 6, 1, tzinfo=UTC)
NAME = f"s1._domainkey.{DOMAIN}"
Record = tuple[str, str]


def spki(bits: int, exponent: int = 65537) -> str:
    key = rsa.generate_private_key(65537, bits).public_key()
    if exponent != 65537:
        key = rsa.RSAPublicNumbers(exponent, key.public_numbers().n).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


GOOD, SMALL = spki(2048), spki(1024)
EDWARDS = ed25519.Ed25519PrivateKey.generate().public_key()
RAW = base64.b64encode(EDWARDS.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
WRAPPED = base64.b64encode(EDWARDS.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
RSA = f"v=DKIM1; k=rsa; p={GOOD}"


def text(value: str) -> Record:
    return "TXT", txt(value.encode())


def key(records: list[Record], names: Zone | None = None) -> dkim.DkimKey:
    with network({DOMAIN: [], NAME: records, **(names or {})}) as net:
        return net.run(dkim.collect(net, DOMAIN, "s1", "a sample"))


def judged(*keys: dkim.DkimKey, guesses: tuple[dkim.Discovery, ...] = (), spf: str = "v=spf1 mx -all") -> Findings:
    published = SpfRecord(DOMAIN, State.PRESENT, (spf,))
    return check(AuthEvidence((DOMAIN,), (), (published,), keys, (), pd.DataFrame(), guesses, at=AT)).of("dkim.")


CASES: list[tuple[str, set[str], str]] = [
    # the record, its codes, and words of the first finding's reason
    (RSA, {"ok"}, ""),
    (f"k=rsa; p={GOOD}", {"ok"}, ""),
    (f"p={GOOD}", {"ok"}, ""),
    (f"v=DKIM1; p={GOOD[:100]} {GOOD[100:]}", {"ok"}, ""),  # RFC 6376 allows folding blanks within base64
    (f"v=DKIM1; n=a note; x=unknown tag; p={GOOD};", {"ok"}, ""),
    (f"v=DKIM1; h=sha1:sha256; s=tlsrpt:email; p={GOOD}", {"ok"}, ""),
    (f"v=DKIM1; s=*; t=s; p={GOOD}", {"ok"}, ""),
    (f"v=DKIM1; k=ed25519; p={RAW}", {"ok"}, ""),
    (f"k=rsa; v=DKIM1; p={GOOD}", {"order"}, ""),
    (f"{RSA}; t=y:s", {"testing"}, ""),
    (f"v=DKIM1; p={SMALL}; t = y", {"testing", "short"}, ""),
    (f"v=DKIM1; p={spki(4098)}", {"long"}, ""),
    (f"v=DKIM1; p={spki(2048, 3)}", {"exponent"}, "3"),
    (f"v=DKIM1; h=sha1; p={GOOD}", {"hash"}, "sha1"),
    (f"v=DKIM1; s=tlsrpt; p={GOOD}", {"service"}, "tlsrpt"),
    ("v=DKIM1; p=", {"revoked"}, ""),
    ("v=DKIM1; p= ; k=rsa", {"revoked"}, ""),
    (f"v=DKIM1; k=RSA; p={GOOD}", {"invalid"}, "key type 'RSA' is not known"),
    (f"v=dkim1; p={GOOD}", {"invalid"}, "version 'dkim1'"),
    (f"{RSA}; p={GOOD}", {"invalid"}, "'p' stands twice"),
    (RSA[:255], {"invalid"}, "ends too early: 177 of 294 bytes"),
    (f"v=DKIM1; p={SMALL[:150]}", {"invalid"}, "ends too early: 112 of 162 bytes"),
    (f"v=DKIM1; k=ed25519; p={WRAPPED}", {"invalid"}, "32 bytes alone"),
    (f"v=DKIM1; k=ed25519; p={RAW[:-4]}", {"invalid"}, "this one 30"),
    (f"v=DKIM1; k=rsa; p={RAW}", {"invalid"}, "not a public key"),
    (f"v=DKIM1; k=rsa; p={WRAPPED}", {"invalid"}, "not an RSA key"),
    ("v=DKIM1; k=rsa", {"invalid"}, "no p= tag"),
    (f'v=DKIM1; k=rsa; p={GOOD[:200]}" "{GOOD[200:]}', {"split"}, "holds '\"'"),
    (f'"{RSA}"', {"split"}, ""),
    (f"v=DKIM1\\; k=rsa\\; p={GOOD}", {"split"}, "version"),
    (f"v=DKIM1; k=rsa; p=-----BEGIN PUBLIC KEY-----{GOOD}-----END PUBLIC KEY-----", {"split"}, "holds '-'"),
    (f'v=DKIM1; k=rsa; p={GOOD[:200]}"', {"invalid"}, ""),  # quotes, and yet not the whole key
]


@pytest.mark.parametrize(("record", "codes", "words"), CASES, ids=[f"{i}" for i in range(len(CASES))])
def test_each_record_has_its_codes(record: str, codes: set[str], words: str) -> None:
    found = judged(key([text(record)]))
    assert {f.code.removeprefix("dkim.key.") for f in found} == codes
    assert words in found[0].why + found[0].title


def test_the_record_proposed_for_a_spoiled_one_is_sound_and_the_same_key() -> None:
    [found] = judged(key([text(f'v=DKIM1; k=rsa; p={GOOD[:200]}" "{GOOD[200:]}')]))
    name, _, value = found.record.partition(". TXT ")
    strings = value.strip('"').split('" "')
    assert (name, max(map(len, strings)) <= 255) == (NAME, True)
    assert dkim.parse(DOMAIN, "s1", "".join(strings)).record == RSA
    assert [f.code for f in judged(key([("TXT", value)]))] == ["dkim.key.ok"]


@pytest.mark.parametrize("limits", ["h=sha1", "s=tlsrpt", "h=sha1; s=tlsrpt"])
def test_the_record_proposed_for_a_key_that_is_not_for_mail_lets_it_in(limits: str) -> None:
    [found] = judged(key([text(f"v=DKIM1; k=rsa; {limits}; p={GOOD}")]))
    name, _, value = found.record.partition(". TXT ")
    assert (name, value.replace('" "', "")) == (NAME, f'"{RSA}"')
    assert [f.code for f in judged(key([("TXT", value)]))] == ["dkim.key.ok"]


def test_a_key_over_several_records_is_put_together_where_one_order_fits() -> None:
    pieces = [text(f"v=DKIM1; k=rsa; p={GOOD[:150]}"), text(GOOD[150:300]), text(GOOD[300:])]
    [found] = judged(key(pieces))
    assert found.code == "dkim.key.split"
    assert "3 TXT records" in found.why
    assert GOOD[300:] in found.record


@pytest.mark.parametrize("other", ["v=spf1 -all", "token=123", f"v=DKIM1; p={SMALL}"])
def test_a_second_record_at_the_name_is_told_whichever_comes_first(other: str) -> None:
    found = judged(key([text(RSA), text(other)]))
    assert "dkim.key.multiple" in {f.code for f in found}
    assert found.of("dkim.key.multiple")[0].facts["count"] == 2


def test_two_faulty_records_that_do_not_fit_together_are_no_puzzle() -> None:
    assert [f.code for f in judged(key([text("p=AAAA"), text("v=DKIM1; k=none; p=BBBB")]))] == ["dkim.key.invalid"]
    assert judged(key([text(f"p={i}") for i in range(40)]))[0].code == "dkim.key.invalid"


def test_a_cname_to_a_service_counts_as_the_service_answers() -> None:
    target = f"s1.{DOMAIN}.mail.example"
    alias = [("CNAME", f"{target}.")]
    assert [f.code for f in judged(key(alias, {target: [text(RSA)]}))] == ["dkim.key.ok"]
    [missing] = judged(key(alias))
    assert missing.code == "dkim.key.missing"
    assert f"leads to {target}" in missing.why
    with network({NAME: alias}) as net:
        [dangling] = judged(net.run(dkim.collect(net, DOMAIN, "s1")))
    assert (dangling.code, dangling.facts["alias"]) == ("dkim.key.dangling", target)


def test_a_revoked_key_matters_only_where_it_is_in_use() -> None:
    with network({NAME: [text("v=DKIM1; p=")]}) as net:
        [found] = judged(net.run(dkim.collect(net, DOMAIN, "s1")))
    assert found.code == "dkim.key.retired"


# The records, the days since the selector was last seen (None: not known), the code and words of its title
AGES: list[tuple[list[Record], float | None, str, str]] = [
    ([], None, "missing", "Mail is signed"),
    ([], 30, "missing", "Mail is signed"),
    ([], 30.1, "retired", "is gone, and nothing shows it in use since 2026-05-01"),
    ([], -3, "missing", "Mail is signed"),
    ([text("v=DKIM1; p=")], None, "revoked", "Mail is signed"),
    ([text("v=DKIM1; p=")], 31, "retired", "is revoked, and nothing shows it in use since 2026-05-01"),
    ([("CNAME", "s1.service.example.")], 31, "dangling", "points to s1.service.example"),
    ([text(RSA)], 400, "ok", "is sound"),
]


@pytest.mark.parametrize(("records", "days", "code", "words"), AGES)
def test_a_selector_last_used_long_ago_is_out_of_use(
    records: list[Record], days: float | None, code: str, words: str
) -> None:
    last = None if days is None else AT - timedelta(days=days)
    [found] = judged(replace(key(records), last=last))
    assert found.code == f"dkim.key.{code}"
    assert words in found.title
    if code == "retired":
        assert found.severity is Severity.INFO


def discovered(zone: Zone) -> dkim.Discovery:
    with network(zone) as net:
        return net.run(dkim.discover(net, DOMAIN))


def test_where_domainkey_does_not_exist_no_selector_can() -> None:
    guess = discovered({DOMAIN: []})
    assert (guess.denied, guess.keys) == (True, ())
    assert guess.tried < len(dkim.common_selectors())
    assert [f.code for f in judged(guesses=(guess,))] == ["dkim.selectors.none"]
    assert [f.code for f in judged(guesses=(guess,), spf="v=spf1 -all")] == ["dkim.selectors.unneeded"]


def test_a_name_below_domainkey_leaves_everything_open() -> None:
    guess = discovered({DOMAIN: [], f"secret._domainkey.{DOMAIN}": [text(RSA)]})
    assert (guess.denied, guess.keys, guess.tried) == (False, (), len(dkim.common_selectors()))
    assert [f.code for f in judged(guesses=(guess,))] == ["dkim.selectors.unknown"]


def test_servers_that_wrongly_deny_domainkey_are_not_believed() -> None:
    # An empty name above a key, said not to exist: the fault that RFC 8020 section 3.1 warns of.
    first = dkim.common_selectors()[0]
    wrong = {f"_domainkey.{DOMAIN}": [("*", "NXDOMAIN")], f"{first}._domainkey.{DOMAIN}": [text(RSA)]}
    guess = discovered({DOMAIN: [], **wrong})
    assert not guess.denied
    assert [k.selector for k in guess.keys] == [first]


@pytest.mark.parametrize("broken", ["SERVFAIL", "REFUSED"])
def test_servers_that_do_not_answer_leave_everything_open(broken: str) -> None:
    names = [f"{s}._domainkey.{DOMAIN}" for s in dkim.common_selectors()]
    guess = discovered({n: [("*", broken)] for n in (DOMAIN, f"_domainkey.{DOMAIN}", *names)})
    assert (guess.denied, guess.tried) == (False, 0)
    assert judged(guesses=(guess,))[0].facts["count"] == 0


def test_a_wildcard_is_no_key_of_every_service() -> None:
    revoked = {f"{s}._domainkey.{DOMAIN}": [text("v=DKIM1; p=")] for s in dkim.common_selectors()}
    guess = discovered({DOMAIN: [], **revoked})
    assert guess.wildcard
    [found] = judged(guesses=(guess,))
    assert (found.code, found.facts["record"]) == ("dkim.selectors.wildcard", "v=DKIM1; p=")


@given(st.lists(st.text('vkpthsn=;: "\\\t019azAZ+/-DKIM', max_size=120), min_size=1, max_size=5))
def test_no_record_makes_a_reader_raise(records: list[str]) -> None:
    for record in (*records, f"v=DKIM1; p={records[0]}", f"k=ed25519; p={records[0]}"):
        found = dkim.parse(DOMAIN, "s", record)
        assert found.revoked or found.error or dkim.public_key(found)
        assert judged(found)


@given(st.integers(1, len(GOOD) - 1))
def test_a_key_cut_anywhere_is_no_key(at: int) -> None:
    assert dkim.parse(DOMAIN, "s", f"v=DKIM1; p={GOOD[:at]}").error
