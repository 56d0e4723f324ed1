import pytest

from smtplab.errors import LabError
from smtplab.lab import Lab, commands, main, namespace


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "expected up, run or record"),
        (["down"], "expected up, run or record"),
        (["up", "--bogus"], "unexpected '--bogus'"),
        (["run", "--without"], "--without needs a value"),
        (["run", "--without", "1,x", "--", "true"], "not 'x'"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_was_expected(args: list[str], said: str, capsys) -> None:
    assert main(args) == 2
    assert said in capsys.readouterr().err


def test_without_root_the_lab_says_so_in_one_line(monkeypatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root"):
        namespace.in_namespace(["smtplab.lab"])


def test_outside_its_namespace_no_server_starts(monkeypatch) -> None:
    monkeypatch.setattr("smtplab.lab.laboratory.PROGRAMS", ())
    with pytest.raises(LabError, match="only in its own network namespace"), Lab():
        pass


def test_the_table_of_services_needs_no_running_server() -> None:
    lab = Lab()
    lab.root = namespace.Path("/nowhere")
    text = commands.table(lab)
    for line in (
        "gmail        203.0.113.10     25",
        "mail         192.0.2.20       587",
        "ns2          192.0.2.2        53",
    ):
        assert line in text
