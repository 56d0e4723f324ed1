"""Real servers: a careless and a careful Postfix, Dovecot and Exim, diagnosed and probed in a network of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mailservers import inside

EXIM = os.environ.get("SMTPLAB_EXIM", "")

MANAGESIEVE = Path("/usr/lib/dovecot/managesieve")

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("servers")]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("servers") / "seen.json"
    inside("tests.servers.inside", str(out), timeout=300)
    return dict(json.loads(out.read_text()))


def at(seen: dict[str, Any], question: str, endpoint: str) -> dict[str, Any]:
    if endpoint.startswith("exim") and not EXIM:
        pytest.skip("set SMTPLAB_EXIM to an unpacked exim4")
    if endpoint == "boxes:4190" and not MANAGESIEVE.exists():
        pytest.skip("Debian's dovecot-managesieved is not installed")
    return dict(seen[question][endpoint])


def failed(told: dict[str, Any]) -> str:
    return next((s["phase"] for s in told["steps"] if s["ok"] is False), "")


HEALTHY = [
    # endpoint, what is announced before TLS and not inside, inside and not before; None: it is TLS from the start
    ("careful:25", "STARTTLS", ""),
    ("careful:587", "STARTTLS", "AUTH PLAIN LOGIN"),
    ("careful:465", None, "AUTH PLAIN LOGIN"),
    ("careless:25", "STARTTLS", ""),
    ("exim:25", "STARTTLS", "AUTH PLAIN"),
    ("exim:465", None, "AUTH PLAIN"),
    ("boxes:143", "LOGINDISABLED", "AUTH=PLAIN"),
    ("boxes:993", None, "AUTH=PLAIN"),
    ("boxes:110", "STLS", "SASL PLAIN LOGIN"),
    ("boxes:995", None, "SASL PLAIN LOGIN"),
    ("boxes:4190", "STARTTLS", "SASL PLAIN LOGIN"),
]


@pytest.mark.parametrize(("endpoint", "before", "inside"), HEALTHY)
def test_all_steps_of_a_real_server_are_fine(
    seen: dict[str, Any], endpoint: str, before: str | None, inside: str
) -> None:
    told = at(seen, "healthy", endpoint)
    assert failed(told) == "", told["steps"]
    assert told["connections_used"] == 1
    first, second = told["capabilities"]["before"], told["capabilities"]["after"]
    assert before is None or before in first
    assert before is None or before not in second
    assert not inside or inside in second
    assert not inside or inside not in first
    assert all(s["ms"] < 2000 for s in told["steps"])


def test_the_careless_one_offers_passwords_before_tls(seen: dict[str, Any]) -> None:
    assert [f["code"] for f in at(seen, "healthy", "careless:587")["findings"]] == ["servers.auth.before_tls"]


def test_extensions_of_postfix_are_typed(seen: dict[str, Any]) -> None:
    extensions = at(seen, "healthy", "careful:25")["capabilities"]["extensions"]
    assert extensions["size"] == 10_240_000
    assert extensions["pipelining"]
    assert extensions["chunking"]
    assert extensions["smtputf8"]
    assert not extensions["requiretls"]
    assert extensions["limits"] == {}


SMUGGLED = {
    # What each program takes for the end of a message besides the legal one; measured by hand with netcat before.
    "careless:25": {"LF.LF", "LF.CRLF", "CRLF.LF", "LF.CRCRLF", "CRLF.CRCRLF"},
    "careful:25": set(),
    "exim:25": set(),
}


@pytest.mark.parametrize("endpoint", SMUGGLED)
def test_smuggling_shows_at_the_careless_one_alone(seen: dict[str, Any], endpoint: str) -> None:
    told = at(seen, "intrusive", endpoint)
    forms = {p["variant"]: p["verdict"] for p in told["probes"] if p["what"] == "smuggling"}
    assert len(forms) == 13
    assert {n for n, v in forms.items() if v == "open"} == SMUGGLED[endpoint] | {"CRLF.CRLF", "CRCRLF.CRLF"}
    assert set(forms.values()) == {"open", "closed"}
    found = {f["code"] for f in told["findings"]}
    assert ("servers.smuggling" in found) is bool(SMUGGLED[endpoint])


@pytest.mark.parametrize(("endpoint", "open_"), [("careless:25", True), ("careful:25", False), ("exim:25", False)])
def test_only_the_careless_one_relays(seen: dict[str, Any], endpoint: str, open_: bool) -> None:
    told = at(seen, "intrusive", endpoint)
    forms = {p["variant"]: p["verdict"] for p in told["probes"] if p["what"] == "relay"}
    assert (forms["foreign to foreign"] == "open") is open_
    assert ("servers.relay.open" in {f["code"] for f in told["findings"]}) is open_


@pytest.mark.parametrize(
    ("question", "endpoint"),
    [("intrusive", f"{h}:25") for h in ("careless", "careful", "exim")]
    + [("intrusive boxes", f"boxes:{p}") for p in (143, 110)],
)
def test_no_real_server_obeys_what_came_before_tls(seen: dict[str, Any], question: str, endpoint: str) -> None:
    probes = at(seen, question, endpoint)["probes"]
    assert [p["verdict"] for p in probes if p["what"] == "injection"] == ["closed"]


def test_an_endpoint_gets_at_most_twelve_connections(seen: dict[str, Any]) -> None:
    assert 1 <= seen["most connections"] <= 12


@pytest.mark.parametrize(
    "endpoint", ["careful:587", "careful:465", "boxes:993", "boxes:995", "boxes:143", "boxes:4190"]
)
def test_the_right_password_signs_in(seen: dict[str, Any], endpoint: str) -> None:
    told = at(seen, "signed in", endpoint)
    assert failed(told) == "", told["steps"]
    assert any(s["phase"] == "auth" and s["ok"] for s in told["steps"])


FAILURES = [
    # question, endpoint, the step that fails, the first cause, whether an observation proves it
    ("wrong password", "careful:587", "auth", "auth-wrong", False),
    ("wrong password", "boxes:993", "auth", "auth-wrong", False),
    ("wrong password", "boxes:110", "auth", "auth-wrong", False),
    ("wrong password", "boxes:4190", "auth", "auth-wrong", False),
    ("stranger", "careful:25", "rcpt", "relay-denied", False),
    ("stranger", "exim:25", "rcpt", "relay-denied", False),
    ("stranger", "careless:25", "", "", False),
    ("wrong mode", "careful:465", "greeting", "greeting-expects-tls", True),
    ("wrong mode", "boxes:993", "greeting", "greeting-expects-tls", True),
    ("wrong mode", "careful:25", "tls", "tls-expects-plain", True),
    ("wrong port", "careful:26", "port", "port-not-served", False),
    ("wrong port", "nobody:25", "name", "name-wrong", False),
]


@pytest.mark.parametrize(("question", "endpoint", "step", "cause", "proved"), FAILURES)
def test_each_failure_at_a_real_server_has_its_first_cause(
    seen: dict[str, Any], question: str, endpoint: str, step: str, cause: str, proved: bool
) -> None:
    told = at(seen, question, endpoint)
    assert failed(told) == step, told["steps"]
    first = told["causes"][0] if told["causes"] else {"id": "", "confirmed": False}
    assert (first["id"], first["confirmed"]) == (cause, proved)


def test_what_exim_prints_of_itself_is_read(seen: dict[str, Any]) -> None:
    if not EXIM:
        pytest.skip("set SMTPLAB_EXIM to an unpacked exim4")
    printed = seen["exim -bP"]
    assert printed["acl_smtp_rcpt"] == "acl_rcpt"
    assert printed["smtp_enforce_sync"] == "true"
    assert printed["tls_advertise_hosts"] == "*"


def test_one_message_is_sent_stays_at_imap_and_goes_with_pop3(seen: dict[str, Any]) -> None:
    told = seen["side by side"]
    submission, imap, _, pop3, _ = told["sessions"]
    assert submission[-6:] == ["auth", "mail", "rcpt", "data", "message", "quit"]
    assert imap[-6:] == ["auth", "select", "fetch", "store", "folders", "quit"]
    assert pop3[-5:] == ["auth", "stat", "retrieve", "delete", "quit"]
    box = told["mailbox"]
    assert box["messages"] == [1, 1, 0]
    assert "\\Seen" not in box["flags"][0]
    assert "\\Seen" in box["flags"][1]
    assert "Subject: One message, three protocols" in told["text"]
    # What was fetched is counted and not kept.
    assert "lines, then a dot)" in told["text"].split("C: RETR 1")[1]
    assert "dot\n" not in told["text"].replace("a dot", "")
    assert told["replayed"] == told["text"]
    assert told["secret on tape"] is False


SCRIPTED = [
    # endpoint, versions accepted, the finding on the certificate; the groups as the notes have them, by other tools
    ("careless:25", "1 1.1 1.2 1.3", {"transport.tls.legacy_relay", "transport.tls.no_post_quantum"}),
    ("careful:465", "1 1.1 1.2 1.3", {"transport.tls.legacy", "transport.tls.no_post_quantum"}),
    ("exim:25", "1 1.1 1.2 1.3", {"transport.tls.legacy_relay", "transport.tls.no_post_quantum"}),
    ("boxes:143", "1.2 1.3", {"transport.tls.no_post_quantum"}),
    ("boxes:993", "1.2 1.3", {"transport.tls.no_post_quantum"}),
    ("boxes:110", "1.2 1.3", {"transport.tls.no_post_quantum"}),
    ("boxes:4190", "1.2 1.3", {"transport.tls.no_post_quantum"}),
]
CONTRACT = {"host", "port", "protocol", "steps", "capabilities", "tls", "connections_used", "findings"}
CURVES = {"secp256r1", "secp384r1", "secp521r1", "x25519", "x448"}


def script(seen: dict[str, Any], question: str, endpoint: str) -> dict[str, Any]:
    return at({question: seen[question]["told"]}, question, endpoint)


@pytest.mark.parametrize(("endpoint", "versions", "findings"), SCRIPTED)
def test_a_script_gets_every_key_of_the_contract_from_a_real_server(
    seen: dict[str, Any], endpoint: str, versions: str, findings: set[str]
) -> None:
    told = script(seen, "script", endpoint)
    assert told.keys() >= CONTRACT
    assert all({"phase", "ok", "ms", "reply"} <= step.keys() for step in told["steps"])
    assert {"versions", "ciphers", "groups", "negotiated", "certificate"} <= told["tls"].keys()
    assert [v for v, accepted in told["tls"]["versions"].items() if accepted] == [f"TLSv{v}" for v in versions.split()]
    assert told["tls"]["negotiated"] == {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "group": "x25519"}
    assert told["tls"]["post_quantum"] is False
    assert told["tls"]["certificate"]["openssl"] == told["tls"]["certificate"]["strict"] == "valid"
    assert told["tls"]["certificate"]["covers_host"] is True
    found = {f["code"] for f in told["findings"]}
    assert findings | {"transport.certificate.ok"} == {c for c in found if c.startswith("transport.")}
    assert any(c.startswith("servers.") for c in found)
    assert told["connections_used"] <= 12


def test_groups_within_the_budget_are_right_and_say_what_is_missing(seen: dict[str, Any]) -> None:
    postfix = script(seen, "script", "careless:25")["tls"]["groups"]
    assert (set(postfix["names"]), postfix["complete"]) == (CURVES, True)
    dovecot = script(seen, "script", "boxes:993")["tls"]["groups"]
    assert set(dovecot["names"]) > CURVES
    assert (dovecot["complete"], dovecot["why"]) == (False, "budget")


def test_gnutls_of_exim_shows_its_finite_fields(seen: dict[str, Any]) -> None:
    groups = script(seen, "script, patient", "exim:25")["tls"]["groups"]
    fields = {f"ffdhe{bits}" for bits in (2048, 3072, 4096)}
    assert CURVES | fields <= set(groups["names"])
    assert groups["complete"] is True


def test_the_exit_status_follows_the_findings(seen: dict[str, Any]) -> None:
    assert [seen[q]["status"] for q in ("script", "script, strict")] == [0, 1]
    by_address = seen["script, strict"]["told"]["127.0.1.3:993"]
    assert "transport.certificate.whose" in {f["code"] for f in by_address["findings"]}


def all_of(told: dict[str, Any], *keys: str) -> bool:
    return all(told[k] for k in keys)


ANCHORS: dict[str, Callable[[dict[str, Any]], object]] = {
    # the rows of the table in the field notes, each by what a real server here gave; DANE, MTA-STS: tests/transport
    "banner and EHLO": lambda s: s["healthy"]["careful:25"]["steps"][3]["reply"].startswith("220 careful.lab.example"),
    "EHLO typed": lambda s: (
        {"size", "limits", "requiretls"} <= s["healthy"]["careful:25"]["capabilities"]["extensions"].keys()
    ),
    "AUTH before and after TLS": lambda s: (
        not any("AUTH" in c for c in s["healthy"]["careful:587"]["capabilities"]["before"])
        and any("AUTH" in c for c in s["healthy"]["careful:587"]["capabilities"]["after"])
    ),
    "STARTTLS of SMTP, IMAP and POP3": lambda s: all(
        s["script"]["told"][e]["tls"] for e in ("careful:25", "boxes:143", "boxes:110")
    ),
    "chain, host, expiry": lambda s: all_of(
        s["script"]["told"]["careful:25"]["tls"]["certificate"], "chain_in_order", "covers_host", "days_left"
    ),
    "versions and ciphers": lambda s: all_of(s["script"]["told"]["careful:25"]["tls"], "versions", "ciphers"),
    "groups, post-quantum": lambda s: s["script"]["told"]["careful:25"]["tls"]["post_quantum"] is False,
    "STARTTLS injection": lambda s: [
        p["verdict"] for p in s["intrusive"]["careful:25"]["probes"] if p["what"] == "injection"
    ],
    "smuggling": lambda s: [p for p in s["intrusive"]["careful:25"]["probes"] if p["what"] == "smuggling"],
    "open relay, VRFY and EXPN": lambda s: (
        {"relay", "verify"} <= {p["what"] for p in s["intrusive"]["careful:25"]["probes"]}
    ),
    "time of each phase": lambda s: all(p["ms"] >= 0 for p in s["healthy"]["careful:25"]["steps"]),
    "bytes of each phase": lambda s: all(
        p["bytes_in"] for p in s["healthy"]["careful:25"]["steps"] if p["phase"] in ("greeting", "capabilities", "tls")
    ),
    "stepwise advice": lambda s: s["wrong password"]["careful:587"]["causes"][0]["what_to_do"],
    "IMAP and POP3 capability": lambda s: all(
        s["healthy"][e]["capabilities"]["before"] for e in ("boxes:143", "boxes:110")
    ),
    "ManageSieve": lambda s: not MANAGESIEVE.exists() or s["healthy"]["boxes:4190"]["capabilities"]["after"],
}


@pytest.mark.parametrize("row", ANCHORS)
def test_every_row_of_the_anchors_is_answered(seen: dict[str, Any], row: str) -> None:
    assert ANCHORS[row](seen)


PRINTED = {
    "careless": ["127.0.0.0/8"],
    "careful": ["any address+", "192.0.2.77"],
    "boxes": ["127.0.0.0/8+", "2001:db8::/64+"],
    "exim": ["192.0.2.3", "::1", "198.51.100.0/24"],
}


@pytest.mark.parametrize("host", PRINTED)
def test_who_may_hand_in_is_read_from_what_the_programs_print(seen: dict[str, Any], host: str) -> None:
    if host == "exim" and not EXIM:
        pytest.skip("set SMTPLAB_EXIM to an unpacked exim4")
    assert seen["allowed"][host] == PRINTED[host]
