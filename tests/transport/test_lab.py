"""DANE and TLS against real servers, with a second opinion: Postfix's own prober, and openssl s_client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.mailservers import inside

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("lab")]
STATES = {
    # domain: our state, and whether Postfix (posttls-finger -l dane) calls the server verified
    "good.dane.example": ("works", True),
    "key.dane.example": ("works", True),
    "whole.dane.example": ("works", True),
    "rollover.dane.example": ("works", True),
    "own.dane.example": ("works", True),
    "old.dane.example": ("works", True),
    "ta.dane.example": ("works", True),
    "ta-whole.dane.example": ("works", True),
    "ta-expired.dane.example": ("broken", False),
    "ta-name.dane.example": ("broken", False),
    "ta-missing.dane.example": ("broken", False),
    "wrong.dane.example": ("broken", False),
    "mixed.dane.example": ("broken", False),
    "pkix.dane.example": ("unusable", False),
    "notls.dane.example": ("no TLS", False),
    "none.dane.example": ("absent", False),
    "implicit.dane.example": ("works", True),
    "implicit-wrong.dane.example": ("broken", False),
    "plain.example": ("ignored", False),
}


def observed(module: str, folder: Path) -> dict[str, Any]:
    out = folder / "seen.json"
    inside(f"tests.transport.{module}", str(out), timeout=300)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return observed("inside", tmp_path_factory.mktemp("dane"))


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return observed("inside_lab", tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("domain", STATES)
def test_our_judgement_and_that_of_postfix_agree(seen: dict[str, Any], domain: str) -> None:
    state, verified = STATES[domain]
    assert seen["dane"][domain][0] == state, seen["dane"][domain]
    assert (seen["postfix"][domain] == "Verified") is verified
    assert (seen["matrix"][domain] == "protected") is verified


def test_who_vouches_is_told_with_an_anchor_and_without(seen: dict[str, Any]) -> None:
    assert seen["dane"]["good.dane.example"][1] == "the resolver (AD bit) and validated here"
    assert seen["dane"]["none.dane.example"][1] == "the resolver (AD bit) and validated here"
    assert seen["believed"]["good.dane.example"][1] == "the resolver (AD bit)"
    assert {d: v[0] for d, v in seen["believed"].items()} == {d: v[0] for d, v in seen["dane"].items()}
    assert "MX of plain.example is not signed" in seen["dane"]["plain.example"][2]


def test_a_replay_says_the_same_and_the_budget_is_kept(seen: dict[str, Any]) -> None:
    assert seen["replay"] == seen["dane"]
    assert seen["connections"] <= 12


def test_the_findings_are_those_of_the_states(seen: dict[str, Any]) -> None:
    assert seen["findings"] == [
        f"transport.dane.{code}" for code in ("absent", "ignored", "mismatch", "no_tls", "ok", "rollover", "unusable")
    ]


def test_a_policy_that_leads_to_a_private_address_is_not_followed(seen: dict[str, Any]) -> None:
    assert seen["redirect"] == {"asked": 1, "followed": 0}
    assert seen["policy"] == "HTTP status 302: senders follow no redirect"
    assert len(seen["policy findings"]) == 1


EC = {"x25519", "x448", "secp256r1", "secp384r1", "secp521r1"}
FF = {"ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"}
SERVICES = {"mx1:25": EC, "mail:587": EC, "mail:993": EC | FF, "mail:110": EC | FF}
"""Postfix 3.7 keeps to its curves; Dovecot 2.3 leaves it to OpenSSL."""


@pytest.mark.parametrize("service", SERVICES)
def test_versions_and_groups_are_those_that_openssl_gets(surveyed: dict[str, Any], service: str) -> None:
    ours, theirs = surveyed[service], surveyed[service]["openssl"]
    assert ours["versions"] == theirs["versions"]
    assert {g for g, yes in theirs["groups"].items() if yes} == SERVICES[service]
    assert set(ours["groups"]) == SERVICES[service]
    assert (ours["complete"], ours["post_quantum"], ours["weak"]) == (True, False, "")


def test_cipher_suites_are_those_that_openssl_gets(surveyed: dict[str, Any]) -> None:
    ours, theirs = surveyed["mx1:25"]["ciphers"], surveyed["mx1:25"]["openssl"]["ciphers"]
    assert set(ours) == {name for name, yes in theirs.items() if yes}
    assert len(ours) > 20
