"""Reverse names that nobody chose, and near misses that somebody did."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.names.reverse import is_generic

V4, V6 = "198.51.100.12", "2001:db8::12"
GENERIC = [
    (V4, "static-198-51-100-12.isp.example"),
    (V4, "198-51-100-12.isp.example"),
    (V4, "12.100.51.198.dynamic.isp.example"),
    (V4, "ec2-198-51-100-12.compute.cloud.example"),
    (V4, "ip198.51.100.12.isp.example"),
    (V4, "host198051100012.isp.example"),
    (V4, "c633640c.isp.example"),
    (V4, "pool-100-12.isp.example"),
    (V4, "static.12.100.isp.example"),
    (V4, "DSL-51-100.isp.example"),
    (V6, "2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.isp.example"),
    (V6, "2001-0db8-0000-0000-0000-0000-0000-0012.isp.example"),
    (V6, "2001-db8--12.isp.example"),
]
CHOSEN = [
    (V4, "mx12.corp.example"),
    (V4, "relay11.meridian.example"),
    (V4, "out-12.corp.example"),
    (V4, "static-12.colohouse.example"),
    (V4, "mta-100-12.corp.example"),
    (V4, "smtp-198.corp.example"),
    (V4, "mail-51-12.pool.corp.example"),
    (V4, "static.corp.example"),
    (V4, "pool-34-56.isp.example"),
    (V4, "203-0-113-9.isp.example"),
    (V6, "mail12.corp.example"),
    (V6, "mail.db8.corp.example"),
]


@pytest.mark.parametrize(("address", "name"), GENERIC)
def test_a_name_made_from_the_address_is_generic(address: str, name: str) -> None:
    assert is_generic(address, name)


@pytest.mark.parametrize(("address", "name"), CHOSEN)
def test_a_name_that_somebody_chose_is_not(address: str, name: str) -> None:
    assert not is_generic(address, name)


@given(st.ip_addresses(), st.text(max_size=255))
def test_no_name_crashes(address: ipaddress.IPv4Address | ipaddress.IPv6Address, name: str) -> None:
    assert is_generic(str(address), name) in (True, False)


@given(st.ip_addresses(v=4), st.sampled_from(["{}-{}-{}-{}", "{3}.{2}.{1}.{0}", "ip{:03}{:03}{:03}{:03}"]))
def test_every_address_is_known_in_every_common_form(address: ipaddress.IPv4Address, form: str) -> None:
    assert is_generic(str(address), f"{form.format(*address.packed)}.isp.example")
