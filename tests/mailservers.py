"""Dovecot and Exim as they are, for tests: each with the user jo whose password is "right", in a folder of its own.

Exim wants its own user and its own binary: it is started in a namespace, and SMTPLAB_EXIM names the binary.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from smtplab.lab.processes import Processes, run

REPOSITORY = Path(__file__).parents[1]
NOBODY = 65534
DOVECOT = """protocols = {protocols}
listen = {listen}
base_dir = {root}/dovecot
state_dir = {root}/dovecot
log_path = {root}/dovecot.log
auth_failure_delay = 0
mail_location = maildir:{root}/mail/%n
mail_uid = 65534
mail_gid = 65534
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%n {root}/users
  default_fields = {fields}
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={root}/mail/%n
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""
DOVECOT_TLS = """ssl = required
ssl_cert = <{root}/chain.pem
ssl_key = <{root}/key.pem
auth_mechanisms = plain login
"""
EXIM = """exim_user = nobody
exim_group = nogroup
spool_directory = {root}/exim
log_file_path = {root}/exim/%slog
host_lookup =
rfc1413_query_timeout = 0s
keep_environment = LD_LIBRARY_PATH
exim_path = {root}/exim.sh
deliver_drop_privilege = true
"""
EXIM_SIGN_IN = """begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{jo}}{eq{$auth3}{right}}}}
  server_set_id = $auth2
"""
USERS = {"passwd": "Debian-exim:x:65534:65534::/:/usr/sbin/nologin", "group": "Debian-exim:x:65534:"}


def inside(module: str, *words: str, timeout: float = 120) -> None:
    """Run a module of the tests in a network namespace of its own; fails with what it said."""
    enter = "import sys; from smtplab.lab import in_namespace; sys.exit(in_namespace(sys.argv[1:]))"
    command = [sys.executable, "-c", enter, module, *words]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, cwd=REPOSITORY, env=env, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr.decode()


def start_dovecot(
    root: Path,
    processes: Processes,
    more: str,
    protocols: str = "imap pop3",
    listen: str = "127.0.0.1",
    fields: str = "",
) -> None:
    """Start it; `more` is further configuration, `fields` are the defaults of what is known of a user."""
    mail = root / "mail"
    mail.mkdir(exist_ok=True)
    for path in [mail, *mail.rglob("*")]:
        shutil.chown(path, NOBODY, NOBODY)
    (root / "users").write_text("jo:right\n")
    (root / "users").chmod(0o644)
    text = DOVECOT.format(root=root, protocols=protocols, listen=listen, fields=fields) + more
    (root / "dovecot.conf").write_text(text)
    processes.start("dovecot", "dovecot", "-F", "-c", root / "dovecot.conf", output=root / "dovecot.out")


def start_exim(root: Path, binary: Path, processes: Processes, more: str) -> None:
    """Start it; `more` is further configuration. Debian's Exim wants its user: this namespace's passwd alone has it."""
    for name, line in USERS.items():
        (root / name).write_text(f"{Path(f'/etc/{name}').read_text()}{line}\n")
        run("mount", "--bind", root / name, f"/etc/{name}")
    (root / "exim" / "db").mkdir(parents=True)
    for path in (root / "exim", root / "exim" / "db"):
        shutil.chown(path, NOBODY, NOBODY)
    libraries = next(iter(binary.parents[1].glob("lib/*-linux-gnu")), binary.parent)
    (root / "exim.sh").write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {binary} "$@"\n')
    (root / "exim.sh").chmod(0o755)
    (root / "exim.conf").write_text(EXIM.format(root=root) + more)
    processes.start("exim", root / "exim.sh", "-C", root / "exim.conf", "-bdf", output=root / "exim.out")


def forget_exim() -> None:
    """Show the machine's passwd and group again."""
    for name in USERS:
        subprocess.run(["umount", f"/etc/{name}"], check=False, capture_output=True, timeout=10)
