"""Many domains: lists as people write them, rows that survive an interruption, servers that are dead."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab import portfolio
from smtplab.errors import SmtplabError
from smtplab.net import Network
from smtplab.portfolio import Names, Rows
from tests.authentication.dnsserver import Zone, network, serve, txt

LISTS: list[tuple[bytes, list[str], int, int]] = [
    # content, domains, refused, repeated
    (b"a.example\nb.example\n", ["a.example", "b.example"], 0, 0),
    (b"\xef\xbb\xbfA.Example.\r\n\r\n  b.example  \r\n", ["a.example", "b.example"], 0, 0),
    (b"# ours\na.example # main\n#b.example\n", ["a.example"], 0, 0),
    (b"a.example\nA.EXAMPLE\na.example.\n", ["a.example"], 0, 2),
    ("bücher.example\nfaß.example\n".encode(), ["xn--bcher-kva.example", "xn--fa-hia.example"], 0, 0),
    (b"a.example\nexa mple.org\nlocalhost\n192.0.2.1\nb.example", ["a.example", "b.example"], 3, 0),
    (b"x" * 5000 + b".example\na.example\n", ["a.example"], 1, 0),
    (b"\xff\xfe\x00\n\x00\x00\na.example\n", ["a.example"], 2, 0),
    (b"", [], 0, 0),
]


@pytest.mark.parametrize(("content", "names", "refused", "repeated"), LISTS)
def test_a_bad_line_of_a_list_costs_only_itself(
    tmp_path: Path, content: bytes, names: list[str], refused: int, repeated: int
) -> None:
    (tmp_path / "list").write_bytes(content)
    made = Names.read(file=tmp_path / "list")
    assert (made.domains, made.refused, made.repeated) == (names, refused, repeated)


def test_a_refused_name_is_told_with_file_and_line_and_a_flood_is_only_counted(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("a.example\n\nno domain\n" + "!\n" * 100)
    made = Names.read(["typed wrong"], file)
    assert made.bad[:2] == ["'typed wrong' is not a domain name", f"{file}:3: 'no domain' is not a domain name"]
    assert (made.refused, len(made.bad)) == (102, portfolio.MAX_TOLD)


@given(st.text(max_size=300))
def test_no_text_is_too_strange_for_a_name(text: str) -> None:
    made = Names.read([text])
    assert len(made.domains) + made.refused == 1
    assert all(name.isascii() and name == name.lower() for name in made.domains)


def names(count: int) -> list[str]:
    return [f"d{n}.example" for n in range(count)]


def zone(*some: str, policy: str = "none") -> Zone:
    made: Zone = {"example": [], "mx.example": [("A", "192.0.2.1")]}
    for name in some:
        made = {
            **made,
            name: [("TXT", txt(b"v=spf1 mx -all")), ("MX", "10 mx.example.")],
            f"_dmarc.{name}": [("TXT", txt(f"v=DMARC1; p={policy}".encode()))],
        }
    return made


DEAD: Zone = {"dead.example": [("*", "TIMEOUT")], "_dmarc.dead.example": [("*", "TIMEOUT")]}


def test_each_domain_is_reported_once_and_a_dead_one_costs_its_deadline() -> None:
    dead = {f"{sub}dead{n}.example": [("*", "TIMEOUT")] for n in range(4) for sub in ("", "_dmarc.")}
    wanted = [*names(10), *(f"dead{n}.example" for n in range(4))]
    with network({**zone(*names(10)), **dead}, timeout=30) as net:
        began = time.monotonic()
        made = {r.domain: r for r in portfolio.examine(net, wanted, guess=False, concurrency=4, deadline=0.5)}
    assert time.monotonic() - began < 15
    assert set(made) == set(wanted)
    for name in names(10):
        assert made[name].known
    for n in range(4):
        row = made[f"dead{n}.example"].as_dict()
        assert {row[k]["state"] for k in ("spf", "dmarc", "mx")} == {"unknown"}
        assert {f["severity"] for f in row["findings"]} == {"info"}
        assert (row["spf"]["lookups"], row["spf"]["void_lookups"]) == (None, None)


def test_no_more_are_in_flight_than_allowed_and_none_is_begun_that_nobody_takes() -> None:
    flying, most, begun = 0, 0, 0

    async def ask(name: str) -> str:
        nonlocal flying, most, begun
        flying, begun = flying + 1, begun + 1
        most = max(most, flying)
        await asyncio.sleep(0.001)
        flying -= 1
        return name

    net = Network.without_case()
    assert len(list(portfolio.stream(net, names(100), ask, 7))) == 100
    assert most == 7
    begun = 0
    reports = portfolio.stream(net, names(1000), ask, 7)
    next(reports)
    time.sleep(0.3)
    # Seven wait to be taken, seven have nowhere to put theirs, and what was taken with the first.
    assert begun <= 3 * 7
    reports.close()
    held = begun
    time.sleep(0.1)
    assert begun == held


def test_a_mistake_in_one_domain_is_not_swallowed() -> None:
    async def ask(name: str) -> str:
        raise ZeroDivisionError(name)

    with pytest.raises(ZeroDivisionError, match="d0"):
        list(portfolio.stream(Network.without_case(), names(3), ask, 2))


def row(name: str, mark: int = 0, state: str = "missing") -> dict[str, object]:
    spf = {"record": None, "lookups": mark, "void_lookups": 0, "all": None, "state": "absent"}
    found = {"code": "spf.unknown" if state == "unknown" else "spf.record.missing", "severity": "info"}
    policies = ("policy", "subdomain_policy", "nonexistent_policy")
    dmarc = dict.fromkeys(("record", *policies, "organizational_domain", "psl_organizational_domain"))
    return {
        "domain": name,
        "exists": False,
        "spf": spf,
        "dkim": [],
        "dmarc": {"state": "absent", **dmarc},
        "mx": {"state": "absent", "null": False, "hosts": []},
        "findings": [{**found, "subject": name, "title": ""}],
    }


def read(file: Path) -> list[tuple[str, int]]:
    return [(r["domain"], r["spf"]["lookups"]) for r in map(json.loads, file.read_text().splitlines())]


def test_rows_are_found_again_and_what_was_cut_or_unknown_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in (row("a.example", mark=1), row("x.example", mark=1))))
    cut = json.dumps(row("d.example"))
    part = [
        row("b.example", mark=2),
        row("c.example", state="unknown"),
        {"domain": "e.example"},
        ["?"],
        row("a.example", mark=3),
    ]
    (tmp_path / "rows.jsonl.part").write_text("".join(json.dumps(r) + "\n" for r in part) + "null\n{\n" + cut[:-9])
    with Rows(file) as rows:
        assert set(rows.at) == {"a.example", "b.example", "x.example"}
        rows.put(row("d.example", mark=4))
        rows.put(row("c.example", mark=4))
        rows.finish(["d.example", "c.example", "b.example", "a.example"])
    # In the order asked for; what was not asked for now is kept behind it.
    wanted = [("d.example", 4), ("c.example", 4), ("b.example", 2), ("a.example", 3), ("x.example", 1)]
    assert read(file) == wanted
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_a_table_has_a_row_a_domain(tmp_path: Path) -> None:
    with Rows(tmp_path / "rows.csv") as rows:
        rows.put(row("b.example", mark=2))
        rows.put(row("a.example", state="unknown"))
        frame = rows.frame(["a.example", "b.example"])
    assert frame["domain"].tolist() == ["a.example", "b.example"]
    assert frame["worst"].tolist()[0] == "unknown"
    assert frame["spf_lookups"].tolist()[1] == 2


def command(resolver: str, *words: str | Path) -> list[str]:
    return [sys.executable, "-m", "smtplab", "domain", "--resolver", resolver, "--no-guess", *map(str, words)]


def smtplab(resolver: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(resolver, *words), capture_output=True, text=True, timeout=120, check=False)


def interrupted(file: Path, rows: int, how: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Ask for domains one after the other, of which the one behind the first `rows` never answers, and end it there."""
    wanted = [*names(rows), "dead.example", *names(12)[rows:]]
    with serve({**zone(*names(12)), **DEAD}) as resolver:
        words = command(resolver, *wanted, "--concurrency", "1", "--deadline", "100", "-o", file)
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed
        ) as process:
            part = file.with_name(f"{file.name}.part")
            until = time.monotonic() + 60
            while time.monotonic() < until and not (part.exists() and part.read_bytes().count(b"\n") == rows):
                time.sleep(0.05)
            process.send_signal(how)
            out, err = process.communicate(timeout=30)
            return subprocess.CompletedProcess(words, process.returncode, out, err)


