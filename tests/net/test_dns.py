"""One question: present, absent and unknown stay apart; live and replay say the same; nothing hostile crashes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.net import Network, NetworkSettings
from smtplab.net.dns import DnsAnswer, State, addresses, endpoint, query, reverse
from smtplab.tape import Recorder, Tape
from tests.authentication.dnsserver import network, serve, txt

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


def test_a_circle_of_aliases_is_a_name_without_address() -> None:
    with network(ZONE) as net:
        assert not net.run(query(net, "loop.example", "A")).present


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


@given(st.text(max_size=300))
def test_no_name_crashes(name: str) -> None:
    net = Network()
    assert net.run(query(net, name, "A")).state is State.UNKNOWN
