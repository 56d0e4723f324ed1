"""What a test needs, and the watch that every finding code of the catalogue is raised by some test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

from smtplab.findings import Finding, catalogue

CHROMIUM = Path("/usr/bin/chromium")
SERVERS = {
    "postfix": "postfix",
    "dovecot": "dovecot-imapd dovecot-pop3d",
    "nsd": "nsd",
    "unbound": "unbound",
    "ldns-signzone": "ldnsutils",
    "unshare": "util-linux",
    "ip": "iproute2",
}
NO_SKIP = os.environ.get("SMTPLAB_NO_SKIP") == "1"
R = TypeVar("R", pytest.TestReport, pytest.CollectReport)
FULL = os.environ.get("SMTPLAB_FULL") == "1"


def _missing_servers() -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = [package for tool, package in SERVERS.items() if not shutil.which(tool, path=path)]
    if absent:
        return f"install {' '.join(absent)}"
    return "" if os.geteuid() == 0 else "run as root: the lab needs a network namespace"


def pytest_configure(config: pytest.Config) -> None:
    if FULL and not os.environ.get("SMTPLAB_RAISED"):
        import tempfile

        folder = tempfile.mkdtemp(prefix="smtplab-raised-")
        os.environ["SMTPLAB_RAISED"] = folder
    _watch()


def _watch() -> None:
    """Note each code as findings are made; nothing of their working changes."""
    seen: set[str] = set()
    check = Finding.__post_init__

    def noting(self: Finding) -> None:
        check(self)
        folder = os.environ.get("SMTPLAB_RAISED")
        if folder and self.code not in seen:
            seen.add(self.code)
            (Path(folder) / self.code).touch()

    Finding.__post_init__ = noting


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    folder = os.environ.get("SMTPLAB_RAISED")
    if not (FULL and folder) or hasattr(session.config, "workerinput") or session.config.getoption("nbval", False):
        return
    raised = {p.name for p in Path(folder).iterdir()}
    shutil.rmtree(folder)
    if silent := sorted(catalogue().keys() - raised):
        print(f"\nno test raised {len(silent)} of {len(catalogue())} codes of the catalogue: {', '.join(silent)}")
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("servers") and (reason := _missing_servers()):
        pytest.skip(reason)
    if item.get_closest_marker("browser") and not CHROMIUM.exists():
        pytest.skip("install chromium")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _strict((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _strict((yield))


def _strict(report: R) -> R:
    """Where nothing may skip, a skip of any kind fails: markers, importorskip, an expected failure."""
    if NO_SKIP and (report.skipped or hasattr(report, "wasxfail")):
        why = getattr(report, "wasxfail", None) or report.longrepr
        why = why[2] if isinstance(why, tuple) else why
        report.outcome, report.longrepr = "failed", f"nothing may skip here: {why}"
        vars(report).pop("wasxfail", None)
    return report


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Public test data; SMTPLAB_CORPORA names its folder."""
    folder = os.environ.get("SMTPLAB_CORPORA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set SMTPLAB_CORPORA to the folder of public test data")
    return Path(folder)


@pytest.fixture(scope="session")
def meridian() -> Path:
    """The bundled case."""
    return Path(__file__).parents[1] / "data" / "cases" / "meridian"
