"""smtplab replies: a reply a line, from a file or standard input, as a table or as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smtplab.cli import app
from smtplab.errors import SmtplabError

RUN = CliRunner()


def test_each_line_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "replies.txt"
    file.write_bytes(b"550 5.1.1 <x@example.org>: User unknown\n\n421 4.7.0 [TSS04] Too many connections\n\xff\xfe\n")
    done = RUN.invoke(app, ["replies", str(file), "--json"])
    assert done.exit_code == 0
    one, two, three = map(json.loads, done.output.splitlines())
    assert (one["reason"], one["permanent"], one["smtp_code"], one["enhanced_code"]) == (
        "userunknown", True, 550, "5.1.1",
    )  # fmt: skip
    assert one["matched"] == "User unknown"
    assert 0 < one["confidence"] <= 1
    assert two["reason"] == "toomanyconn"
    assert (three["reason"], three["rule"]) == ("undefined", None)


def test_standard_input_is_read_and_the_provider_may_be_named() -> None:
    done = RUN.invoke(app, ["replies", "--json", "--provider", "gmail"], input="550 5.7.27 refused\n")
    assert json.loads(done.output)["rule"] == "gmail-5.7.27"


@pytest.mark.parametrize("named", ["gmail", "Gmail", "gmail.com", "googlemail.com"])
def test_a_provider_is_named_by_its_name_or_its_domain(named: str) -> None:
    done = RUN.invoke(app, ["replies", "--json", "--provider", named], input="550 5.7.27 refused\n")
    told = json.loads(done.output)
    assert (told["provider"], told["rule"]) == ("gmail", "gmail-5.7.27")


def test_a_domain_that_no_rule_is_about_is_its_own_provider() -> None:
    done = RUN.invoke(app, ["replies", "--json", "--provider", "goodpost.example"], input="550 5.7.27 refused\n")
    assert json.loads(done.output)["provider"] == "goodpost.example"


@pytest.mark.parametrize(
    ("named", "near"),
    [
        ("gmial", "gmail"),
        ("microsft", "microsoft"),
        ("icluod", "apple"),
        ("office 365", "microsoft365"),
        ("x", "yahoo"),
    ],
)
@pytest.mark.parametrize("command", [["replies"], ["explain", "550 5.7.27 refused"]])
def test_a_provider_that_is_not_known_is_refused_with_the_nearest(command: list[str], named: str, near: str) -> None:
    done = RUN.invoke(app, [*command, "--provider", named], input="550 5.7.27 refused\n")
    assert isinstance(done.exception, SmtplabError)
    assert f"--provider: {named!r} is no provider that is known" in str(done.exception)
    assert near in str(done.exception)
    assert done.stdout == ""


def test_a_table_is_for_people_and_nothing_in_it_drives_the_terminal() -> None:
    done = RUN.invoke(app, ["replies"], input="550 5.1.1 \x1b[31mUser unknown\n")
    assert "userunknown" in done.output
    assert "\x1b" not in done.output
    empty = RUN.invoke(app, ["replies"], input="")
    assert (empty.stdout, empty.stderr) == ("", "smtplab: standard input: no reply is there\n")


def test_a_file_takes_what_the_lines_of_json_hold(tmp_path: Path) -> None:
    lines = "550 5.7.26 refused\nblah blub\n"
    assert RUN.invoke(app, ["replies", "-o", str(tmp_path / "told.csv")], input=lines).exit_code == 0
    head, first, second = (tmp_path / "told.csv").read_text().splitlines()
    told = dict(zip(head.split(","), first.split(","), strict=True))
    assert (told["reason"], told["smtp_code"], told["runner_up"]) == ("authfailure", "550", "iana-subject-7")
    assert second.startswith("undefined,False,False,,,")
    assert RUN.invoke(app, ["replies", "--unknown", "-o", str(tmp_path / "new.csv")], input=lines).exit_code == 0
    assert (tmp_path / "new.csv").read_text().splitlines()[1].startswith("blah blub,1,")


def test_a_dash_is_standard_input_and_each_row_bears_its_reply() -> None:
    done = RUN.invoke(app, ["replies", "-", "--json"], input="550 5.1.1 User unknown\n")
    assert json.loads(done.output)["reply"] == "550 5.1.1 User unknown"


def test_a_reply_in_place_of_a_file_is_told_where_to_go() -> None:
    done = RUN.invoke(app, ["replies", "550 5.1.1 User unknown"])
    assert done.exit_code
    assert "smtplab explain" in str(done.exception)


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"550 a\0b\n")
    done = RUN.invoke(app, ["replies", str(tmp_path / "x")])
    assert isinstance(done.exception, SmtplabError)
    assert "binary data" in str(done.exception)
    assert done.output == ""
