"""A case opens, replays, records and is created; its file is checked key by key."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtplab import casefile
from smtplab.case import Case
from smtplab.errors import CaseError, NotAllowed, NotRecorded, SmtplabError, SourceError, TapeError
from smtplab.net import NOT_RECORDED, Unknown

AT = datetime(2026, 11, 16, 6, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Case.create(tmp_path / "case", "meridian.example")
    return tmp_path / "case"


async def answer() -> dict[str, Any]:
    return {"rcode": "NOERROR"}


async def silence() -> dict[str, Any]:
    raise Unknown("timeout")


def record(folder: Path, started: datetime = AT, *, perform: Any = answer, target: str = "a.example") -> None:
    with Case.open(folder, live=True, started=started) as case:
        case.network.run(case.network.ask("dns", target, {"rtype": "TXT"}, perform))


def test_a_new_case_holds_only_a_domain_and_opens(folder: Path) -> None:
    case = Case.open(folder)
    assert case.domains == ("meridian.example",)
    assert case.recordings == []
    assert [case.sources(k) for k in casefile.SOURCE_KINDS] == [[]] * len(casefile.SOURCE_KINDS)


def test_creating_over_something_is_refused_and_writes_nothing(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(CaseError, match="lies here already"):
        Case.create(folder, "other.example")
    assert sorted(folder.rglob("*")) == before


def test_a_bad_domain_creates_no_folder(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="not a domain name"):
        Case.create(tmp_path / "x", "not a domain")
    assert not (tmp_path / "x").exists()


def test_live_records_and_replay_answers_the_same(folder: Path) -> None:
    record(folder)
    case = Case.open(folder)
    entry = case.network.run(case.network.ask("dns", "a.example", {"rtype": "TXT"}, silence))
    assert entry.value == {"rcode": "NOERROR"}
    assert case.as_of == AT


def test_a_question_not_on_the_tape_is_unknown_and_counted(folder: Path) -> None:
    record(folder)
    case = Case.open(folder)
    entry = case.network.run(case.network.ask("dns", "b.example", {"rtype": "TXT"}, answer))
    assert (entry.value, entry.unknown, len(case.network.missed)) == (None, NOT_RECORDED, 1)


def test_not_recorded_is_raised_only_where_nothing_of_a_kind_is_recorded(folder: Path) -> None:
    record(folder)
    case = Case.open(folder)
    case.network.demand("dns", "session")
    with pytest.raises(NotRecorded, match="no session"):
        case.network.demand("session")


def test_one_question_is_performed_once_however_many_ask(folder: Path) -> None:
    calls = 0

    async def count() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)
        return {}

    with Case.open(folder, live=True, started=AT) as case:

        async def ten() -> None:
            await asyncio.gather(*(case.network.ask("dns", "a", {}, count) for _ in range(10)))

        case.network.run(ten())
    assert calls == 1


def test_the_connection_budget_ends_in_unknown(folder: Path) -> None:
    with Case.open(folder, live=True, started=AT) as case:

        async def connect(n: int) -> dict[str, Any]:
            async with case.network.slot("192.0.2.1", 25):
                return {"n": n}

        async def many() -> list[str | None]:
            asks = (case.network.ask("session", str(n), {}, lambda n=n: connect(n)) for n in range(15))
            return [e.unknown for e in await asyncio.gather(*asks)]

        unknowns = case.network.run(many())
    assert unknowns.count("budget") == 3
    assert case.network.connections_used() == {"192.0.2.1:25": 12}


def test_the_newest_recording_is_replayed_unless_one_is_named(folder: Path) -> None:
    record(folder)
    record(folder, datetime(2026, 11, 20, tzinfo=UTC))
    assert Case.open(folder).as_of.day == 20
    assert Case.open(folder, recording="20261116T060000Z-here").as_of == AT
    with pytest.raises(TapeError, match="no such recording"):
        Case.open(folder, recording="20250101T000000Z-here")


def test_an_interrupted_recording_is_resumed(folder: Path) -> None:
    with pytest.raises(RuntimeError), Case.open(folder, live=True, started=AT) as case:
        case.network.run(case.network.ask("dns", "a.example", {}, answer))
        raise RuntimeError
    with Case.open(folder, live=True, resume=True) as again:
        assert again.network.run(again.network.ask("dns", "a.example", {}, silence)).value is not None
    assert Case.open(folder).as_of == AT


def test_probing_can_be_forbidden(folder: Path) -> None:
    toml = folder / "case.toml"
    toml.write_text(toml.read_text().replace("connections = 12", "probe = false\nconnections = 12"))
    with pytest.raises(NotAllowed):
        Case.open(folder, live=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "version is missing"),
        ("version = 2\ndomains = ['a.example']", "version is 2"),
        ("version = 1", "`domains` is empty"),
        ("version = 1\ndomains = ['a.example']\nas_of = 0001-01-01T00:00:00+14:00", "lies outside the years"),
        ("version = 1\ndomains = ['a.example']\nas_of = 9999-12-31", "lies outside the years"),
        (f"version = 1\ndomains = ['a.example']\n[network]\ntimeout = 1{'0' * 400}", "not valid TOML"),
        (f"version = 1{'0' * 5_000}", "not valid TOML"),
        pytest.param(f"version = {'[' * 20_000}", "not valid TOML", id="deep"),
        ("version = 1\ndomains = ['a.example']\ntimezon = 'UTC'", "unknown key `timezon`.*Did you mean `timezone`"),
        ("version = 1\ndomains = ['a.example']\n[network]\nresolvers = ['ns.example']", "network.resolvers"),
        ("version = 1\ndomains = ['a.example']\n[sources]\nlog = []", "unknown key `sources.log`"),
        ("version = 1\ndomains = ['a.example']\n[sources]\nlogs = ['../x']", "leaves the case"),
        ("version = 1\ndomains = ['a.example']\n[sources]\nlogs = ['/etc/x']", "leaves the case"),
        ("version = 1\ndomains = ['a b']", "not a domain name"),
        ("version = 1\ndomains = 'a.example'", "must be a list"),
        ("version = 1\ndomains = ['a.example']\ntimezone = 'Mars/Olympus'", "timezone"),
        ("version = 1\ndomains = ['a.example']\n[[hosts]]\nname='a.example'\nroles=['mux']", "unknown role 'mux'"),
        ("version = 1\ndomains = ['a.example']\n[[hosts]]\nname='a.example'\naddresses=['1.2.3']", "1.2.3"),
        ("version = 1\ndomains = ['a.example']\n[[streams]]\nname='x'", "needs a name and a match"),
        ("version = 1\ndomains = ['a.example']\n[network]\nvantage='../x'", "vantage"),
        ("version = = 1", "not valid TOML"),
    ],
)
def test_case_toml_is_checked_and_the_message_names_the_key(folder: Path, text: str, says: str) -> None:
    (folder / "case.toml").write_text(text)
    with pytest.raises(CaseError, match=says) as caught:
        Case.open(folder)
    assert "case.toml" in str(caught.value)
    assert "\n" not in str(caught.value) or "TOML" in says


def test_a_folder_without_case_toml_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="smtplab new"):
        Case.open(tmp_path)


def test_a_missing_source_names_the_file(folder: Path) -> None:
    toml = folder / "case.toml"
    toml.write_text(toml.read_text().replace("sources/logs/*", "sources/logs/mail.log"))
    with pytest.raises(SourceError, match="mail.log"):
        Case.open(folder).sources("logs")


def test_a_link_out_of_the_case_is_refused_and_one_within_is_followed(folder: Path, tmp_path: Path) -> None:
    logs = folder / "sources" / "logs"
    (logs / "mail.log").write_text("x")
    (logs / "again.log").symlink_to(logs / "mail.log")
    assert [f.name for f in Case.open(folder).sources("logs")] == ["again.log", "mail.log"]
    secret = tmp_path / "secret"
    secret.write_text("x")
    (logs / "other.log").symlink_to(secret)
    with pytest.raises(SourceError, match="other.log: is a link that leads out of the case"):
        Case.open(folder).sources("logs")


def test_the_cache_answers_until_a_source_changes(folder: Path) -> None:
    log = folder / "sources" / "logs" / "mail.log"
    log.write_text("one")
    calls = []

    def build() -> dict[str, pd.DataFrame]:
        calls.append(1)
        return {"t": pd.DataFrame({"a": [log.read_text()]})}

    case = Case.open(folder)
    for _ in range(2):
        assert case.cached("logs", [log], build)["t"]["a"].tolist() == ["one"]
    assert len(calls) == 1
    log.write_text("two!")
    assert case.cached("logs", [log], build)["t"]["a"].tolist() == ["two!"]
    assert len(calls) == 2


def test_the_cache_serves_two_readers_of_the_same_sources_and_forgets_the_third(folder: Path) -> None:
    log = folder / "sources" / "logs" / "mail.log"
    log.write_text("one")
    built: list[str] = []

    def read(options: str) -> None:
        def build() -> dict[str, pd.DataFrame]:
            built.append(options)
            return {"t": pd.DataFrame({"a": [options]})}

        assert Case.open(folder).cached("logs", [log], build, options)["t"]["a"].tolist() == [options]

    for options in ("before", "after", "before", "after", "third", "after", "before"):
        read(options)
    assert built == ["before", "after", "third", "before"]
    assert len(list((folder / "cache").glob("*.done"))) == 2


def test_every_error_of_ours_is_one_readable_line() -> None:
    assert str(SmtplabError("it broke", where="a.log:3", do="Mend it")) == "a.log:3: it broke. Mend it"
