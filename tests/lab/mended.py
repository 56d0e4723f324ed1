"""Runs inside the namespace: records a case with every fault planted, then with five of them mended."""

import sys
from dataclasses import replace
from pathlib import Path

from smtplab.lab.recording import STATES, record

MENDED = frozenset({1, 6, 12, 14, 17})

if __name__ == "__main__":
    before, after = STATES
    record(Path(sys.argv[1]), (before, replace(after, without=MENDED)))
