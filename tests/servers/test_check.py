"""What servers offer, judged: a table of sessions and the finding each must raise, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtplab import inventory, servers
from smtplab.case import Case
from smtplab.errors import NotRecorded
from smtplab.findings import Severity
from smtplab.servers import ServerEvidence
from smtplab.tape import Question, Recorder
from tests.net.certs import AT, Authority, Issued
from tests.servers.taped import DOMAIN, MAIL, MX, Answers, Value, case, imap, pop3, smtp, spoke

AUTHORITY = Authority()
CERT: Issued = AUTHORITY.issue(MX, MAIL)


def collect(folder: Path, answers: Answers) -> ServerEvidence:
    opened = case(folder, answers, AUTHORITY)
    return servers.collect(opened, inventory.gather(opened))


SESSIONS: list[tuple[str, tuple[str, int], Value, set[str]]] = [
    # what: (name, host and port, the session, codes raised for it)
    ("all well", (MX, 25), spoke(25, smtp("STARTTLS"), smtp("DSN"), CERT), {"servers.ok"}),
    ("MX without STARTTLS", (MX, 25), spoke(25, smtp("DSN")), {"servers.starttls.missing"}),
    ("MX without ESMTP", (MX, 25), spoke(25, ["502 no"]), {"servers.starttls.missing"}),
    ("EHLO refused", (MX, 25), spoke(25, ["550 not you"]), {"servers.unknown"}),
    ("silence in EHLO", (MX, 25), spoke(25, ended="the server fell silent"), {"servers.unknown"}),
    ("timeout", (MX, 25), "timeout", {"servers.unknown"}),
    ("no route", (MX, 25), "OSError: [Errno 113] No route to host", {"servers.unknown"}),
    ("closed MX", (MX, 25), {"steps": [], "ended": "connection refused"}, {"servers.mx.closed"}),
    ("closed submission", (MAIL, 587), {"steps": [], "ended": "connection refused"}, {"servers.port.closed"}),
    ("421 greeting", (MX, 25), spoke(25, greeting="421 busy"), {"servers.throttled"}),
    ("421 to EHLO", (MX, 25), spoke(25, ["421 4.7.0 busy"]), {"servers.throttled"}),
    (
        "slow greeting",
        (MX, 25),
        spoke(25, smtp("STARTTLS"), smtp(), CERT, greeting_ms=6000),
        {"servers.greeting.slow", "servers.ok"},
    ),
    (
        "handshake fails",
        (MX, 25),
        spoke(25, smtp("STARTTLS"), starttls="220 go", ended="TLS handshake failed: alert"),
        {"servers.starttls.broken"},
    ),
    (
        "STARTTLS refused",
        (MX, 25),
        spoke(25, smtp("STARTTLS"), starttls="454 TLS not available"),
        {"servers.starttls.broken"},
    ),
    (
        "sign-in before TLS",
        (MAIL, 587),
        spoke(587, smtp("STARTTLS", "AUTH PLAIN LOGIN"), smtp("AUTH PLAIN"), CERT),
        {"servers.auth.before_tls"},
    ),
    (
        "sign-in before TLS, in the old form",
        (MAIL, 587),
        spoke(587, smtp("STARTTLS", "AUTH=LOGIN"), smtp("AUTH PLAIN"), CERT),
        {"servers.auth.before_tls"},
    ),
    (
        "a mechanism that keeps the secret",
        (MAIL, 587),
        spoke(587, smtp("STARTTLS", "AUTH SCRAM-SHA-256"), smtp("AUTH PLAIN"), CERT),
        {"servers.ok"},
    ),
    ("sign-in only inside", (MAIL, 587), spoke(587, smtp("STARTTLS"), smtp("AUTH PLAIN"), CERT), {"servers.ok"}),
    ("submissions", (MAIL, 465), spoke(465, smtp("AUTH PLAIN"), None, CERT), {"servers.ok"}),
    ("submission without TLS", (MAIL, 587), spoke(587, smtp("DSN")), {"servers.tls.missing"}),
    (
        "IMAP without LOGINDISABLED",
        (MAIL, 143),
        spoke(143, imap("STARTTLS"), imap("AUTH=PLAIN"), CERT),
        {"servers.imap.plaintext_login"},
    ),
    (
        "IMAP with LOGINDISABLED",
        (MAIL, 143),
        spoke(143, imap("STARTTLS", "LOGINDISABLED"), imap("AUTH=PLAIN"), CERT),
        {"servers.ok"},
    ),
    ("IMAPS", (MAIL, 993), spoke(993, imap("AUTH=PLAIN"), None, CERT), {"servers.ok"}),
    ("IMAP that says nothing", (MAIL, 143), spoke(143, ["a1 BAD"]), {"servers.unknown"}),
    (
        "POP3 with USER",
        (MAIL, 110),
        spoke(110, pop3("STLS", "USER"), pop3("USER"), CERT),
        {"servers.pop3.plaintext_login"},
    ),
    ("POP3 without USER", (MAIL, 110), spoke(110, pop3("STLS"), pop3("USER"), CERT), {"servers.ok"}),
    (
        "POP3 with PLAIN before TLS",
        (MAIL, 110),
        spoke(110, pop3("STLS", "SASL PLAIN"), pop3("USER"), CERT),
        {"servers.pop3.plaintext_login"},
    ),
    (
        "ManageSieve",
        (MAIL, 4190),
        spoke(4190, ['"STARTTLS"', '"SASL" ""', "OK"], ['"SASL" "PLAIN"', "OK"], CERT),
        {"servers.ok"},
    ),
    (
        "ManageSieve with PLAIN before TLS",
        (MAIL, 4190),
        spoke(4190, ['"STARTTLS"', '"SASL" "PLAIN"', "OK"], ['"SASL" "PLAIN"', "OK"], CERT),
        {"servers.sieve.plaintext_login"},
    ),
    (
        "submission where nobody can sign in",
        (MAIL, 587),
        spoke(587, smtp("STARTTLS"), smtp("DSN"), CERT),
        {"servers.submission.no_auth", "servers.ok"},
    ),
    (
        "sign-in at an MX",
        (MX, 25),
        spoke(25, smtp("STARTTLS"), smtp("AUTH PLAIN"), CERT),
        {"servers.auth.on_mx", "servers.ok"},
    ),
    (
        "sign-in without password",
        (MAIL, 465),
        spoke(465, smtp("AUTH PLAIN ANONYMOUS"), None, CERT),
        {"servers.auth.anonymous", "servers.ok"},
    ),
    (
        "mechanisms that were withdrawn",
        (MAIL, 993),
        spoke(993, imap("AUTH=PLAIN", "AUTH=CRAM-MD5", "AUTH=NTLM"), None, CERT),
        {"servers.auth.historic", "servers.ok"},
    ),
]


@pytest.mark.parametrize(("what", "where", "session", "codes"), SESSIONS, ids=[s[0] for s in SESSIONS])
def test_a_session_raises_just_its_findings(
    what: str, where: tuple[str, int], session: Value, codes: set[str], tmp_path: Path
) -> None:
    evidence = collect(tmp_path / "case", Answers({where: session}, roles=("submission", "imap", "pop3", "sieve")))
    host, port = where
    about = [f for f in servers.check(evidence) if f.facts["host"] == host and f.facts.get("port") == port]
    assert {f.code for f in about} == codes
    assert all(f.title and f.why for f in about)


@pytest.mark.parametrize(
    ("mechanisms", "raised"),
    [("AUTH PLAIN LOGIN", True), ("AUTH PLAIN XOAUTH2", False), ("AUTH OAUTHBEARER", False), ("AUTH X-NEW", False)],
)
def test_a_token_is_the_mark_of_a_second_factor(mechanisms: str, raised: bool, tmp_path: Path) -> None:
    sessions = {(MAIL, 587): spoke(587, smtp("STARTTLS"), smtp(mechanisms), CERT)}
    found = servers.check(collect(tmp_path / "case", Answers(sessions))).of("servers.auth.password_only")
    assert [f.subject for f in found] == [MAIL] * raised


def test_every_silent_port_25_beside_a_living_587_is_blocked_here(tmp_path: Path) -> None:
    sessions: dict[tuple[str, int], Value] = {(MX, 25): "timeout", (MAIL, 25): "timeout"}
    sessions |= {(MAIL, 587): spoke(587, smtp("STARTTLS"), smtp("AUTH PLAIN"), CERT)}
    two = [f"10 {MX}", f"20 {MAIL}"]
    assert servers.check(collect(tmp_path / "a", Answers(sessions, mx=two))).of("servers.port25.blocked")
    assert not servers.check(collect(tmp_path / "b", Answers(sessions))).of("servers.port25.blocked")
    heard = sessions | {(MX, 25): spoke(25, smtp("STARTTLS"), smtp(), CERT)}
    assert not servers.check(collect(tmp_path / "c", Answers(heard, mx=two))).of("servers.port25.blocked")


def test_both_families_are_asked_and_a_closed_ipv6_is_told(tmp_path: Path) -> None:
    heard = {(MX, 25): spoke(25, smtp("STARTTLS"), smtp(), CERT)}
    closed: Value = {"steps": [], "ended": "connection refused"}
    evidence = collect(tmp_path / "a", Answers(heard, ipv6={(MX, 25): closed}))
    assert [s.address for s in evidence.sessions if s.host == MX] == ["192.0.2.10", "2001:db8::10"]
    about = {f.code for f in servers.check(evidence) if f.facts["host"] == MX}
    assert about == {"servers.ok", "servers.ipv6.closed"}
    evidence = collect(tmp_path / "b", Answers(heard, ipv6=heard))
    assert [o.service for o in evidence.offers if o.host == MX] == [f"{MX}:25", f"{MX}:25 (IPv6)"]
    assert {f.code for f in servers.check(evidence) if f.facts["host"] == MX} == {"servers.ok"}


def test_a_door_that_no_role_needs_is_told(tmp_path: Path) -> None:
    ports = {(MAIL, 4190): "open", (MAIL, 25): "refused", (MAIL, 2525): "open"}
    evidence = collect(tmp_path / "case", Answers(ports=ports, own=True))
    assert {d.port: d.state for d in evidence.doors} == {25: "refused", 2525: "open", 4190: "open"}
    found = servers.check(evidence).of("servers.port.needless")
    assert [f.subject for f in found] == [f"{MAIL}:2525", f"{MAIL}:4190"]
    row = evidence.ports().set_index("host").loc[MAIL]
    assert row[["25", "2525", "587"]].tolist() == ["refused", "open", "unknown (not recorded)"]
    assert collect(tmp_path / "theirs", Answers(ports=ports)).doors == ()


def test_421_to_our_own_probe_is_never_above_info(tmp_path: Path) -> None:
    busy = {(MX, 25): spoke(25, greeting="421 busy"), (MAIL, 587): spoke(587, ["421 busy"])}
    findings = servers.check(collect(tmp_path / "case", Answers(busy)))
    assert {f.severity for f in findings} == {Severity.INFO}


def test_the_fix_is_the_line_to_set(tmp_path: Path) -> None:
    findings = servers.check(collect(tmp_path / "case", Answers({(MX, 25): spoke(25, smtp())})))
    assert findings.of("servers.starttls.missing")[0].record == "smtpd_tls_security_level = may"


def test_a_case_without_recording_has_unknowns_and_no_error(tmp_path: Path) -> None:
    opened = Case.create(tmp_path / "case", DOMAIN)
    evidence = servers.collect(opened, inventory.gather(opened))
    assert evidence.sessions == ()
    assert not servers.check(evidence).at_least("low")


def test_a_recording_that_holds_nothing_of_ours_says_so(tmp_path: Path) -> None:
    opened = Case.create(tmp_path / "case", DOMAIN)
    with Recorder(tmp_path / "case" / "tape", started=AT, vantage="here"):
        pass
    opened = Case.open(tmp_path / "case")
    with pytest.raises(NotRecorded, match="session"):
        servers.collect(opened, inventory.gather(opened))


def test_a_host_without_public_address_is_unknown(tmp_path: Path) -> None:
    evidence = collect(tmp_path / "case", Answers(mx=["10 nowhere.example"]))
    assert dict(evidence.unreached) == {"nowhere.example": "not recorded"}
    (finding,) = [f for f in servers.check(evidence) if f.subject == "nowhere.example"]
    assert (finding.code, finding.severity) == ("servers.unknown", Severity.INFO)


def test_a_null_mx_is_no_host(tmp_path: Path) -> None:
    assert collect(tmp_path / "case", Answers(mx=["0 ."])).mx == ()


IMPLICIT = [
    # MX records, what port 25 of the domain's own address does, and the finding: nobody may ever have meant it to take mail
    ([], {"steps": [], "ended": "connection refused"}, "servers.port.closed"),
    ([], spoke(25, smtp()), "servers.starttls.missing"),
    ([f"10 {DOMAIN}"], {"steps": [], "ended": "connection refused"}, "servers.mx.closed"),
]


@pytest.mark.parametrize(("mx", "session", "code"), IMPLICIT)
def test_a_domain_without_mx_is_its_own_mail_host(mx: list[str], session: Value, code: str, tmp_path: Path) -> None:
    asked = Question.of("session", "192.0.2.80:25", {"protocol": "smtp", "name": DOMAIN})
    address = Question.of("dns", DOMAIN, {"rtype": "A"})
    records = {"rcode": "NOERROR", "records": ["192.0.2.80"]}
    none = (Question.of("dns", DOMAIN, {"rtype": "AAAA"}), {"rcode": "NOERROR", "records": []})
    evidence = collect(tmp_path / "case", Answers(mx=mx, roles=(), more=((asked, session), (address, records), none)))
    assert evidence.mx == (DOMAIN,)
    assert code in {f.code for f in servers.check(evidence) if f.subject.startswith(DOMAIN)}
