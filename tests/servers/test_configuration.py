"""Configuration files and password files: each rule has a line that raises it and one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab import servers
from smtplab.servers.check.configuration import rules
from smtplab.servers.configuration import _settings
from smtplab.servers.passwords import read
from tests.servers.taped import Answers
from tests.servers.test_check import collect

SASL = "smtpd_sasl_auth_enable = yes\n"
RULES = [
    # code, kind of file, the text that raises it, the text that does not
    ("connection_cache_off", "postconf", "smtp_connection_cache_on_demand = no", "myhostname = out"),
    ("auth_only_off", "postconf", SASL, SASL + "smtpd_tls_auth_only = yes"),
    ("auth_only_off", "postconf", SASL + "smtpd_tls_auth_only = no", "smtpd_tls_auth_only = no"),
    ("no_inbound_tls", "postconf", "smtpd_tls_security_level = none", "smtpd_tls_security_level = may"),
    ("no_inbound_tls", "postconf", "myhostname = mx", "smtpd_use_tls = yes"),
    ("no_outbound_tls", "postconf", "myhostname = mx", "smtp_tls_security_level = dane"),
    ("tls_protocols", "postconf", "smtpd_tls_protocols = >=TLSv1", "smtpd_tls_protocols = >=TLSv1.2"),
    ("tls_protocols", "postconf", "smtpd_tls_protocols = >=TLSv1.1", "smtpd_tls_protocols = >=TLSv1.3"),
    ("tls_protocols", "postconf", "smtpd_tls_protocols = !SSLv2, !SSLv3", "smtpd_tls_protocols = !SSLv2, !SSLv3, !TLSv1"),
    ("mynetworks_world", "postconf", "mynetworks = 127.0.0.0/8, 0.0.0.0/0", "mynetworks = 10.0.0.0/8"),
    ("mynetworks_world", "postconf", "mynetworks = [::]/0", "mynetworks = [::1]/128"),
    ("mynetworks_class", "postconf", "mynetworks_style = class", "mynetworks_style = class\nmynetworks = 127.0.0.0/8"),
    (
        "relay_unrestricted",
        "postconf",
        "smtpd_relay_restrictions = permit_mynetworks, permit",
        "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
    ),
    ("relay_unrestricted", "postconf", "smtpd_relay_restrictions = permit", "smtpd_relay_restrictions = reject"),
    (
        "relay_unrestricted",
        "postconf",
        "smtpd_relay_restrictions = permit",
        "smtpd_relay_restrictions = permit\nsmtpd_recipient_restrictions = reject_unauth_destination",
    ),
    ("sender_not_bound", "postconf", SASL, SASL + "smtpd_sender_login_maps = hash:/etc/postfix/login"),
    ("no_message_rate", "postconf", SASL, SASL + "smtpd_client_message_rate_limit = 100"),
    ("no_auth_rate", "postconf", SASL, "smtpd_sasl_auth_enable = no"),
    ("bare_newline", "postconf", "smtpd_forbid_bare_newline = no", "smtpd_forbid_bare_newline = normalize"),
    ("bare_newline_default", "postconf", "myhostname = mx", "smtpd_forbid_bare_newline = reject"),
    ("vrfy", "postconf", "myhostname = mx", "disable_vrfy_command = yes"),
    (
        "sasl_anonymous",
        "postconf",
        SASL + "smtpd_sasl_security_options = noplaintext",
        SASL + "smtpd_sasl_security_options = noanonymous, noplaintext",
    ),
    ("sasl_anonymous", "postconf", SASL + "smtpd_sasl_security_options =", SASL),
    ("loopback_only", "postconf", "inet_interfaces = loopback-only", "inet_interfaces = all"),
    ("plaintext_allowed", "doveconf", "disable_plaintext_auth = no", "disable_plaintext_auth = yes"),
    ("plaintext_allowed", "doveconf", "auth_allow_cleartext = yes", "auth_allow_cleartext = no"),
    (
        "plaintext_allowed",
        "doveconf",
        "disable_plaintext_auth = no",
        "protocol lda {\n  disable_plaintext_auth = no\n}\nssl = yes",
    ),
    ("dovecot_no_tls", "doveconf", "ssl = no", "ssl = required"),
    ("dovecot_tls_protocols", "doveconf", "ssl_min_protocol = TLSv1", "ssl_min_protocol = TLSv1.2"),
    ("dovecot_mechanisms", "doveconf", "auth_mechanisms = plain cram-md5", "auth_mechanisms = plain scram-sha-256"),
    (
        "password_scheme",
        "doveconf",
        "passdb {\n  args = scheme=PLAIN username_format=%n /etc/dovecot/users\n}",
        "passdb {\n  args = scheme=BLF-CRYPT /etc/dovecot/users\n}",
    ),
    ("password_scheme", "doveconf", "passdb_default_password_scheme = PLAIN", "passdb_default_password_scheme = ARGON2ID"),
    ("passwords_logged", "doveconf", "auth_debug_passwords = yes", "auth_verbose_passwords = sha1"),
    ("passwords_logged", "doveconf", "auth_verbose_passwords = plain:6", "auth_debug_passwords = no"),
    ("no_failure_delay", "doveconf", "auth_failure_delay = 0", "auth_failure_delay = 2 secs"),
    ("exim_relay_world", "eximconf", "hostlist relay_from_hosts = *", "hostlist relay_from_hosts = localhost"),
    ("exim_no_tls", "eximconf", "tls_advertise_hosts =", "tls_advertise_hosts = *"),
    ("exim_auth_advertised", "eximconf", "auth_advertise_hosts = *", "auth_advertise_hosts = ${if def:tls_in_cipher{*}}"),
    ("exim_sync_off", "eximconf", "no_smtp_enforce_sync", "smtp_enforce_sync"),
]  # fmt: skip


def codes(folder: Path, name: str, text: str) -> set[str]:
    found = servers.check(collect(folder, Answers(configuration={name: f"{text}\n"})))
    assert all(
        f.evidence[0].startswith(f"sources/configuration/{name}") for f in found if f.code.startswith("servers.c")
    )
    assert all(f.record or not f.code.startswith("servers.configuration") for f in found)
    return {f.code.removeprefix("servers.configuration.") for f in found}


@pytest.mark.parametrize(("code", "kind", "bad", "good"), RULES)
def test_a_line_raises_its_finding_and_another_does_not(
    code: str, kind: str, bad: str, good: str, tmp_path: Path
) -> None:
    assert code in codes(tmp_path / "bad", f"mail.{kind}", bad)
    assert code not in codes(tmp_path / "good", f"mail.{kind}", good)


def test_every_rule_has_its_row() -> None:
    assert {r.code.removeprefix("servers.configuration.") for r in rules()} == {code for code, *_ in RULES}


def test_the_record_is_the_line_to_set_and_the_evidence_the_line_that_is(tmp_path: Path) -> None:
    text = "myhostname = mx\nauth_advertise_hosts = *\n"
    evidence = collect(tmp_path / "case", Answers(configuration={"mx.test.example.eximconf": text}))
    (found,) = servers.check(evidence).of("servers.configuration.exim_auth")
    assert found.subject == "mx.test.example"
    assert found.evidence == ("sources/configuration/mx.test.example.eximconf line 2: auth_advertise_hosts = *",)
    assert found.record == "auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}"


def test_a_careful_postfix_is_quiet(tmp_path: Path) -> None:
    text = (
        "disable_vrfy_command = yes\nsmtpd_forbid_bare_newline = normalize\nsmtp_tls_security_level = may\n"
        "smtpd_tls_security_level = may\nsmtpd_tls_protocols = >=TLSv1.2\nmynetworks = 127.0.0.0/8\n"
        "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
    )
    evidence = collect(tmp_path / "case", Answers(configuration={"mx.postconf": text}))
    assert not servers.check(evidence).of("servers.configuration")


def test_sections_of_dovecot_name_their_settings(tmp_path: Path) -> None:
    file = tmp_path / "x.doveconf"
    file.write_text("ssl = yes\npassdb {\n  args = a = b\n  result {\n    x = 1\n  }\n}\nlisten = *\n")
    assert _settings(file) == {
        "ssl": (1, "yes"),
        "passdb/args": (3, "a = b"),
        "passdb/result/x": (5, "1"),
        "listen": (8, "*"),
    }


def test_exim_is_read_up_to_its_first_section(tmp_path: Path) -> None:
    file = tmp_path / "x.eximconf"
    file.write_text(
        "# a\nhide mysql_servers = s\nno_log\nlocal_from\ndomainlist local_domains = a : b\nbegin acl\nx = y\n"
    )
    assert _settings(file) == {
        "mysql_servers": (2, "s"), "log": (3, "false"), "local_from": (4, "true"), "local_domains": (5, "a : b"),
    }  # fmt: skip


HASHES = [
    # what is stored, scheme
    ("{PLAIN}hunter2", "PLAIN"),
    ("hunter2", "PLAIN"),
    ("{CLEARTEXT}x", "PLAIN"),
    ("{SHA512-CRYPT}$6$abc$def", "SHA512-CRYPT"),
    ("$6$abc$def", "SHA512-CRYPT"),
    ("{CRYPT}$2y$05$abcdefghijklmnopqrstuv", "BLF-CRYPT"),
    ("{ARGON2ID}$argon2id$v=19$m=1$x", "ARGON2"),
    ("$argon2id$v=19$m=65536$x$y", "ARGON2"),
    ("$y$j9T$abc$def", "YESCRYPT"),
    ("$1$abc$def", "MD5-CRYPT"),
    ("5f4dcc3b5aa765d61d8327deb882cf99", "PLAIN-MD5"),
    ("{CRAM-MD5}1234", "CRAM-MD5"),
    ("{SSHA256.b64}xyz", "SHA256"),
    ("{MADE-UP}xyz", "unknown scheme MADE-UP"),
    ("rl.3StKT.4T8M", "CRYPT"),
]


@pytest.mark.parametrize(("stored", "scheme"), HASHES)
def test_a_stored_password_tells_its_scheme(stored: str, scheme: str, tmp_path: Path) -> None:
    for name, text in (("a.passwd", f"jo@test.example:{stored}:500:500::/home:\n"), ("a.passwords", f"{stored}\n")):
        (tmp_path / name).write_text(text)
        assert dict(read(tmp_path / name, name).schemes) == {scheme: 1}


STORED = [
    ("users.passwd", "# users\njo:{PLAIN}hunter2:::\nan:{PLAIN}hunter3\nlocked:!:::\nx:{SHA1}abc\n", {"plain": 2, "weak": 1}),
    ("dump.passwords", "+----------+\n| password |\n+----------+\n| $6$a$b   |\n| $2y$05$c |\n+----------+\n", {"ok": 2}),
    ("users.passwd", "jo:5f4dcc3b5aa765d61d8327deb882cf99\n", {"weak": 1}),
    ("users.passwd", "nothing here\n", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "expected"), STORED)
def test_stored_passwords_are_counted_and_never_shown(
    name: str, text: str, expected: dict[str, int], tmp_path: Path
) -> None:
    evidence = collect(tmp_path / "case", Answers(configuration={name: text}))
    found = servers.check(evidence).of("servers.passwords")
    assert {f.code.rpartition(".")[2]: f.facts["count"] for f in found} == expected
    shown = servers.check(evidence).to_json_lines() + repr(evidence) + repr(evidence.passwords)
    for secret in ("hunter", "$6$", "$2y$", "5f4dcc", "abc"):
        assert secret not in shown


@given(st.text(max_size=200))
def test_reading_any_file_never_raises(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    for name in ("x.eximconf", "x.doveconf"):
        (folder / name).write_text(text, encoding="utf-8")
        assert isinstance(_settings(folder / name), dict)
    for name in ("x.passwd", "x.passwords"):
        (folder / name).write_text(text, encoding="utf-8")
        assert read(folder / name, name).file == name
