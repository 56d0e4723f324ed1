"""BIMI records, logos and mark certificates: each rule of the drafts, over real DNS packets and real HTTPS."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplab import inventory, messages
from smtplab.authentication import AuthEvidence, bimi, check, collect, dmarc, logo, mark
from smtplab.authentication.bimi import Bimi
from smtplab.authentication.collect import ask
from smtplab.net import Network, NetworkSettings
from smtplab.net.dns import State
from smtplab.tables import Sighting
from tests.authentication.dnsserver import Zone, network, serve, txt
from tests.net.certs import AT, DAY, Authority
from tests.net.scripted import Line, Scripted, context

DOMAIN = "corp.example"
WEB = "logo.corp.example"
ENFORCED = "v=DMARC1; p=reject"
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" version="1.2" baseProfile="tiny-ps" viewBox="0 0 96 96">'
    '<title>Corp</title><rect width="96" height="96" fill="teal"/>{}</svg>'
)
GOOD = SVG.format("")


def zone(record: str | None, policy: str = ENFORCED, **names: str) -> Zone:
    made: dict[str, list[tuple[str, str]]] = {DOMAIN: [], f"_dmarc.{DOMAIN}": [("TXT", txt(policy.encode()))]}
    if record is not None:
        made[f"default._bimi.{DOMAIN}"] = [("TXT", txt(record.encode()))]
    return made | {n: [("TXT", txt(r.encode()))] for n, r in names.items()} | {WEB: [("A", "127.0.0.1")]}


def found(net: Network, domain: str = DOMAIN, selector: str = "default") -> Bimi:
    async def work() -> Bimi:
        return await bimi.collect(net, await dmarc.collect(net, domain), AT, selector)

    return net.run(work())


def codes(*records: Bimi) -> list[str]:
    evidence = AuthEvidence((DOMAIN,), (), (), (), (), (), bimi=records)
    return [f.code for f in check(evidence).of("bimi.")]


RECORDS: list[tuple[str, list[str], str]] = [
    # the record; its codes where nothing can be fetched, and words of its error
    ("v=BIMI1; l=; a=;", ["bimi.declined"], ""),
    ("v=BIMI1;l=", ["bimi.declined"], ""),
    ("v=BIMI1; a=https://corp.example/m.pem", ["bimi.record.invalid"], "it has no l="),
    ("v=BIMI1; l=http://corp.example/l.svg", ["bimi.record.invalid"], "l= is not one https address"),
    ("v=BIMI1; l=https://a.example/l.svg,https://b.example/l.svg", ["bimi.record.invalid"], "l= is not one"),
    ("v=BIMI1; l=https://localhost/l.svg", ["bimi.record.invalid"], "l= is not one"),
    ("v=BIMI1; l=https://user@a.example/l.svg", ["bimi.record.invalid"], "l= is not one"),
    ("v=BIMI1; l=https://a.example:99999/l.svg", ["bimi.record.invalid"], "l= is not one"),
    ("v=BIMI1; l=; a=ftp://a.example/m.pem", ["bimi.record.invalid"], "a= is not one https address"),
    (f"v=BIMI1; l=https://{DOMAIN}/l.svg", ["bimi.logo.unreachable", "bimi.certificate.missing"], ""),
    ("v=bimi1; l=", ["bimi.missing"], ""),
    ("l=; v=BIMI1", ["bimi.missing"], ""),
    ("v=spf1 -all", ["bimi.missing"], ""),
]


@pytest.mark.parametrize(("record", "expected", "error"), RECORDS)
def test_a_record_is_read_as_the_draft_says(record: str, expected: list[str], error: str) -> None:
    with network(zone(record), timeout=0.5) as net:
        got = found(net)
    assert error in got.error
    assert bool(error) is bool(got.error)
    assert sorted(codes(got)) == sorted(expected)


def test_avatar_preference_and_unknown_tags() -> None:
    assert [bimi.parse(f"v=BIMI1; l=; avp={v}; x=y").avatar for v in ("personal", "brand", "other")] == [  # type: ignore[union-attr]
        "personal",
        "brand",
        "brand",
    ]


POLICIES: list[tuple[str, tuple[str, ...]]] = [
    ("v=DMARC1; p=reject", ()),
    ("v=DMARC1; p=quarantine", ()),
    ("v=DMARC1; p=quarantine; pct=100", ()),
    ("v=DMARC1; p=reject; pct=5", ()),  # the draft names pct for quarantine alone
    ("v=DMARC1; p=quarantine; pct=99", ("pct=99",)),
    ("v=DMARC1; p=none", ("p=none",)),
    ("v=DMARC1; p=reject; sp=none", ("sp=none",)),
    ("v=DMARC1; p=reject; t=y", ("t=y",)),
    ("v=DMARC1; p=none; t=y", ("p=none", "t=y")),
    ("nothing", ("there is no DMARC record",)),
]


@pytest.mark.parametrize(("policy", "forbidden"), POLICIES)
def test_a_logo_needs_an_enforced_policy(policy: str, forbidden: tuple[str, ...]) -> None:
    with network(zone("v=BIMI1; l=", policy), timeout=0.5) as net:
        got = found(net)
    assert got.forbidden is not None
    assert tuple(f.removesuffix(f" at _dmarc.{DOMAIN}") for f in got.forbidden) == forbidden


def test_the_policy_of_the_organization_counts_for_a_subdomain_too() -> None:
    names = zone("v=BIMI1; l=", "v=DMARC1; p=none", **{f"_dmarc.news.{DOMAIN}": "v=DMARC1; p=reject"})
    with network(names, timeout=0.5) as net:
        got = found(net, f"news.{DOMAIN}")
    assert got.forbidden == (f"p=none at _dmarc.{DOMAIN}",)
    assert (got.domain, got.place, got.declined) == (f"news.{DOMAIN}", DOMAIN, True)


def test_what_cannot_be_asked_for_is_unknown() -> None:
    silent: Zone = {n: [("*", "SERVFAIL")] for n in (DOMAIN, f"_dmarc.{DOMAIN}", f"default._bimi.{DOMAIN}")}
    with network(silent, timeout=0.5) as net:
        got = found(net)
    assert (got.state, got.forbidden, codes(got)) == (State.UNKNOWN, None, ["bimi.unknown"])


def test_where_the_organization_is_unknown_its_logo_is_too() -> None:
    names = {f"news.{DOMAIN}": [("A", "192.0.2.1")], f"_dmarc.{DOMAIN}": [("*", "SERVFAIL")]}
    with network(names, timeout=0.5) as net:
        got = found(net, f"news.{DOMAIN}")
    assert (got.state, got.why) == (State.UNKNOWN, f"_dmarc.{DOMAIN}: SERVFAIL")


def test_two_records_are_none() -> None:
    two = [("TXT", txt(b"v=BIMI1; l=")), ("TXT", txt(b"v=BIMI1; l=; a="))]
    with network({**zone(None), f"default._bimi.{DOMAIN}": two}, timeout=0.5) as net:
        assert codes(found(net)) == ["bimi.record.invalid"]


def test_a_logo_that_only_messages_ask_for_is_looked_up(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_text(f"From: a@{DOMAIN}\nBIMI-Selector: v=BIMI1; s=Spring;\n\nHi\n", "utf-8")
    seen = messages.sightings(messages.read_paths([tmp_path], domains=(DOMAIN,)))
    assert [s for s in seen if s.kind == "bimi_selector"] == [
        Sighting("bimi_selector", "spring", DOMAIN, "sample messages", 1)
    ]
    known = inventory.merge([Sighting("domain", DOMAIN), *seen])
    with network(zone("v=BIMI1; l="), timeout=0.5) as net:
        evidence = net.run(ask(net, known, at=AT))
        assert [b.name for b in evidence.bimi] == [f"default._bimi.{DOMAIN}", f"spring._bimi.{DOMAIN}"]
        assert not net.run(ask(net, inventory.merge([Sighting("domain", DOMAIN)]), guess=False)).bimi
    assert {f.code for f in check(evidence).of("bimi.")} == {"bimi.declined", "bimi.selector.missing"}
    assert evidence.logos()["record"].tolist() == ["v=BIMI1; l=", "absent"]


AUTHORITY = Authority()
OK = "HTTP/1.1 200 OK\r\nContent-Type: image/svg+xml\r\nConnection: close\r\n\r\n"


@contextmanager
def website(folder: Path, pages: Mapping[str, str], certified: str = WEB) -> Iterator[tuple[int, Path]]:
    """Serve pages by path over HTTPS; gives the port and the file of trusted roots."""

    async def handle(line: Line) -> None:
        asked = await line.hear()
        with suppress(EOFError):
            while await line.hear():
                pass
        path = asked.split(" ")[1]
        await line.say(OK + pages[path] if path in pages else "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    files = AUTHORITY.issue(certified).write(folder / "tls")
    with Scripted(handle, context(*files), implicit=True) as server:
        yield server.port, AUTHORITY.pem(folder / "root.pem")


def served(folder: Path, pages: Mapping[str, str], record: str, policy: str = ENFORCED, certified: str = WEB) -> Bimi:
    with website(folder, pages, certified) as (port, trust):
        place = f"https://{WEB}:{port}"
        with serve(zone(record.replace("WEB", place), policy)) as resolver:
            settings = NetworkSettings(resolver=resolver, timeout=1.0, public=("127.0.0.0/8",), trust=trust)
            return found(Network.without_case(settings))


LOGO = "v=BIMI1; l=WEB/l.svg"
PAGES: list[tuple[Mapping[str, str], str, str, list[str]]] = [
    # pages, record, policy; the codes
    ({"/l.svg": GOOD}, LOGO, ENFORCED, ["bimi.certificate.missing", "bimi.ok"]),
    ({"/l.svg": GOOD}, LOGO, "v=DMARC1; p=none", ["bimi.certificate.missing", "bimi.policy"]),
    ({"/l.svg": SVG.format("<script/>")}, LOGO, ENFORCED, ["bimi.certificate.missing", "bimi.logo.invalid"]),
    ({"/l.svg": "<html>Hi</html>"}, LOGO, ENFORCED, ["bimi.certificate.missing", "bimi.logo.invalid"]),
    ({}, LOGO, ENFORCED, ["bimi.certificate.missing", "bimi.logo.unreachable"]),
    ({"/l.svg": GOOD}, f"{LOGO}; a=WEB/m.pem", ENFORCED, ["bimi.certificate.invalid"]),
    ({"/l.svg": GOOD, "/m.pem": "no PEM"}, f"{LOGO}; a=WEB/m.pem", ENFORCED, ["bimi.certificate.invalid"]),
]


@pytest.mark.parametrize("number", range(len(PAGES)))
def test_what_stands_at_the_addresses_is_judged(tmp_path: Path, number: int) -> None:
    pages, record, policy, expected = PAGES[number]
    assert sorted(codes(served(tmp_path, pages, record, policy))) == sorted(expected)


def test_a_logo_behind_a_bad_certificate_is_not_shown(tmp_path: Path) -> None:
    got = served(tmp_path, {"/l.svg": GOOD}, LOGO, certified="other.example")
    assert "certificate" in got.logo_error
    assert got.logo is None


def test_a_logo_is_never_fetched_from_a_private_address() -> None:
    with network({**zone(f"v=BIMI1; l=https://{WEB}/l.svg"), WEB: [("A", "10.0.0.1")]}, timeout=0.5) as net:
        got = found(net)
    assert got.logo_error == f"{WEB} has only private addresses"


def pem(*names: str, begin: int = -30, end: int = 60, extension: bool = False) -> bytes:
    logotype = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.12"), b"0\x00")
    issued = AUTHORITY.issue(*names, begin=AT + begin * DAY, end=AT + end * DAY, more=(logotype,) if extension else ())
    return b"".join(c.public_bytes(Encoding.PEM) for c in issued.chain)


MARKS: list[tuple[bytes, str]] = [
    (pem(DOMAIN), "required extension: logotype"),
    (pem(DOMAIN, extension=True), "not issued by a recognized Mark Verifying Authority"),
    (pem("other.example"), f"{DOMAIN} does not match the certificate domain"),
    (pem(DOMAIN, begin=-90, end=-1), "it ended on 2026-11-15"),
    (pem(DOMAIN, begin=1), "it begins on 2026-11-17"),
    (pem(DOMAIN), "markType is missing"),
    (b"", "no certificate in PEM"),
    (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate in PEM"),
]


@pytest.mark.parametrize("number", range(len(MARKS)))
def test_faults_of_a_mark_certificate_are_named(number: int) -> None:
    data, words = MARKS[number]
    assert words in "; ".join(mark.examine(data, DOMAIN, AT).problems)


def test_a_mark_certificate_is_judged_at_the_cases_time() -> None:
    ended = mark.examine(pem(DOMAIN, begin=-90, end=-1), DOMAIN, AT - 10 * DAY)
    assert not [p for p in ended.problems if "ended" in p or "expired" in p]


def test_without_the_extra_only_dates_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "checkdmarc", None)
    got = served(tmp_path, {"/l.svg": GOOD, "/m.pem": pem(DOMAIN).decode()}, f"{LOGO}; a=WEB/m.pem")
    assert got.mark is not None
    assert (got.mark.checked, got.mark.problems) == (False, ())
    assert codes(got) == ["bimi.certificate.unchecked", "bimi.ok"]


RULES: list[tuple[str, str]] = [
    # a logo and the rule that it breaks
    (GOOD.replace('version="1.2"', ""), 'version="1.2" (missing)'),
    (GOOD.replace("1.2", "1.1"), "version=\"1.2\" (it is '1.1')"),
    (GOOD.replace("tiny-ps", "tiny"), "baseProfile=\"tiny-ps\" (it is 'tiny')"),
    (GOOD.replace("<title>Corp</title>", ""), "one title, not empty (none)"),
    (GOOD.replace("Corp", " "), "one title, not empty"),
    (SVG.format("<title>Two</title>"), "one title, not empty (Corp, Two)"),
    (GOOD.replace("<svg ", '<svg x="0" '), "no x or y on the root (x)"),
    (SVG.format("<script>1</script>"), "nothing interactive (script)"),
    (SVG.format('<a href="#x"/>'), "nothing interactive (a)"),
    (GOOD.replace("<rect", '<rect onclick="x()"'), "nothing interactive (onclick)"),
    (SVG.format("<animate/>"), "no animation (animate)"),
    (SVG.format('<image href="data:image/png;base64,AAAA"/>'), "no raster image, no media (image)"),
    (SVG.format("<foreignObject/>"), "no raster image, no media (foreignObject)"),
    (SVG.format('<use href="https://evil.example/x#y"/>'), "no reference to anything outside (https://evil"),
    (SVG.format('<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="other.svg"/>'), "outside (other.svg)"),
    (GOOD.replace("teal", "url(https://evil.example/x)"), "no reference to anything outside (https://evil"),
    (SVG.format("<style>@import 'x.css';</style>"), "no reference to anything outside (@import)"),
    (SVG.format("<filter/>"), "only elements of SVG Tiny 1.2 (filter)"),
    (SVG.format('<b xmlns="urn:other"/>'), "only elements of SVG Tiny 1.2 (b)"),
    (GOOD.replace("<rect", '<rect style="fill:red"'), "only elements of SVG Tiny 1.2 (style)"),
    (GOOD.replace("<svg ", '<svg zoomAndPan="magnify" '), "fixed values (zoomAndPan=magnify)"),
    (GOOD.replace("http://www.w3.org/2000/svg", "urn:x"), "an SVG document in UTF-8 (the root is {urn:x}svg)"),
    (SVG.format("<!-- " + "x" * 33_000 + " -->"), "at most 32 KB"),
    (f'<!DOCTYPE svg [<!ENTITY a "{"b" * 99}">]>{GOOD}', "it declares entities"),
    ("\x1f\x8b", "compressed"),
    ("", "not XML"),
    ("<a>" * 40_000, "not XML"),
]


@pytest.mark.parametrize("number", range(len(RULES)))
def test_each_rule_of_the_profile_is_held(number: int) -> None:
    data, words = RULES[number]
    assert words in "; ".join(logo.examine(data.encode()).broken)


def test_the_example_of_the_profiles_draft_keeps_every_rule() -> None:
    # draft-svg-tiny-ps-abrotman section 5: attributes of behaviour may stand with their fixed values.
    example = (
        '<?xml version="1.0"?><svg width="400px" height="400px" xmlns="http://www.w3.org/2000/svg" version="1.2" '
        'baseProfile="tiny-ps" zoomAndPan="disable" externalResourcesRequired="false"><title>Example, Inc.</title>'
        '<desc>Logo</desc><rect x="1" y="1" width="399" height="399" fill="teal" stroke="gray"/></svg>'
    )
    table = logo.examine(example.encode()).table()
    assert table["ok"].all()
    advice = logo.examine(GOOD.replace("96 96", "96 40").encode())
    assert not advice.broken
    assert advice.table().set_index("rule").loc["square", "ok"] == False  # noqa: E712


def test_what_editors_note_of_themselves_does_no_harm() -> None:
    assert not logo.examine(SVG.format('<metadata><r:R xmlns:r="urn:rdf"/></metadata>').encode()).broken


@settings(deadline=None)
@given(st.text(max_size=200), st.binary(max_size=200))
def test_nothing_makes_a_reader_raise(text: str, data: bytes) -> None:
    for record in (text, f"v=BIMI1; {text}", f"v=BIMI1; l=https://{text}"):
        read = bimi.parse(record)
        assert read is None or isinstance(codes(read), list)
    assert logo.examine(data).table().columns.size == 4
    assert logo.examine(SVG.format(text).encode("utf-8", "replace")).rules
    assert mark.examine(b"-----BEGIN CERTIFICATE-----\n" + data, DOMAIN, AT).problems


def test_a_case_keeps_what_was_fetched(tmp_path: Path) -> None:
    from smtplab.case import Case

    with (
        website(tmp_path, {"/l.svg": GOOD}) as (port, trust),
        serve(zone(f"v=BIMI1; l=https://{WEB}:{port}/l.svg")) as r,
    ):
        Case.create(tmp_path / "case", DOMAIN)
        (tmp_path / "case" / "root.pem").write_bytes(trust.read_bytes())
        (tmp_path / "case" / "case.toml").write_text(
            f'version = 1\ndomains = ["{DOMAIN}"]\nas_of = {AT:%Y-%m-%dT%H:%M:%SZ}\n[network]\nresolver = "{r}"\n'
            'timeout = 1.0\npublic = ["127.0.0.0/8"]\ntrust = "root.pem"\n'
        )
        with Case.open(tmp_path / "case", live=True) as case:
            live = collect(case, inventory.gather(case))
    again = Case.open(tmp_path / "case")
    replayed = collect(again, inventory.gather(again))
    assert replayed.bimi == live.bimi
    assert live.bimi[0].table()["ok"].all()
    assert isinstance(live.logos(), pd.DataFrame)
