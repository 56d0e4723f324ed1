"""One question: present, absent and unknown stay apart; live and replay say the same; nothing hostile crashes."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import dns.exception
import dns.message
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.net import Network, NetworkSettings, Unknown
from smtplab.net.dns import DnsAnswer, State, _answer, _value, addresses, endpoint, query, reverse
from smtplab.net.exchange import _AskByTcp, _read
from smtplab.tape import Recorder, Tape
from tests.authentication.dnsserver import TRICKS, Zone, network, serve, txt

ZONE = {
    "a.example": [("A", "192.0.2.1"), ("AAAA", "2001:db8::1"), ("MX", "10 MX.a.example."), ("MX", "5 b.example.")],
    "alias.example": [("CNAME", "a.example.")],
    "loop.example": [("CNAME", "loop.example.")],
    "long.example": [("TXT", txt(b"v=spf1 " + b"x" * 500)), ("TXT", txt(b"second"))],
    "huge.example": [("TXT", txt(b"%03d" % i + b"y" * 700)) for i in range(20)],
    "flood.example": [("A", f"10.0.{i // 250}.{i % 250}") for i in range(900)],
    "broken.example": [("*", "SERVFAIL")],
    "closed.example": [("*", "REFUSED")],
    "silent.example": [("*", "TIMEOUT")],
    "null.example": [("MX", "0 .")],
    "binary.example": [("TXT", txt(b"\xff\x00\n<script>"))],
    "1.2.0.192.in-addr.arpa": [("PTR", "A.example.")],
}
TABLE = [
    ("a.example", "A", State.PRESENT, ("192.0.2.1",), ""),
    ("A.EXAMPLE.", "A", State.PRESENT, ("192.0.2.1",), ""),
    ("a.example", "MX", State.PRESENT, ("10 mx.a.example", "5 b.example"), ""),
    ("a.example", "TXT", State.ABSENT, (), ""),
    ("none.example", "A", State.ABSENT, (), ""),
    ("alias.example", "A", State.PRESENT, ("192.0.2.1",), ""),
    ("null.example", "MX", State.PRESENT, ("0 .",), ""),
    ("broken.example", "A", State.UNKNOWN, (), "SERVFAIL"),
    ("closed.example", "A", State.UNKNOWN, (), "REFUSED"),
    ("silent.example", "A", State.UNKNOWN, (), "timeout"),
    ("", "A", State.ABSENT, (), ""),
    ("a..b", "A", State.UNKNOWN, (), "not a domain name: EmptyLabel"),
    ("x" * 64 + ".example", "A", State.UNKNOWN, (), "not a domain name: LabelTooLong"),
    (".".join(["x" * 60] * 6), "A", State.UNKNOWN, (), "not a domain name: NameTooLong"),
]


def test_present_absent_and_unknown_stay_apart() -> None:
    with network(ZONE, timeout=0.3) as net:
        for name, rtype, state, records, why in TABLE:
            answer = net.run(query(net, name, rtype))
            assert (answer.state, answer.records, answer.why) == (state, records, why), name


def test_a_name_that_exists_without_the_type_is_not_a_name_that_does_not_exist() -> None:
    with network(ZONE) as net:
        assert net.run(query(net, "a.example", "TXT")).exists is True
        assert net.run(query(net, "none.example", "TXT")).exists is False
        assert net.run(query(net, "broken.example", "TXT")).exists is None


def test_strings_of_a_txt_record_are_joined_and_kept() -> None:
    with network(ZONE) as net:
        answer = net.run(query(net, "long.example", "TXT"))
    assert answer.records == ("second", "v=spf1 " + "x" * 500)
    assert [len(s) for s in answer.strings] == [1, 2]
    assert answer.ttl == 300


def test_a_truncated_answer_is_asked_again_by_tcp() -> None:
    with network(ZONE) as net:
        assert len(net.run(query(net, "huge.example", "TXT")).records) == 20


def test_a_flood_of_records_is_cut() -> None:
    with network(ZONE) as net:
        assert len(net.run(query(net, "flood.example", "A")).records) == 500


CIRCLES = [
    {"loop.example": [("CNAME", "loop.example.")]},
    {"loop.example": [("CNAME", "b.example.")], "b.example": [("CNAME", "loop.example.")]},
    # Resolvers that call it a failure tell an alias only when asked for it.
    {
        "loop.example": [("CNAME", "b.example."), ("*", "SERVFAIL")],
        "b.example": [("CNAME", "c.example."), ("*", "SERVFAIL")],
        "c.example": [("CNAME", "b.example."), ("*", "SERVFAIL")],
    },
]


@pytest.mark.parametrize("zone", CIRCLES)
def test_a_circle_of_aliases_is_no_failure_but_a_name_without_address(zone: Zone) -> None:
    with network(zone) as net:
        answer = net.run(query(net, "loop.example", "A"))
    assert (answer.state, answer.loop, answer.why, answer.exists) == (State.ABSENT, True, "", True)
    assert str(answer) == "none (alias loop)"


def test_an_alias_of_a_name_that_fails_is_a_failure() -> None:
    with network({"al.example": [("CNAME", "b.example."), ("*", "SERVFAIL")], "b.example": [("*", "SERVFAIL")]}) as net:
        answer = net.run(query(net, "al.example", "A"))
    assert (answer.state, answer.rcode, answer.loop) == (State.UNKNOWN, "SERVFAIL", False)


@pytest.mark.parametrize("trick", TRICKS)
def test_an_answer_comes_through_what_goes_wrong_on_udp(trick: str) -> None:
    with network({"a.example": [("A", "192.0.2.1"), ("*", trick)]}, timeout=0.5) as net:
        answer = net.run(query(net, "a.example", "A"))
    assert answer.records == ("192.0.2.1",), answer.why


def test_reasons_tell_errors_of_a_server_from_silence() -> None:
    with network(ZONE, timeout=0.3) as net:
        said = {n: net.run(query(net, f"{n}.example", "A")) for n in ("broken", "closed", "silent")}
    assert {n: (a.rcode, a.why) for n, a in said.items()} == {
        "broken": ("SERVFAIL", "SERVFAIL"),
        "closed": ("REFUSED", "REFUSED"),
        "silent": ("", "timeout"),
    }


def test_a_port_where_nothing_listens_is_told_at_once() -> None:
    with serve({}) as gone:
        pass
    net = Network.without_case(NetworkSettings(resolver=gone, timeout=30))
    began = time.monotonic()
    assert net.run(query(net, "a.example", "A")).why == "connection refused"
    assert time.monotonic() - began < 10


def test_a_server_asked_by_itself_tells_whether_it_holds_the_zone() -> None:
    zone: Zone = {"a.example": [("A", "192.0.2.1")]}
    with network(zone) as net, serve(zone, aa=True) as holder, serve(zone) as other:
        said = [net.run(query(net, "a.example", "A", server=s)).aa for s in (holder, other, None)]
    assert said == [True, False, None]


def test_binary_text_is_read_without_harm() -> None:
    with network(ZONE) as net:
        assert "<script>" in net.run(query(net, "binary.example", "TXT")).records[0]


def test_reverse_and_both_families() -> None:
    with network(ZONE) as net:
        assert net.run(reverse(net, "192.0.2.1")).records == ("a.example",)
        assert net.run(addresses(net, "a.example"))[0] == ["192.0.2.1", "2001:db8::1"]
        assert net.run(reverse(net, "no address")).state is State.UNKNOWN


def test_a_server_can_be_asked_by_itself() -> None:
    with network(ZONE) as net, serve({"a.example": [("A", "192.0.2.99")]}) as other:
        assert net.run(query(net, "a.example", "A", server=other)).records == ("192.0.2.99",)
        assert net.run(query(net, "a.example", "A")).records == ("192.0.2.1",)


def test_one_flight_for_many_askers() -> None:
    async def many(net: Network) -> list[DnsAnswer]:
        return await asyncio.gather(*(query(net, "a.example", "A") for _ in range(50)))

    with network(ZONE) as net:
        assert {a.ms for a in net.run(many(net))} == {net.run(query(net, "a.example", "A")).ms}


SILENT: Zone = {f"{i}.example": [("*", "TIMEOUT")] for i in range(40)} | {"a.example": [("A", "192.0.2.1")]}


def test_dead_servers_cost_the_deadline_and_no_more() -> None:
    async def work(net: Network) -> list[DnsAnswer]:
        async with net.deadline(0.5):
            return await asyncio.gather(*(query(net, n, "A") for n in SILENT), addresses_of_dead(net))

    async def addresses_of_dead(net: Network) -> DnsAnswer:
        answer = await query(net, "0.example", "A")
        return await query(net, "1.example", "AAAA") if answer.why else answer

    with network(SILENT, timeout=60) as net:
        began = time.monotonic()
        answers = net.run(work(net))
        assert time.monotonic() - began < 10
        assert {a.why for a in answers} == {"deadline", ""}
        # What was given up may be asked again.
        assert net.run(query(net, "a.example", "A")).present


def test_the_deadline_of_one_asker_does_not_spoil_the_answer_for_another() -> None:
    async def hasty(net: Network) -> DnsAnswer:
        async with net.deadline(0.02):
            return await query(net, "a.example", "A")

    async def both(net: Network) -> tuple[DnsAnswer, DnsAnswer]:
        return await asyncio.gather(hasty(net), query(net, "a.example", "A"))

    with network({"a.example": [("A", "192.0.2.1"), ("*", "LATE")]}) as net:
        late, patient = net.run(both(net))
    assert (late.why, patient.records) == ("deadline", ("192.0.2.1",))


def test_a_deadline_within_another_ends_with_the_earlier() -> None:
    async def work(net: Network) -> list[str]:
        async with net.deadline(0.05), net.deadline(60):
            first = await query(net, "0.example", "A")
            second = await query(net, "a.example", "A")
        return [first.why, second.why, (await query(net, "a.example", "A")).why]

    with network(SILENT, timeout=60) as net:
        assert net.run(work(net)) == ["deadline", "deadline", ""]


def test_a_deadline_is_recorded_as_the_reason_and_does_not_stop_others(tmp_path: Path) -> None:
    async def work(net: Network) -> None:
        async with net.deadline(0.05):
            await asyncio.gather(query(net, "0.example", "A"), query(net, "1.example", "A"))

    recorder = Recorder(tmp_path, started=datetime(2026, 11, 16, tzinfo=UTC), vantage="test")
    with serve(SILENT) as resolver, recorder:
        net = Network(NetworkSettings(resolver=resolver, timeout=0.3), recorder=recorder, live=True)
        net.run(work(net))
        assert net.run(query(net, "1.example", "A")).why == "timeout"
    replay = Network(tape=Tape.load(recorder.target))
    assert [replay.run(query(replay, f"{i}.example", "A")).why for i in (0, 1)] == ["deadline", "timeout"]


def test_at_most_so_many_are_asked_at_once_in_all_and_at_one_server() -> None:
    most = 0

    async def one(net: Network, server: str) -> None:
        nonlocal most
        async with net.turn(server, 53, 2):
            most = max(most, net.settings.concurrency - net._bound._value)
            await asyncio.sleep(0.001)

    async def many(net: Network, servers: int) -> int:
        await asyncio.gather(*(one(net, f"192.0.2.{i % servers}") for i in range(60)))
        return most

    net = Network.without_case(NetworkSettings(concurrency=5))
    assert net.run(many(net, 1)) == 2
    assert net.run(many(net, 10)) == 5


def test_the_time_of_an_answer_is_the_servers_and_not_the_queues() -> None:
    async def many(net: Network) -> list[DnsAnswer]:
        return await asyncio.gather(*(query(net, f"{i}.example", "A") for i in range(30)))

    zone: Zone = {f"{i}.example": [("A", "192.0.2.1"), ("*", "LATE")] for i in range(30)}
    with serve(zone) as resolver:
        net = Network.without_case(NetworkSettings(resolver=resolver, timeout=30, concurrency=1))
        assert max(a.ms for a in net.run(many(net))) < 30 * 100 * 0.8


def test_answers_remembered_are_bounded_and_the_ones_in_use_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    async def many(net: Network) -> None:
        for i in range(60):
            await query(net, f"{i}.example", "A")
            await query(net, "a.example", "A")

    monkeypatch.setattr("smtplab.net.MAX_ANSWERS", 10)
    with network({"a.example": [("A", "192.0.2.1")]}) as net:
        net.run(many(net))
        assert len(net._answers) == 10
        assert (net._asked, net._flights) == (61, {})


def test_live_and_replay_say_the_same(tmp_path: Path) -> None:
    with serve(ZONE) as resolver:
        recorder = Recorder(tmp_path, started=datetime(2026, 11, 16, tzinfo=UTC), vantage="test")
        net = Network(NetworkSettings(resolver=resolver, timeout=0.3), recorder=recorder, live=True)
        with recorder:
            live = [net.run(query(net, n, t)) for n, t, *_ in TABLE]
    replay = Network(tape=Tape.load(recorder.target))
    again = [replay.run(query(replay, n, t)) for n, t, *_ in TABLE]
    plain = [(a.name, a.state, a.records, a.rcode, a.ttl, a.cname, a.why) for a in live]
    assert [(a.name, a.state, a.records, a.rcode, a.ttl, a.cname, a.why) for a in again] == plain
    assert replay.run(query(replay, "never.example", "A")).why == "not recorded"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_an_endpoint_is_an_address_with_or_without_port(text: str, expected: tuple[str, int]) -> None:
    assert endpoint(text) == expected


@given(st.binary(max_size=200), st.booleans())
def test_no_datagram_crashes(rest: bytes, header: bool) -> None:
    question = dns.message.make_query("a.example", "TXT", use_edns=0)
    wire = question.to_wire()
    data = wire[:2] + (b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + wire[12:-11] if header else b"") + rest
    with suppress(_AskByTcp, Unknown):
        if answer := _read(data, question, wire):
            value = _value(answer, "TXT", "192.0.2.53", True)
            assert str(_answer("a.example", "TXT", json.loads(json.dumps(value)), 0.0))


@given(
    st.sampled_from(["TXT", "MX", "NS", "SOA", "A", "AAAA", "PTR", "SRV", "CNAME"]),
    st.lists(st.binary(max_size=40), max_size=3),
)
def test_no_record_data_crashes(rtype: str, datas: list[bytes]) -> None:
    question = dns.message.make_query("a.example", rtype)
    response = dns.message.make_response(question)
    kind = dns.rdatatype.from_text(rtype)
    made = []
    for data in datas:
        with suppress(dns.exception.DNSException, ValueError):
            made.append(dns.rdata.from_wire(dns.rdataclass.IN, kind, data, 0, len(data)))
    if made:
        response.answer.append(dns.rrset.from_rdata_list(question.question[0].name, 60, made))
    with suppress(Unknown):
        value = _value(dns.message.from_wire(response.to_wire()), rtype, "192.0.2.53", False)
        answer = _answer("a.example", rtype, json.loads(json.dumps(value)), 0.0)
        assert answer.state is (State.PRESENT if made or answer.records else State.ABSENT) or answer.loop


@given(st.text(max_size=300))
def test_no_name_crashes(name: str) -> None:
    net = Network()
    assert net.run(query(net, name, "A")).state is State.UNKNOWN


def test_a_long_row_of_aliases_is_no_circle() -> None:
    zone: Zone = {f"c{i}.example": [("CNAME", f"c{i + 1}.example.")] for i in range(18)}
    with network({**zone, "c18.example": [("A", "192.0.2.1")]}) as net:
        answer = net.run(query(net, "c0.example", "A"))
    assert (answer.state, answer.loop) == (State.UNKNOWN, False)
    assert "more aliases" in answer.why
