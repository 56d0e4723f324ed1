"""SQL over the tables of a log: of what was read it asks the tables on disk, and it reads and writes nothing else."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smtplab import logs
from smtplab.cli import app
from smtplab.errors import SmtplabError
from smtplab.logs import duck, parts
from smtplab.logs.evidence import TABLES, InMemory, LogEvidence

HEAD = "2026-11-02T08:00:00+00:00 h postfix/smtp[1]: "


def sent(number: int, reply: str = "250 ok") -> str:
    return (
        f"{HEAD}{number:05X}A: to=<a{number}@b.example>, relay=x[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
        f"status=sent ({reply})"
    )


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logs") / "mail.log"
    queued = HEAD.replace("smtp[", "qmgr[") + "00001A: from=<s@a.example>, size=9, nrcpt=1 (queue active)"
    path.write_text(f"{queued}\n{sent(1)}\n{sent(2)}\n")
    return path


@pytest.fixture(scope="module")
def on_disk(log: Path) -> LogEvidence:
    return logs.read_paths([log])


@pytest.fixture(params=["on disk", "in memory"])
def evidence(on_disk: LogEvidence, request: pytest.FixtureRequest) -> LogEvidence:
    if request.param == "on disk":
        return on_disk
    return LogEvidence(InMemory({t: getattr(on_disk, t) for t in TABLES}))


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("select status, count(*) as n from deliveries group by 1", [["sent", 2]]),
        ("from outcomes select outcome, sender where sender is not null", [["accepted", "s@a.example"]]),
        ("select count(*) from messages join deliveries using (host, queue_id)", [[2]]),
        ("select count(*) from problems union all select count(*) from complaints", [[0], [0]]),
    ],
)
def test_every_table_answers(evidence: LogEvidence, query: str, answer: list[list[object]]) -> None:
    assert evidence.sql(query).values.tolist() == answer


def test_what_takes_a_while_is_made_when_it_is_asked_for(log: Path) -> None:
    mail = logs.read_paths([log])
    assert repr(mail) == "LogEvidence(2 deliveries, 2 messages, 0 connections, 0 problems)"
    assert len(mail.outcomes) == 2
    assert repr(mail) == "LogEvidence(2 deliveries, 2 messages, 0 connections, 2 outcomes, 0 problems)"


def test_the_columns_are_those_of_the_tables(evidence: LogEvidence) -> None:
    for table in TABLES:
        assert evidence.sql(f"describe {table}")["column_name"].tolist() == list(getattr(evidence, table).columns)


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('{log}')",
        "select * from '{log}'",
        "from read_blob('{log}')",
        "select * from glob('{log}*')",
        "copy deliveries to '{log}.csv'",
        "explain analyze copy deliveries to '{log}.csv'",
        "attach '{log}.db'",
        "create table mine as select 1",
        "set enable_external_access = true",
        "select 1; select 2",
        "selec 1",
        "select no_such_column from deliveries",
        "",
    ],
)
def test_what_reads_other_files_or_writes_is_refused_and_so_is_what_is_no_query(
    evidence: LogEvidence, log: Path, query: str
) -> None:
    with pytest.raises(SmtplabError, match="^SQL: "):
        evidence.sql(query.format(log=log))
    assert [f.name for f in log.parent.iterdir()] == ["mail.log"]


def test_a_log_larger_than_memory_is_asked_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count, path = 200_000, tmp_path / "mail.log"
    with path.open("w") as file:
        file.writelines(f"{sent(n, f'250 {n:x} ' + 'long' * 12)}\n" for n in range(count))
    monkeypatch.setattr(parts, "HELD", 1 << 20)
    evidence = logs.read_paths([path])
    monkeypatch.setattr(duck, "MEMORY", "40MB")
    assert path.stat().st_size > 40_000_000
    # A million different texts of some 60 bytes.
    asked = "select count(*) from (select distinct response || copy from deliveries, range(5) as copies(copy))"
    assert evidence.sql(asked).values.tolist() == [[5 * count]]


def test_what_lies_on_disk_goes_with_the_evidence(
    log: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("work")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    evidence = logs.read_paths([log])
    assert any(folder.iterdir())
    assert len(evidence.deliveries) == 2
    del evidence
    gc.collect()
    assert not any(folder.iterdir())


def test_the_command_asks_too(log: Path) -> None:
    asked = ["logs", str(log), "--sql", "select recipient, status from deliveries order by 1"]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.stdout.splitlines() == [f'{{"recipient":"a{n}@b.example","status":"sent"}}' for n in (1, 2)]
    assert CliRunner().invoke(app, [*asked[:-1], f"copy deliveries to '{log}.csv'"]).exit_code != 0
    assert CliRunner().invoke(app, [*asked, "--summary"]).exit_code != 0
