"""Strategies that build SPF records, the zones around them and the addresses that try them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.authentication.dnsserver import Zone, txt

DOMAIN = "d.example"
POLICIES = [DOMAIN, *(f"p{i}.example" for i in range(5))]
HOSTS = [f"h{i}.example" for i in range(5)]
EXCHANGES = [f"m{i}.example" for i in range(3)]
NOWHERE = ["no0.example", "no1.example"]
ADDRESSES = [
    *(f"192.0.2.{i}" for i in (0, 1, 2, 7, 8, 128, 255)),
    "198.51.100.1",
    "203.0.113.77",
    *(f"2001:db8::{i}" for i in ("", "1", "2", "ff")),
    "2001:db8:1::1",
]
"""Few, so that terms and senders meet."""

sender = st.sampled_from(ADDRESSES)
qualifier = st.sampled_from(["", "", "", "+", "-", "~", "?"])
_v4 = st.sampled_from([a for a in ADDRESSES if "." in a])
_v6 = st.sampled_from([a for a in ADDRESSES if ":" in a])
_prefix4 = st.sampled_from(["", "", "/32", "/31", "/29", "/25", "/24", "/0"])
_prefix6 = st.sampled_from(["", "", "/128", "/126", "/64", "/47"])
_dual = st.sampled_from(["", "", "/24", "/30", "//64", "/28//48"])
_names = st.sampled_from([*HOSTS, *NOWHERE])


def plain(policies: list[str] = POLICIES) -> st.SearchStrategy[str]:
    """Mechanisms whose matches depend on the address alone; includes lead to `policies`."""
    include = [st.builds("include:{}".format, st.sampled_from(policies))] if policies else []
    return st.one_of(
        st.builds("ip4:{}{}".format, _v4, _prefix4),
        st.builds("ip6:{}{}".format, _v6, _prefix6),
        st.builds("a:{}{}".format, _names, _dual),
        st.builds("mx:{}{}".format, st.sampled_from([*EXCHANGES, *NOWHERE]), _dual),
        *include,
        st.sampled_from(["a", "mx", "A/24", "MX"]),
    )


dynamic = st.one_of(
    st.builds("exists:{}".format, _names),
    st.sampled_from(["exists:%{i}.x.example", "exists:%{ir}.%{v}.x.example", "include:%{l}.example", "ptr"]),
    st.sampled_from(["a:%{d}", "A:h1.%{d1}/29", "mx:%{D}//64", "exists:no0.%{d1r}.x.example", "a:h0.%{d1}/30//126"]),
)
odd = st.sampled_from(["ip4:300.1.1.1", "include:", "foo", "a/33", "ip6:2001:db8::/129", "-", "exists:%{z}", "ALL"])
ends = ["", "", " -all", " ~all", " ?all", " +all", " -ALL"]
modifier = st.sampled_from(["", "", "", " exp=h0.example", " colour=blue", " exp=%{d}"])


def record(
    *mechanisms: st.SearchStrategy[str], leads: list[str] | None = None, most: int = 5
) -> st.SearchStrategy[str]:
    """A record of some mechanisms, with an end, perhaps a redirect to one of `leads`, and perhaps a modifier."""
    terms = st.lists(st.builds("{}{}".format, qualifier, st.one_of(*mechanisms)), max_size=most).map(" ".join)
    redirects = ["p1.example", "no0.example"] if leads is None else leads
    end = st.sampled_from([*ends, *(f" redirect={n}" for n in redirects)])
    return st.builds(lambda t, e, m: f"v=spf1 {t}{e}{m}".replace("v=spf1  ", "v=spf1 "), terms, end, modifier)


def _hosts(addresses: list[list[str]]) -> Zone:
    def kind(address: str) -> str:
        return "AAAA" if ":" in address else "A"

    return {name: [(kind(a), a) for a in found] for name, found in zip(HOSTS, addresses, strict=True)}


def _exchanges(targets: list[list[str]]) -> Zone:
    return {
        name: [("MX", f"{10 + i} {t}.") for i, t in enumerate(ts)] for name, ts in zip(EXCHANGES, targets, strict=True)
    }


def _policies(records: tuple[str, ...], hosts: list[str]) -> Zone:
    rows: dict[str, list[tuple[str, str]]] = {
        n: [("TXT", txt(t.encode()))] for n, t in zip(POLICIES, records, strict=True)
    }
    rows[DOMAIN] += [*(("A", h) for h in hosts), ("MX", f"10 {HOSTS[0]}.")]
    return rows


def zone(*records: st.SearchStrategy[str]) -> st.SearchStrategy[Zone]:
    """A record at DOMAIN and at each name it may include (one strategy for all, or one each), hosts, exchangers."""
    each = records if len(records) > 1 else records * len(POLICIES)
    few = st.lists(st.sampled_from(ADDRESSES), max_size=3, unique=True)
    return st.builds(
        lambda texts, hosts, targets, home: {**_hosts(hosts), **_exchanges(targets), **_policies(texts, home)},
        st.tuples(*each),
        st.lists(few, min_size=len(HOSTS), max_size=len(HOSTS)),
        st.lists(st.lists(_names, max_size=3, unique=True), min_size=len(EXCHANGES), max_size=len(EXCHANGES)),
        st.lists(_v4, max_size=2, unique=True),
    )


def sound(*more: st.SearchStrategy[str]) -> st.SearchStrategy[Zone]:
    """A zone without circles and dead ends: each record leads only to those behind it."""
    behind = [POLICIES[i + 1 :] for i in range(len(POLICIES))]
    return zone(*(record(plain(names), *more, leads=names, most=4) for names in behind))
