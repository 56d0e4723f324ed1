"""Who hands in mail by the log, beside who may by the configuration."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab import submitters
from smtplab.case import Case
from smtplab.examination import examine
from smtplab.servers import ServerEvidence, allowed
from smtplab.servers.configuration import Configuration, _settings
from smtplab.tables import conform

SUFFIX = {"postfix": "postconf", "dovecot": "doveconf", "exim": "eximconf"}
RELAY = "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"


def printed(tmp_path: Path, text: str, program: str = "postfix", host: str = "out.example.org") -> Configuration:
    """A configuration as the program prints it."""
    path = tmp_path / f"{host}.{SUFFIX[program]}"
    path.write_text(text)
    return Configuration(host, program, path.name, _settings(path))


ALLOWED = [
    # program, configuration, network and sign-in of each permission ("?": it stands elsewhere)
    ("postfix", "mynetworks = 127.0.0.0/8 [::1]/128, 192.0.2.7\n" + RELAY, "127.0.0.0/8 ::1/128 192.0.2.7/32"),
    ("postfix", "mynetworks = 192.0.2.0/28\n", "192.0.2.0/28 any+"),
    ("postfix", "mynetworks = 192.0.2.0/28\nsmtpd_relay_restrictions = permit_sasl_authenticated, reject\n", "any+"),
    ("postfix", "mynetworks = cidr:/etc/postfix/nets\n" + RELAY, "?"),
    ("postfix", "mynetworks = 192.0.2.0/28 !192.0.2.3\n" + RELAY, "192.0.2.0/28 ?"),
    ("postfix", "myhostname = out.example.org\n" + RELAY, "?"),
    ("postfix", "mynetworks =\nsmtpd_relay_restrictions = check_client_access hash:/etc/postfix/c, reject\n", "?"),
    (
        "postfix",
        "smtpd_relay_restrictions = check_client_access inline:{192.0.2.9=OK, 198.51.100=permit, 192.0.2.8=REJECT} reject\n",
        "192.0.2.9/32 198.51.100.0/24",
    ),
    # A client restriction that ends with reject leaves only those whom it permits.
    (
        "postfix",
        "mynetworks = 192.0.2.0/28\nsmtpd_client_restrictions = permit_sasl_authenticated, reject\n",
        "any+",
    ),
    ("postfix", "smtpd_relay_restrictions = permit\n", "any"),
    # What a restriction of mail programs says counts where master.cf uses it (postconf -P), and nowhere else.
    (
        "postfix",
        "mynetworks = 192.0.2.0/28\nmua_client_restrictions = permit_sasl_authenticated, reject\n" + RELAY,
        "192.0.2.0/28",
    ),
    (
        "postfix",
        "mynetworks = 192.0.2.0/28\nmua_client_restrictions = permit_sasl_authenticated, reject\n"
        "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject\n"
        "smtpd_client_restrictions = permit_mynetworks, reject\n"
        "submission/inet/smtpd_client_restrictions = $mua_client_restrictions\n",
        "192.0.2.0/28 any+",
    ),
    (
        "postfix",
        "mynetworks = 192.0.2.0/28\n" + RELAY + "10025/inet/mynetworks = 127.0.0.0/8\n",
        "192.0.2.0/28 127.0.0.0/8",
    ),
    (
        "dovecot",
        "passdb {\n  default_fields = allow_nets=192.0.2.0/28,2001:db8::/64,local\n}\n",
        "192.0.2.0/28+ 2001:db8::/64+",
    ),
    ("dovecot", "protocols = imap\n", ""),
    (
        "exim",
        "hostlist relay_from_hosts = 127.0.0.1 : ::::1 : 192.0.2.0/28 : +more\n",
        "127.0.0.1/32 ::1/128 192.0.2.0/28 ?",
    ),
    ("exim", "hostlist relay_from_hosts = <; 127.0.0.1 ; ::1\n", "127.0.0.1/32 ::1/128"),
    ("exim", "primary_hostname = out.example.org\n", ""),
]


@pytest.mark.parametrize(("program", "text", "expected"), ALLOWED)
def test_what_a_configuration_allows(program: str, text: str, expected: str, tmp_path: Path) -> None:
    found = allowed.allowances([printed(tmp_path, text, program)])
    told = [
        ("?" if a.elsewhere else "any" if a.networks == allowed.ANYWHERE else str(a.networks[0])) + "+" * a.sign_in
        for a in found
    ]
    assert " ".join(told) == expected
    assert all("out.example.org." in a.seen for a in found)


WORDS = st.lists(
    st.sampled_from(
        [
            "permit_mynetworks",
            "check_client_access",
            "inline:{",
            "{",
            "}",
            "=",
            "OK",
            ",",
            "[::1",
            "0/0",
            "192.0.2.300",
            "!",
            "inline:{10=OK}",
            "permit",
            "reject",
            "$x",
            "<",
            ":",
            "::",
            "allow_nets=",
            "allow_nets=local,1.2.3.4",
            "/",
            "1.2.3.4/99",
        ]
    ),
    max_size=8,
)


@pytest.mark.parametrize("program", SUFFIX)
@given(values=st.lists(WORDS, min_size=4, max_size=4))
def test_any_configuration_is_read_or_said_to_be_elsewhere(program: str, values: list[list[str]]) -> None:
    names = ["smtpd_relay_restrictions", "submission/inet/mynetworks", "passdb/default_fields", "relay_from_hosts"]
    settings = {name: (1, " ".join(value)) for name, value in zip(names, values, strict=True)}
    for found in allowed.allowances([Configuration("out", program, "x", settings)]):
        assert bool(found.networks) is not bool(found.elsewhere)


def test_a_list_too_long_to_be_one_of_a_person_is_not_known_whole(tmp_path: Path) -> None:
    many = " ".join(f"10.0.{n // 250}.{n % 250}" for n in range(10_000))
    found = allowed.allowances([printed(tmp_path, f"mynetworks = {many}\n{RELAY}")])
    assert len(found) == allowed.MAX_NETWORKS + 1
    assert found[-1].elsewhere


def mail(host: str, *senders: tuple[str, str, int], days: int = 30) -> pd.DataFrame:
    """The table messages: an address, an account ("" none) and how many of its messages, spread over days."""
    began = pd.Timestamp("2026-10-01", tz="UTC")
    rows = [
        {
            "time": began + pd.Timedelta(days=days) * n / max(count - 1, 1),
            "host": host,
            "queue_id": f"{ip}{n}",
            "client_ip": ip,
            "sasl_user": user or pd.NA,
        }
        for ip, user, count in senders
        for n in range(count)
    ]
    return conform("messages", rows)


def signed_in(host: str, ip: str, user: str, day: str = "2026-10-05") -> pd.DataFrame:
    row = {"time": pd.Timestamp(day, tz="UTC"), "host": host, "service": "imap", "client_ip": ip}
    return conform("connections", [row | {"auth_user": user, "auth_ok": True}])


NONE = conform("connections", [])


def joined(
    configurations: list[Configuration],
    messages: pd.DataFrame,
    connections: pd.DataFrame = NONE,
    mx: tuple[str, ...] = (),
) -> submitters.Submitters:
    problems = conform("problems", [])
    evidence = ServerEvidence((), (), tuple(configurations), mx, (), problems)
    return submitters.gather(evidence, messages, connections)


def raised(made: submitters.Submitters) -> dict[str, str]:
    return {f.code.rpartition(".")[2]: f.record for f in submitters.check(made)}


NETS = "mynetworks = 127.0.0.0/8, 10.0.0.0/8, 192.0.2.0/28, 203.0.113.5\n" + RELAY
FOUND = [
    # configuration, who handed in, whether the host is an MX, the findings and the line to set
    ("all are used", NETS, [("10.200.0.1", "", 99), ("10.1.0.1", "", 99), ("192.0.2.3", "", 9), ("203.0.113.5", "", 9)],
     False, {"as_allowed": ""}),
    ("two are silent", NETS, [("10.200.0.1", "", 99), ("10.1.0.1", "", 99)], False,
     {"silent": "mynetworks = 127.0.0.0/8, 10.0.0.0/8"}),
    ("one is wide", NETS, [("10.1.0.1", "", 99), ("10.1.0.2", "", 9), ("192.0.2.3", "", 9), ("203.0.113.5", "", 9)],
     False, {"wide": "mynetworks = 127.0.0.0/8, 10.1.0.0/30, 192.0.2.0/28, 203.0.113.5"}),
    ("only with sign-in, which needs no permission", NETS,
     [("10.1.0.1", "jo", 99), ("10.255.0.1", "", 9), ("10.1.0.1", "", 9), ("203.0.113.5", "", 9)], False,
     {"silent": "mynetworks = 127.0.0.0/8, 10.0.0.0/8, 203.0.113.5"}),
    ("a short log says nothing of what never happens", NETS, [("10.1.0.1", "", 50)], False, {}),
    ("a stranger", "mynetworks = 192.0.2.3\n" + RELAY, [("192.0.2.3", "", 99), ("198.51.100.9", "", 9)], False,
     {"outside": ""}),
    ("strangers at an MX are inbound mail", "mynetworks = 192.0.2.3\n" + RELAY,
     [("192.0.2.3", "", 99), ("198.51.100.9", "", 9)], True, {"as_allowed": ""}),
    ("a stranger whom a table may name", "mynetworks = 192.0.2.3 cidr:/etc/nets\n" + RELAY,
     [("192.0.2.3", "", 99), ("198.51.100.9", "", 9)], False, {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "senders", "mx", "expected"), [r[1:] for r in FOUND], ids=[r[0] for r in FOUND])
def test_logs_beside_configuration(
    text: str, senders: list[tuple[str, str, int]], mx: bool, expected: dict[str, str], tmp_path: Path
) -> None:
    names = ("out.example.org",) if mx else ()
    assert raised(joined([printed(tmp_path, text)], mail("out", *senders), mx=names)) == expected


def test_sign_ins_outside_of_allow_nets(tmp_path: Path) -> None:
    postfix = printed(tmp_path, "smtpd_relay_restrictions = permit_sasl_authenticated, reject\n")
    dovecot = printed(tmp_path, "passdb {\n  override_fields = allow_nets=192.0.2.0/28\n}\n", "dovecot")
    told = mail("out", ("192.0.2.3", "jo", 200))
    assert raised(joined([postfix, dovecot], told)) == {"as_allowed": ""}
    made = joined([postfix, dovecot], told, signed_in("out", "198.51.100.9", "an"))
    assert set(raised(made)) == {"sign_in_outside"}
    row = made.frame().iloc[-1]
    assert (row["network"], row["allowed by"], row["messages"], row["accounts"]) == (
        "198.51.100.9",
        "nothing given",
        0,
        1,
    )


def test_the_table_counts_messages_accounts_and_addresses_by_network(tmp_path: Path) -> None:
    text = "mynetworks = 192.0.2.0/28 192.0.2.3\n"
    told = mail(
        "out.example.org", ("192.0.2.3", "", 5), ("192.0.2.4", "", 7), ("198.51.100.1", "jo", 2), ("::1", "an", 1)
    )
    frame = joined([printed(tmp_path, text)], told).frame()
    columns = ["network", "sign-in", "messages", "accounts", "addresses"]
    assert frame[columns].to_numpy().tolist() == [
        ["192.0.2.0/28", "none", 7, 0, 1],
        ["192.0.2.3", "none", 5, 0, 1],
        ["any address", "needed", 3, 2, 2],
    ]
    assert "line 1: mynetworks" in frame["allowed by"][0]


def test_hosts_kept_alike_are_judged_together(tmp_path: Path) -> None:
    """A pair of relays with the same line: the network that one of them serves is no idle permission of the other."""
    both = [
        printed(tmp_path, "mynetworks = 192.0.2.3 192.0.2.4\n" + RELAY, host=f"{h}.example.org") for h in ("a", "b")
    ]
    told = pd.concat([mail("a", ("192.0.2.3", "", 200)), mail("b", ("192.0.2.4", "", 200))], ignore_index=True)
    assert raised(joined(both, told)) == {"as_allowed": ""}


def test_exim_gets_its_own_line(tmp_path: Path) -> None:
    text = "hostlist relay_from_hosts = 127.0.0.1 : 192.0.2.3 : 192.0.2.4\n"
    made = joined([printed(tmp_path, text, "exim")], mail("out", ("192.0.2.3", "", 200)))
    assert raised(made) == {"silent": "hostlist relay_from_hosts = <; 127.0.0.1 ; 192.0.2.3"}


def test_without_logs_or_configuration_nothing_is_said(tmp_path: Path) -> None:
    assert not joined([], mail("out", ("192.0.2.3", "", 200))).hosts
    assert not joined([printed(tmp_path, NETS)], conform("messages", [])).hosts
    # Two hosts whose first labels are the same cannot be told apart by a short name.
    twins = [printed(tmp_path, NETS, host=f"out.{d}.example") for d in ("a", "b")]
    assert not joined(twins, mail("out", ("192.0.2.3", "", 200))).hosts


def test_the_bundled_case_keeps_to_its_configuration(meridian: Path) -> None:
    exam = examine(Case.open(meridian))
    assert {f.code for f in submitters.check(exam.submitters)} == {"servers.submitters.as_allowed"}
