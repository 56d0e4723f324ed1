"""TLS-RPT records as RFC 8460 section 3 reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.net.dns import State
from smtplab.transport.tlsrpt import parse

GOOD = [
    ("v=TLSRPTv1; rua=mailto:tls@test.example", ("mailto:tls@test.example",)),
    ("v=TLSRPTv1;rua=mailto:tls@test.example;", ("mailto:tls@test.example",)),
    ("v=TLSRPTv1; rua=https://reports.test.example/v1/tls", ("https://reports.test.example/v1/tls",)),
    ("v=TLSRPTv1 ; rua = mailto:a@b.example , https://c.example", ("mailto:a@b.example", "https://c.example")),
    ("v=TLSRPTv1; rua=mailto:a@b.example; later=on", ("mailto:a@b.example",)),
]


@pytest.mark.parametrize(("record", "rua"), GOOD)
def test_a_record_is_read(record: str, rua: tuple[str, ...]) -> None:
    found = parse("test.example", ["unrelated", record])
    assert (found.state, found.rua, found.problems, found.works) == (State.PRESENT, rua, (), True)


BAD = [
    (["v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@b.example"], "2 records"),
    (["v=TLSRPTv1"], "no rua"),
    (["v=TLSRPTv1; ruf=mailto:a@b.example"], "no rua"),
    (["v=TLSRPTv1; rua="], "no rua"),
    (["v=TLSRPTv1; rua=a@b.example"], "no mailto"),
    (["v=TLSRPTv1; rua=mailto:a@b.example,http://c.example"], "'http://c.example' is no mailto"),
    (["v=TLSRPTv1; rua=mailto:nobody"], "no mailto"),
]


@pytest.mark.parametrize(("records", "problem"), BAD)
def test_what_senders_would_not_follow_is_named(records: list[str], problem: str) -> None:
    found = parse("test.example", records)
    assert (found.state, found.works) == (State.PRESENT, False)
    assert problem in "; ".join(found.problems)


@pytest.mark.parametrize("records", [[], ["v=spf1 -all"], ["v=TLSRPTv2; rua=mailto:a@b.example"], ["TLSRPTv1"]])
def test_other_records_ask_for_nothing(records: list[str]) -> None:
    assert parse("test.example", records).state is State.ABSENT


@given(st.lists(st.text(max_size=100).map(lambda t: f"v=TLSRPTv1;{t}"), max_size=3))
def test_reading_never_raises_and_works_only_with_an_address(records: list[str]) -> None:
    found = parse("test.example", records)
    assert bool(found.rua) or not found.works
