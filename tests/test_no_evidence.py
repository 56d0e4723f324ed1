"""A case that holds nothing but a domain: what is not known is never told as fine or as absent."""

from __future__ import annotations

import pytest

from smtplab import bounces, logs, servers
from smtplab.authentication import spf_flattened
from smtplab.case import Case
from smtplab.causes.figures import cost_by_finding
from smtplab.examination import Examination, examine
from smtplab.servers.figures import failing_steps


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Examination]:
    folder = tmp_path_factory.mktemp("empty") / "case"
    Case.create(folder, "example.org")
    case = Case.open(folder)
    return case, examine(case)


def test_no_title_says_that_nothing_happened(empty: tuple[Case, Examination]) -> None:
    case, exam = empty
    made = [
        *(cost_by_finding(ledger) for ledger in (exam.causes.outbound, exam.causes.inbound)),
        bounces.figures.over_time(exam.bounces),
        bounces.figures.by_reason_and_provider(exam.bounces),
        logs.reasons_by_address(exam.logs),
        failing_steps([servers.diagnose("mail.example.org", 25, network=case.network)]),
    ]
    titles = [figure.layout.title.text for figure in made]
    assert not [t for t in titles if any(word in t for word in ("Nothing", "fine"))]


def test_a_service_that_was_not_asked_is_unknown(empty: tuple[Case, Examination]) -> None:
    case, _ = empty
    told = servers.recorded(case)
    assert "unknown (no answer: not recorded)" in repr(servers.diagnose("mail.example.org", 25, network=case.network))
    assert {t.why for t in (told.submission, told.imap, told.second, told.pop3, told.after)} == {"not recorded"}


def test_an_unknown_record_has_no_cheaper_form(empty: tuple[Case, Examination]) -> None:
    _, exam = empty
    assert "not known" in repr(spf_flattened(exam.authentication, "example.org"))
