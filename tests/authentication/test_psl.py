"""The public suffix list's own test file, through the function that finds organizational domains."""

from __future__ import annotations

import re
from pathlib import Path

from smtplab.authentication.dmarc_record import ascii_name
from smtplab.names.suffixes import organization

_LINE = re.compile(r"^checkPublicSuffix\((null|'(?P<name>[^']*)'), (null|'(?P<org>[^']*)')\);", re.MULTILINE)
CASES = 78


def test_every_case_of_the_file_passes(corpora: Path) -> None:
    text = (corpora / "psl" / "test_psl.txt").read_text("utf-8")
    ran, wrong = 0, []
    for line in _LINE.finditer(text):
        ran += 1
        name, org = ascii_name(line["name"] or ""), ascii_name(line["org"] or "")
        # A leading dot, or nothing at all, is no name; where the file says null, the name is a suffix itself: it
        # stands for itself, and each name below it is an organization.
        good = (organization(name) == org) if org else not name or organization(f"x.{name}") == f"x.{name}"
        if not good:
            wrong.append(f"{line[0]}: {organization(name)}")
    assert not wrong, "\n".join(wrong)
    assert ran == CASES
