"""Totals over Lightmeter's Postfix logs equal pflogsumm's."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtplab.logs.lines import Stamps, lines
from smtplab.logs.postfix import Postfix


def _pflogsumm(path: Path) -> dict[str, int]:
    names = set(re.findall(r" (postfix[^/ ]*)/", path.read_text("utf-8", "replace"))) or {"postfix"}
    totals: Counter[str] = Counter()
    for name in names:
        command = ["pflogsumm", f"--syslog-name={name}", str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        totals["sent"] += int(re.search(r"(\d+)   delivered", said)[1])  # type: ignore[index]
        found = re.search(r"\((\d+)  deferrals\)", said)
        totals["deferred"] += int(found[1]) if found else 0
        totals["bounced"] += int(re.search(r"(\d+)   bounced", said)[1])  # type: ignore[index]
    return {k: v for k, v in totals.items() if v}


def _ours(path: Path) -> dict[str, int]:
    postfix, stamps = Postfix(), Stamps("UTC", datetime(2026, 11, 24, tzinfo=UTC))
    for _, text in lines(path):
        if split := stamps.split(text):
            postfix.line(*split)
    return dict(Counter(d["status"] for m in postfix.messages for d in m.deliveries))


def test_totals_equal_those_of_pflogsumm(corpora: Path) -> None:
    if not shutil.which("pflogsumm"):
        pytest.skip("install Debian's pflogsumm")
    files = sorted((corpora / "logs" / "postfix-lightmeter").glob("*.log"))
    assert len(files) > 20
    assert {f.name: _ours(f) for f in files} == {f.name: _pflogsumm(f) for f in files}
