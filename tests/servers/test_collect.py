"""What is shown of servers: capabilities, configuration, transcripts and figures, whatever strangers send."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab import servers
from smtplab.net.session import PORTS, Step, Transcript
from smtplab.servers.capabilities import Extensions, read_offer
from smtplab.servers.configuration import _settings, read
from tests.servers.taped import MAIL, MX, Answers, case, smtp, spoke
from tests.servers.test_check import AUTHORITY, CERT, collect

EVIL = "<script>alert(1)</script>"
SIZES = [("SIZE 1000", 1000), ("SIZE", 0), ("size 5", 5), ("SIZE x", None), ("SIZE " + "9" * 40, None), ("DSN", None)]


def session(port: int, lines: list[str], phase: str = "capabilities") -> Transcript:
    protocol, implicit, _ = PORTS[port]
    steps = (Step("greeting", "", ("220 hi",), 1), Step(phase, "", tuple(lines), 1))
    return Transcript(MX, "192.0.2.1", port, protocol, implicit, steps)


@pytest.mark.parametrize(("line", "size"), SIZES)
def test_size_is_octets_zero_without_limit_and_none_where_absent(line: str, size: int | None) -> None:
    assert read_offer(session(25, smtp(line))).size == size


TYPED = [
    # lines of EHLO, field, value
    (("PIPELINING", "chunking"), "pipelining", True),
    (("PIPELINING", "chunking"), "chunking", True),
    (("PIPELINING",), "dsn", False),
    (("8BITMIME", "SMTPUTF8"), "eight_bit_mime", True),
    (("REQUIRETLS",), "requiretls", True),
    (("MT-PRIORITY MIXER",), "mt_priority", "MIXER"),
    (("MT-PRIORITY",), "mt_priority", ""),
    (("DSN",), "mt_priority", None),
    (("LIMITS MAILMAX=5 RCPTMAX=100 RCPTDOMAINMAX=1",), "limits", {"MAILMAX": 5, "RCPTMAX": 100, "RCPTDOMAINMAX": 1}),
    (("LIMITS mailmax=5 NEW=3",), "limits", {"MAILMAX": 5}),
    (("LIMITS MAILMAX RCPTMAX= RCPTDOMAINMAX=x",), "limits", {}),
    (("LIMITS MAILMAX=0 RCPTMAX=05 RCPTDOMAINMAX=1234567",), "limits", {}),
    (("LIMITS",), "limits", {}),
    (("AUTH PLAIN", "AUTH=LOGIN"), "auth", ("PLAIN", "LOGIN")),
    (("STARTTLS", "ENHANCEDSTATUSCODES"), "enhanced_status_codes", True),
    (("", " "), "size", None),
]


@pytest.mark.parametrize(("lines", "field", "value"), TYPED)
def test_extensions_are_typed(lines: tuple[str, ...], field: str, value: object) -> None:
    assert getattr(Extensions.read(lines), field) == value


@given(st.lists(st.text(max_size=60), max_size=8))
def test_reading_extensions_never_raises(lines: list[str]) -> None:
    assert Extensions.read(tuple(lines)).as_dict()


def test_the_difference_that_tls_makes(tmp_path: Path) -> None:
    said = spoke(587, smtp("STARTTLS", "SIZE 10", "CHUNKING"), smtp("SIZE 10", "AUTH PLAIN"), CERT)
    evidence = collect(tmp_path / "case", Answers({(MAIL, 587): said}))
    offer = next(o for o in evidence.offers if o.port == 587)
    assert offer.gained == ("AUTH PLAIN",)
    row = evidence.extensions().set_index("service").loc[f"{MAIL}:587"]
    assert (row["size"], row["CHUNKING"], row["AUTH"], row["only inside TLS"]) == (10, False, "PLAIN", "AUTH PLAIN")


def test_what_was_not_heard_has_no_extensions_and_no_difference() -> None:
    offer = read_offer(session(25, ["550 no"]))
    assert (offer.extensions, offer.gained) == (None, ())
    assert read_offer(session(143, ["a1 BAD"])).extensions is None


def test_a_capability_is_there_or_not_or_unknown() -> None:
    offer = read_offer(session(25, smtp("CHUNKING", "SIZE 5")))
    assert (offer.has("CHUNKING"), offer.has("SIZE"), offer.has("REQUIRETLS")) == (True, True, False)
    assert read_offer(session(25, ["550 no"])).has("CHUNKING") is None


@given(st.sampled_from(sorted(PORTS)), st.lists(st.text(max_size=40), max_size=8))
def test_reading_an_offer_never_raises(port: int, lines: list[str]) -> None:
    offer = read_offer(session(port, lines))
    assert offer.heard or not (offer.before or offer.after)


def test_a_banner_is_text_in_transcripts_tables_and_figures(tmp_path: Path) -> None:
    evil = spoke(25, smtp(f"X-{EVIL}", "STARTTLS"), smtp(EVIL), CERT, greeting=f"220 {EVIL}")
    evidence = collect(tmp_path / "case", Answers({(MX, 25): evil}))
    shown = evidence.transcripts(25, 143)
    assert EVIL in repr(shown)
    assert "No session was recorded." in repr(shown)
    assert EVIL not in shown._repr_html_()
    assert "&lt;script&gt;" in shown._repr_html_()
    assert EVIL not in servers.check(evidence)._repr_html_()


def test_features_tell_before_inside_both_and_unknown(tmp_path: Path) -> None:
    sessions = {
        (MX, 25): spoke(25, smtp("STARTTLS", "DSN"), smtp("DSN", "AUTH PLAIN"), CERT),
        (MAIL, 587): spoke(587, ended="the server fell silent"),
    }
    table = collect(tmp_path / "case", Answers(sessions)).features("smtp").set_index("capability")
    assert table[f"{MX}:25"].to_dict() == {"STARTTLS": "before TLS", "DSN": "both", "AUTH PLAIN": "inside TLS"}
    assert set(table[f"{MAIL}:587"]) == {"?"}


def test_figures_state_what_they_show(tmp_path: Path) -> None:
    open_ = spoke(587, smtp("STARTTLS", "AUTH PLAIN"), smtp("AUTH PLAIN"), CERT)
    evidence = collect(tmp_path / "case", Answers({(MX, 25): spoke(25, smtp("DSN")), (MAIL, 587): open_}))
    matrix = servers.offers(evidence)
    assert matrix.layout.title.text.startswith("2 of 2 services leave something open")
    assert f"{MX}:25: answers yes, announces TLS NO, TLS works –, no password before TLS –" in matrix.layout.meta["alt"]
    assert f"{MAIL}:587" in servers.session_times(evidence).layout.meta["alt"]


def test_figures_without_sessions_say_what_is_missing(tmp_path: Path) -> None:
    evidence = collect(tmp_path / "case", Answers())
    assert "No server was heard" in servers.offers(evidence).layout.title.text
    assert "No session was timed" in servers.session_times(evidence).layout.title.text


def test_evidence_names_itself_the_same_each_time(tmp_path: Path) -> None:
    evidence = collect(tmp_path / "case", Answers({(MX, 25): spoke(25, smtp())}))
    assert repr(evidence) == "ServerEvidence(2 hosts, 7 sessions, 0 files)"


BAD_FILES = [
    ("notes.txt", "smtp_tls = no\n", "not named HOST.postconf, HOST.doveconf"),
    ("mail.postconf", "%PDF-1.7\n\x00\x01", "expected the output of postconf -n"),
    ("mail.doveconf", "", "expected the output of doveconf -n"),
]


@pytest.mark.parametrize(("name", "text", "what"), BAD_FILES)
def test_another_kind_of_file_is_a_problem_that_is_told(name: str, text: str, what: str, tmp_path: Path) -> None:
    opened = case(tmp_path / "case", Answers(configuration={name: text}), AUTHORITY)
    found, _, problems = read(opened)
    assert found == ()
    assert problems["file"].tolist() == [f"sources/configuration/{name}"]
    assert what in problems["what"][0]


def test_a_setting_goes_on_in_an_indented_line(tmp_path: Path) -> None:
    file = tmp_path / "x.postconf"
    file.write_text("# a comment\nmynetworks = 127.0.0.0/8\n  192.0.2.0/24\nmyhostname = a = b\n")
    assert _settings(file) == {"mynetworks": (2, "127.0.0.0/8 192.0.2.0/24"), "myhostname": (4, "a = b")}


@given(st.text(max_size=200))
def test_reading_settings_never_raises(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.postconf"
    file.write_text(text, encoding="utf-8")
    assert isinstance(_settings(file), dict)
