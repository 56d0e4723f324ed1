"""The command line: `smtplab --help`. Each command prints a table on a terminal, JSON lines with --json.

Exit status: 0 done; 1 findings at or above --fail-on; 2 bad usage or input.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

from smtplab.cli import bounces, case, dmarc, domain, explain, logs, replies, server, spf
from smtplab.cli.app import app
from smtplab.cli.output import one_line
from smtplab.errors import SmtplabError

__all__ = ["app", "bounces", "case", "dmarc", "domain", "explain", "logs", "main", "replies", "server", "spf"]


def main() -> None:
    """Run the command line; every mistake of the user is one line and exit status 2."""
    # A command makes many objects that stay and few that are garbage in a circle: looking for these takes its time.
    gc.set_threshold(50_000)
    # As an interrupt does, it leaves no temporary files behind.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        try:
            app()
        finally:
            # Here, not when Python ends: a reader that stopped early is no error.
            if sys.stdout:
                sys.stdout.flush()
    except MemoryError:
        print("smtplab: not enough memory. Give it less at a time", file=sys.stderr)
        sys.exit(2)
    except SmtplabError as e:
        print(f"smtplab: {one_line(str(e))}", file=sys.stderr)
        sys.exit(2)
    except OSError as e:
        if isinstance(e, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        print(one_line(f"smtplab: {e.filename or ''}: {e.strerror}".replace(": : ", ": ")), file=sys.stderr)
        sys.exit(2)
