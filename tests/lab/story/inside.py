"""Runs inside the namespace: sends some scenarios anew and writes what the servers wrote of them as JSON."""

import json
import sys
from pathlib import Path

from smtplab.lab import Lab
from smtplab.lab.story.recorder import record, scenarios

WANTED = (
    "ticket sent gmail.com",
    "ticket grey grey.example",
    "ticket2 ptr gmail.com",
    "staff sent outlook.com",
    "crm unaligned gmail.com",
)

with Lab("meridian") as lab:
    made = record(lab, [one for one in scenarios() if one.name in WANTED])
Path(sys.argv[1]).write_text(json.dumps([one.as_json() for one in made]))
