"""Who answers from an old zone, who not at all, what caches hold, and when they are fresh: tables of tapes.

Servers are asked by address at port 53, which a test may not open; a tape knows no ports. Resolvers have ports, and
the layer below is tested with real packets.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplab import inventory, names
from smtplab.case import Case
from smtplab.findings import Finding, Findings
from smtplab.names import NamesEvidence, Zone
from smtplab.names.propagation import clock
from smtplab.net import Network, NetworkSettings
from smtplab.tables import Sighting
from smtplab.tape import Entry, Question, Recorder
from tests.authentication import dnsserver

DOMAIN = "corp.example"
AT = datetime(2026, 11, 16, 6, tzinfo=UTC)
NEW, OLD = "v=spf1 ip4:192.0.2.1 ip4:198.51.100.12 ip6:2001:db8::/48 -all", "v=spf1 ip4:192.0.2.1 -all"
DMARC, KEY = f"_dmarc.{DOMAIN}", f"s1._domainkey.{DOMAIN}"
NS1, NS2, NS2V6, PARENT, OTHER = "192.0.2.1", "192.0.2.2", "2001:db8::2", "192.0.2.100", "198.51.100.53"

Said = dict[str, Any]
Tape = dict[tuple[str, str, str], Said]
"""(name, type, server or "resolver=ADDRESS" or "") to an answer: records, ttl and so on, or unknown."""


def said(*records: str, ttl: int = 3600, **more: Any) -> Said:
    return {"rcode": "NOERROR", "records": list(records), "ttl": ttl, **more}


def absent(negative_ttl: int = 300, **more: Any) -> Said:
    return {"rcode": "NXDOMAIN", "records": [], "negative_ttl": negative_ttl, **more}


def soa(serial: int, minimum: int = 300) -> Said:
    return said(f"ns1.{DOMAIN}. root.{DOMAIN}. {serial} 7200 3600 1209600 {minimum}")


def sound() -> Tape:
    """Two servers and the resolver, which all say the same."""
    tape: Tape = {
        (DOMAIN, "NS", ""): said(f"ns1.{DOMAIN}", f"ns2.{DOMAIN}"),
        (f"ns1.{DOMAIN}", "A", ""): said(NS1),
        (f"ns1.{DOMAIN}", "AAAA", ""): said(),
        (f"ns2.{DOMAIN}", "A", ""): said(NS2),
        (f"ns2.{DOMAIN}", "AAAA", ""): said(),
        (f"mx.{DOMAIN}", "A", ""): said("192.0.2.10", "192.0.2.11"),
        (f"mx.{DOMAIN}", "AAAA", ""): said(),
    }
    for server in (NS1, NS2, ""):
        more = {"aa": True} if server else {}
        tape[DOMAIN, "SOA", server] = soa(7) | more
        tape[DOMAIN, "NS", server] = said(f"ns1.{DOMAIN}", f"ns2.{DOMAIN}", **more)
        tape[DOMAIN, "TXT", server] = said(NEW, "verification=1", **more)
        tape[DOMAIN, "MX", server] = said(f"10 mx.{DOMAIN}", **more)
        tape[DOMAIN, "A", server] = said("192.0.2.80", **more)
        tape[DMARC, "TXT", server] = said("v=DMARC1; p=none", **more)
        tape[KEY, "TXT", server] = said("v=DKIM1; p=AAAA", **more)
    return tape


def replay(
    folder: Path, tape: Mapping[tuple[str, str, str], Said], as_of: datetime = AT, more: str = ""
) -> NamesEvidence:
    """The evidence of a case with this tape."""
    Case.create(folder, DOMAIN)
    public = 'public = ["192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"]'
    selectors = f'[dkim.selectors]\n"{DOMAIN}" = ["s1"]\n'
    head = f'version = 1\ndomains = ["{DOMAIN}"]\nas_of = {as_of:%Y-%m-%dT%H:%M:%SZ}\n'
    recorder = Recorder(folder / "tape", started=AT, vantage="test")
    head += f'recording = "{recorder.target.stem}"\n'
    (folder / "case.toml").write_text(f"{head}{selectors}[network]\n{public}\n{more}")
    with recorder:
        for (name, rtype, at), value in tape.items():
            key = {"resolver": at.removeprefix("resolver=")} if at.startswith("resolver=") else {"server": at}
            question = Question.of("dns", name, {"rtype": rtype, **key})
            recorder.put(Entry(question, AT, 1.0, None if "unknown" in value else value, value.get("unknown")))
    case = Case.open(folder)
    return names.collect(case, inventory.gather(case))


def told(evidence: NamesEvidence) -> Findings:
    """Findings about servers and caches."""
    prefixes = ("names.propagation", "names.server", "names.delegation", "names.ttl")
    return Findings(f for f in names.check(evidence) if f.code.startswith(prefixes))


def without(tape: Tape, server: str, why: str) -> Tape:
    return {k: ({"unknown": why} if k[2] == server else v) for k, v in tape.items()}


AAAA = {(f"ns2.{DOMAIN}", "AAAA", ""): said(NS2V6)}
UP = {
    ("example", "NS", ""): said("a.nic.example"),
    ("a.nic.example", "A", ""): said(PARENT),
    ("a.nic.example", "AAAA", ""): said(),
}


def delegated(*servers: str) -> Tape:
    return {**UP, (DOMAIN, "NS", PARENT): {"rcode": "NOERROR", "records": [], "aa": False, "referral": list(servers)}}


CASES: list[tuple[str, Tape, set[str]]] = [
    ("all the same", {}, {"names.propagation.ok"}),
    ("an old SPF record at ns2", {(DOMAIN, "TXT", NS2): said(OLD)}, {"names.propagation.disagree"}),
    ("an old MX at ns2", {(DOMAIN, "MX", NS2): said(f"10 old.{DOMAIN}")}, {"names.propagation.disagree"}),
    ("no DMARC record at ns2", {(DMARC, "TXT", NS2): absent()}, {"names.propagation.disagree"}),
    ("another key at ns2", {(KEY, "TXT", NS2): said("v=DKIM1; p=BBBB")}, {"names.propagation.disagree"}),
    ("other name servers at ns2", {(DOMAIN, "NS", NS2): said(f"ns3.{DOMAIN}")}, {"names.propagation.disagree"}),
    ("another web address at ns2", {(DOMAIN, "A", NS2): said("192.0.2.81")}, {"names.propagation.ok"}),
    ("TXT that is no SPF", {(DOMAIN, "TXT", NS2): said(NEW, "verification=2")}, {"names.propagation.ok"}),
    (
        "a serial alone",
        {(DOMAIN, "SOA", NS2): soa(6)},
        {"names.propagation.ok", "names.propagation.serial"},
    ),
    ("ns2 refuses", without(sound(), NS2, "REFUSED"), {"names.server.lame"}),
    ("ns2 lost its zone", without(sound(), NS2, "SERVFAIL: NO_REACHABLE_AUTHORITY"), {"names.server.lame"}),
    ("ns2 has no authority", {(DOMAIN, "SOA", NS2): soa(7) | {"aa": False}}, {"names.server.lame"}),
    ("ns2 is silent", without(sound(), NS2, "timeout"), {"names.server.silent"}),
    ("ns2 was not asked", without(sound(), NS2, "not recorded"), set()),
    ("the time was over", without(sound(), NS2, "deadline"), set()),
    ("we have no IPv6", {**AAAA, (DOMAIN, "SOA", NS2V6): {"unknown": "timeout"}}, {"names.propagation.ok"}),
    ("every server is silent", without(without(sound(), NS1, "timeout"), NS2, "timeout"), set()),
    ("the parent names the same", delegated(f"ns1.{DOMAIN}", f"ns2.{DOMAIN}"), {"names.propagation.ok"}),
    (
        "the parent names one more",
        delegated(f"ns1.{DOMAIN}", f"ns2.{DOMAIN}", "ns.old.example"),
        {"names.propagation.ok", "names.delegation.differs"},
    ),
    ("the parent is silent", {**UP, (DOMAIN, "NS", PARENT): {"unknown": "timeout"}}, {"names.propagation.ok"}),
    (
        "the resolver is behind",
        {(DOMAIN, "TXT", ""): said(OLD, ttl=1200)},
        {"names.propagation.ok", "names.propagation.cached"},
    ),
    (
        "the resolver remembers that there was no key",
        {(KEY, "TXT", ""): absent(100)},
        {"names.propagation.ok", "names.propagation.cached"},
    ),
    ("a planned move", {(DOMAIN, "A", s): said("192.0.2.80", ttl=60) for s in (NS1, NS2)}, {"names.ttl.low"}),
]


@pytest.mark.parametrize(("change", "codes"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_each_state_of_the_servers_has_its_finding(tmp_path: Path, change: Tape, codes: set[str]) -> None:
    evidence = replay(tmp_path / "case", {**sound(), **change})
    found = told(evidence)
    expected = codes | ({"names.propagation.ok"} if codes == {"names.ttl.low"} else set())
    assert {f.code for f in found} == expected
    # Whatever is told can be drawn.
    assert names.disagreement(evidence).layout.meta["alt"]


def one(evidence: NamesEvidence, code: str) -> Finding:
    (found,) = told(evidence).of(code)
    return found


def test_servers_that_disagree_are_named_with_what_only_one_authorises(tmp_path: Path) -> None:
    change = {(DOMAIN, "TXT", NS2): said(OLD), (DOMAIN, "SOA", NS2): soa(5)}
    evidence = replay(tmp_path / "case", {**sound(), **change})
    found = one(evidence, "names.propagation.disagree")
    assert found.subject == "corp.example TXT"
    assert found.facts["missing_networks"] == ["198.51.100.12/32", "2001:db8::/48"]
    assert found.facts["stale"] == ["ns2.corp.example"]
    assert found.facts["said"] == [f"ns1.corp.example: {NEW}", f"ns2.corp.example: {OLD}"]
    assert evidence.servers()["networks in SPF"].tolist() == [
        "192.0.2.1/32, 198.51.100.12/32, 2001:db8::/48",
        "192.0.2.1/32",
    ]
    title = names.disagreement(evidence).layout.title.text.replace("<br>", " ")
    assert title == (
        "SPF of corp.example differs: ns2.corp.example answers from an old zone, and waiting does not help"
    )


def test_a_server_that_only_the_parent_names_is_asked_as_well(tmp_path: Path) -> None:
    change = delegated(f"ns1.{DOMAIN}", f"ns2.{DOMAIN}", "ns.old.example")
    old = {k: v for k, v in {**sound()}.items() if k[2] == NS1}
    change |= {(n, t, "192.0.2.3"): v for (n, t, _), v in old.items()}
    change |= {("ns.old.example", "A", ""): said("192.0.2.3"), ("ns.old.example", "AAAA", ""): said()}
    change[DOMAIN, "MX", "192.0.2.3"] = said("10 mx.old.example")
    evidence = replay(tmp_path / "case", {**sound(), **change})
    assert one(evidence, "names.propagation.disagree").subject == "corp.example MX"
    assert one(evidence, "names.delegation.differs").facts["only_parent"] == ["ns.old.example"]


def fresh(evidence: NamesEvidence) -> str:
    (zone,) = evidence.zones
    return zone.sentence(AT)


def test_caches_are_fresh_when_the_longest_ttl_is_over(tmp_path: Path) -> None:
    assert fresh(replay(tmp_path / "a", sound())).endswith("all caches are fresh by 07:00 UTC")
    long = {(DOMAIN, "MX", s): said(f"10 mx.{DOMAIN}", ttl=86_400) for s in (NS1, NS2)}
    assert fresh(replay(tmp_path / "b", {**sound(), **long})).endswith("fresh by 06:00 UTC on 17 November 2026")


@pytest.mark.parametrize(
    ("change", "until"),
    [
        # The servers give an hour; whoever asked a moment before the change keeps the old record that long.
        ({(DOMAIN, "TXT", ""): said(OLD, ttl=1200)}, "07:00 UTC"),
        # The old record lived longer than the new one, and the resolver still holds two hours of it.
        ({(DOMAIN, "TXT", ""): said(OLD, ttl=7200)}, "08:00 UTC"),
        # That there was none is remembered for the negative TTL: 300 seconds by the SOA.
        ({(KEY, "TXT", ""): absent(100)}, "06:05 UTC"),
    ],
)
def test_a_cache_that_lags_is_given_its_time(tmp_path: Path, change: Tape, until: str) -> None:
    evidence = replay(tmp_path / "case", {**sound(), **change})
    found = one(evidence, "names.propagation.cached")
    assert found.facts["until"] == until
    assert fresh(evidence).endswith(f"all caches are fresh by {until}") or until == "06:05 UTC"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (AT, "06:00 UTC"),
        (AT + timedelta(seconds=1), "06:01 UTC"),
        (AT + timedelta(hours=17, minutes=59, seconds=1), "00:00 UTC on 17 November 2026"),
        (datetime(2027, 1, 2, 3, 4, tzinfo=UTC), "03:04 UTC on 2 January 2027"),
    ],
)
def test_a_time_is_rounded_up_and_names_its_day_unless_it_is_today(moment: datetime, text: str) -> None:
    assert clock(moment, AT) == text


def test_the_table_tells_versions_and_the_time_left(tmp_path: Path) -> None:
    change = {(DOMAIN, "TXT", NS2): said(OLD), (DOMAIN, "SOA", NS2): soa(5), (DOMAIN, "TXT", ""): said(OLD, ttl=60)}
    table = replay(tmp_path / "case", {**sound(), **change}).propagation()
    rows = table[table["record"] == "corp.example TXT"]
    assert rows["asked"].tolist() == ["ns1.corp.example (192.0.2.1)", "ns2.corp.example (192.0.2.2)", "the resolver"]
    assert rows["version"].tolist() == ["A", "B", "B"]
    assert rows["ttl"].tolist() == [3600, 3600, 60]
    assert rows["fresh_by"].tolist()[2] == AT + timedelta(seconds=60)


def test_resolvers_of_the_case_are_compared_with_real_packets() -> None:
    zone: dnsserver.Zone = {DOMAIN: [("NS", f"ns1.{DOMAIN}."), ("TXT", dnsserver.txt(NEW.encode()))]}
    old: dnsserver.Zone = {DOMAIN: [("TXT", dnsserver.txt(OLD.encode()))]}
    with dnsserver.serve(zone) as resolver, dnsserver.serve(old) as other:
        net = Network.without_case(NetworkSettings(resolver=resolver, resolvers=(other,), timeout=0.5))
        evidence = net.run(names.ask(net, inventory.merge([Sighting("domain", DOMAIN)])))
    table = evidence.propagation()
    rows = table[table["record"] == "corp.example TXT"]
    assert rows["asked"].tolist() == ["the resolver", f"resolver {other}"]
    assert rows["version"].tolist() == ["A", "B"]


def test_resolvers_named_in_the_case_file_are_asked(tmp_path: Path) -> None:
    change = {(DOMAIN, "TXT", f"resolver={OTHER}"): said(OLD, ttl=600)}
    evidence = replay(tmp_path / "case", {**sound(), **change}, more=f'resolvers = ["{OTHER}"]\n')
    assert one(evidence, "names.propagation.cached").facts["resolvers"] == [f"resolver {OTHER}"]


words = st.one_of(
    st.text(max_size=30), st.sampled_from(["v=spf1 -all", "0 .", "ns1. h. 7 1 1 1 300", "a. b. x", "a. b. 8 1 1 1 x"])
)
answers = st.one_of(
    st.builds(
        lambda r, t, a: {"rcode": "NOERROR", "records": r, "ttl": t, "aa": a},
        st.lists(words, max_size=3),
        st.integers(0, 2**31 - 1),
        st.booleans(),
    ),
    st.just({"unknown": "timeout"}),
    st.just({"unknown": "REFUSED"}),
    st.integers(0, 2**31 - 1).map(absent),
)
asked = st.sampled_from([k for k in sound() if k[1] in ("SOA", "TXT", "NS") and k[0].endswith(DOMAIN)])


def test_serials_go_round(tmp_path: Path) -> None:
    tape = sound() | {(DOMAIN, "SOA", NS1): soa(3) | {"aa": True}, (DOMAIN, "SOA", NS2): soa(2**32 - 5) | {"aa": True}}
    found = one(replay(tmp_path / "case", tape), "names.propagation.serial")
    assert found.facts["stale"] == ["ns2.corp.example"]


@settings(deadline=None)
@given(st.dictionaries(asked, answers, max_size=8))
def test_nothing_that_servers_answer_crashes(change: Tape) -> None:
    """By way of the values alone: what a tape holds is what a server said."""
    values = {**sound(), **change}
    entries = {}
    for (name, rtype, at), value in values.items():
        question = Question.of("dns", name, {"rtype": rtype, "server": at})
        entries[question] = Entry(question, AT, 1.0, None if "unknown" in value else value, value.get("unknown"))
    network = Network(NetworkSettings(public=("192.0.2.0/24",)), tape=_tape(entries))
    seen = [Sighting("domain", DOMAIN), Sighting("selector", "s1", DOMAIN)]
    evidence = network.run(names.ask(network, inventory.merge(seen), as_of=AT))
    assert all(f.title for f in names.check(evidence))
    assert names.disagreement(evidence).layout.title.text
    assert len(evidence.propagation()) == sum(_size(z) for z in evidence.zones)


def _tape(entries: dict[Question, Entry]) -> Any:
    from smtplab.tape import Tape as Recorded

    return Recorded(Path("x.jsonl"), AT, "test", entries)


def _size(zone: Zone) -> int:
    return len(zone.questions) * (len(zone.servers) + len(zone.resolvers))
