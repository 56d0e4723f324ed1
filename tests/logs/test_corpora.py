"""Totals over Lightmeter's Postfix logs equal pflogsumm's."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from smtplab import logs


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
        totals["rejected"] += int(re.search(r"(\d+)   rejected \(", said)[1])  # type: ignore[index]
    return {k: v for k, v in totals.items() if v}


def _ours(path: Path) -> dict[str, int]:
    evidence = logs.read_paths([path])
    totals = Counter(evidence.deliveries["status"])
    return {k: v for k, v in {**totals, "rejected": len(evidence.rejections)}.items() if v}


def test_totals_equal_those_of_pflogsumm(corpora: Path) -> None:
    if not shutil.which("pflogsumm"):
        pytest.skip("install Debian's pflogsumm")
    files = sorted((corpora / "logs" / "postfix-lightmeter").glob("*.log"))
    assert len(files) > 20
    assert {f.name: _ours(f) for f in files} == {f.name: _pflogsumm(f) for f in files}