def heed() -> None:
    """A test run in the background ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def policies(file: Path) -> dict[str, str]:
    return {r["domain"]: r["dmarc"]["policy"] for r in map(json.loads, file.read_text().splitlines())}


def test_a_killed_run_goes_on_where_it_stood(tmp_path: Path) -> None:
    file = tmp_path / "out" / "rows.jsonl"
    assert interrupted(file, 5, signal.SIGKILL).returncode == -signal.SIGKILL
    assert not file.exists()
    with (tmp_path / "out" / "rows.jsonl.part").open("a") as part:
        part.write('{"domain": "d5.example", "spf": {"rec')
    # Meanwhile every domain changed its policy: who was asked before still has the old one.
    with serve(zone(*names(12), policy="reject")) as resolver:
        done = smtplab(resolver, *names(12), "-o", file)
    assert (done.returncode, done.stdout.strip()) == (0, str(file))
    assert "5 of 12 domains are there already" in done.stderr
    assert list(policies(file)) == names(12)
    assert list(policies(file).values()) == ["none"] * 5 + ["reject"] * 7
    assert os.listdir(file.parent) == ["rows.jsonl"]


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    done = interrupted(file, 3, signal.SIGINT)
    assert done.returncode == 130
    assert done.stderr.splitlines() == [
        f"smtplab: interrupted. {file}.part holds what is finished; the same command goes on from there."
    ]
    with serve(zone(*names(12), policy="reject")) as resolver:
        assert smtplab(resolver, *names(12), "-o", file).returncode == 0
    frame = pd.read_parquet(file)
    assert frame["domain"].tolist() == names(12)
    assert frame["dmarc"].tolist() == ["none"] * 3 + ["reject"] * 9
    assert os.listdir(tmp_path) == ["rows.parquet"]


def test_json_is_an_object_a_domain_and_nothing_else_is_said() -> None:
    with serve(zone(*names(3))) as resolver:
        done = smtplab(resolver, *names(3), "gone.example", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {r["domain"] for r in rows} == {*names(3), "gone.example"}
    for r in rows:
        assert r.keys() >= {"domain", "spf", "dkim", "dmarc", "mx", "findings"}
        assert {"code", "severity", "subject"} <= r["findings"][0].keys()


def test_one_domain_is_told_in_full_and_many_a_row_each(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("d1.example\nd0.example\n")
    with serve(zone(*names(2))) as resolver:
        one = smtplab(resolver, "d0.example")
        many = smtplab(resolver, "--file", tmp_path / "list")
    assert (one.returncode, one.stderr) == (0, "")
    # Title, why, what to do, and the record to publish on a line of its own.
    assert "high      DMARC of d0.example asks for nothing" in one.stdout
    assert '\n          _dmarc.d0.example. TXT "v=DMARC1; p=quarantine; sp=quarantine; np=reject"\n' in one.stdout
    table = [line.split() for line in many.stdout.splitlines()]
    assert [line[0] for line in table] == ["domain", "d1.example", "d0.example"]
    assert table[0] == ["domain", "spf", "dkim", "dmarc", "mx", "worst"]


BAD: list[tuple[Sequence[str], int, str]] = [
    ([], 2, "smtplab: smtplab domain: no domain. Name one, or a list with --file"),
    (["exa mple"], 2, "'exa mple' is not a domain name"),
    (["--file", "missing"], 2, "missing: No such file"),
    (["--file", "list"], 0, "list:2: 'bad name' is not a domain name"),
    (["d0.example", "-o", "x.txt"], 2, "x.txt: not a format that can be written"),
    (["d0.example", "--deadline", "0"], 2, "--deadline"),
    (["d0.example", "--concurrency", "0"], 2, "--concurrency"),
    (["d0.example", "--resolver", "nowhere"], 2, "'nowhere' is no resolver"),
]


@pytest.mark.parametrize(("words", "status", "told"), BAD)
def test_a_mistake_is_one_line_and_status_2_only_if_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Sequence[str], status: int, told: str
) -> None:
    (tmp_path / "list").write_text("d0.example\nbad name\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with serve(zone("d0.example")) as resolver:
        done = smtplab(resolver, *words)
    assert done.returncode == status
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_sees_a_bar_while_a_pipe_gets_every_line() -> None:
    ours, theirs = pty.openpty()
    with serve(zone(*names(20))) as resolver:
        words = command(resolver, *names(20), "--json")
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
            os.close(theirs)
            out, _ = process.communicate(timeout=60)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert len([json.loads(line) for line in out.splitlines()]) == 20
    assert "20/20" in shown
    assert "domain" not in shown.replace("domains", "")


def test_a_folder_is_refused_as_output_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(SmtplabError, match="is a folder"), Rows(tmp_path):
        pass
    assert not list(tmp_path.parent.glob("*.part"))


def test_a_pipe_in_the_place_of_finished_rows_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.jsonl.part")
    with pytest.raises(SmtplabError, match="is no file"), Rows(tmp_path / "rows.jsonl"):
        pass


@pytest.mark.parametrize("more", [(), ("--json",), ("-o", "rows.jsonl")])
def test_a_resolver_that_does_not_answer_is_told_once(more: tuple[str, ...], tmp_path: Path) -> None:
    words = [sys.executable, "-m", "smtplab", "domain", "a.example", "b.example", "--resolver", "127.0.0.1:1", *more]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "no resolver answers: connection refused" in done.stderr


def test_a_second_run_into_the_same_file_is_refused_while_the_first_writes(tmp_path: Path) -> None:
    first, second = Rows(tmp_path / "rows.jsonl"), Rows(tmp_path / "rows.jsonl")
    with first, pytest.raises(SmtplabError, match="another run is writing it"):
        second.__enter__()
    with second:
        pass
