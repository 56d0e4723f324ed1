"""A recording that is interrupted goes on where it was: `smtplab collect`, Ctrl-C, `smtplab collect --resume`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from smtplab.case import Case
from smtplab.tape import Tape
from tests.authentication.dnsserver import serve

ZONE = {
    "a.example": [("TXT", '"v=spf1 -all"'), ("MX", "0 .")],
    # Nobody answers here, so there is time for an interruption.
    "_dmarc.a.example": [("*", "TIMEOUT")],
}
COLLECT = [sys.executable, "-m", "smtplab", "collect", "case"]


def test_an_interrupted_recording_says_how_to_go_on_and_keeps_its_answers(tmp_path: Path) -> None:
    case = tmp_path / "case"
    Case.create(case, "a.example")
    with serve(ZONE) as resolver:
        toml = (case / "case.toml").read_text()
        (case / "case.toml").write_text(f'{toml}\n[network]\nresolver = "{resolver}"\n'.replace(network(toml), ""))
        with subprocess.Popen(COLLECT, cwd=tmp_path, stdout=-1, stderr=-1, text=True, preexec_fn=heed) as first:
            while not any((case / "tape").glob("*.part")) and first.poll() is None:
                time.sleep(0.05)
            time.sleep(0.3)
            first.send_signal(signal.SIGINT)
            out, err = first.communicate(timeout=60)
        assert (out, err) == ("", "Interrupted. To go on: smtplab collect case --resume\n")
        (part,) = (case / "tape").iterdir()
        before = Tape.load(part, partial=True)
        done = subprocess.run([*COLLECT, "--resume"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (finished,) = (case / "tape").iterdir()
    after = Tape.load(finished)
    assert after.complete
    assert after.started == before.started
    kept = {q: e for q, e in before.entries.items() if e.value is not None}
    assert 0 < len(kept) < len(after.entries)
    assert {q: after.entries[q] for q in kept} == kept


def heed() -> None:
    """A test run in the background ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def network(toml: str) -> str:
    """The section of a new case that the test replaces."""
    return "[network]" + toml.partition("[network]")[2].partition("# [[hosts]]")[0]
