"""Postfix, one instance for each of the world's mail hosts, and Dovecot, all without systemd."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from smtplab.errors import LabError
from smtplab.lab.processes import Processes, run
from smtplab.lab.world import World

NOBODY = 65534


@dataclass(frozen=True)
class Postfix:
    """The Postfix instances of one run and where their files lie."""

    world: World
    root: Path
    retry: float
    lifetime: float

    def home(self, instance: str) -> Path:
        """Configuration directory of an instance."""
        if instance not in self.world.instances:
            raise LabError(f"no instance {instance!r}", where="lab", do=f"There are {', '.join(self.world.instances)}")
        return self.root / "postfix" / instance

    def queue(self, instance: str) -> Path:
        """Queue directory of an instance."""
        return self.root / "spool" / instance

    def write(self) -> None:
        """Write main.cf, master.cf and maps of every instance, with its queue and data directories."""
        for instance in self.world.instances:
            home, source = self.home(instance), self.world.folder / "postfix" / instance
            home.mkdir(parents=True)
            self.queue(instance).mkdir(parents=True)
            data = self.root / "data" / instance
            data.mkdir(parents=True)
            shutil.chown(data, "postfix")
            for file in sorted(source.iterdir()):
                (home / file.name).write_text(self._filled(f"postfix/{instance}/{file.name}", instance))
            common = self._filled("postfix/common.cf", instance)
            (home / "main.cf").write_text(common + (home / "main.cf").read_text())
            services = self._filled("postfix/services.cf", instance)
            (home / "master.cf").write_text((home / "listeners.cf").read_text() + services)
            (home / "listeners.cf").unlink()

    def _filled(self, name: str, instance: str) -> str:
        text = self.world.read(name).replace("@ROOT@", str(self.root)).replace("@NAME@", instance)
        return text.replace("@RETRY@", f"{self.retry:g}").replace("@LIFETIME@", f"{self.lifetime:g}")

    def start(self) -> None:
        """Start all instances; each command returns when its master daemon runs."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: run("postfix", "-c", self.home(one), "start"), self.world.instances))

    def stop(self) -> None:
        """Stop all instances that were started; waits until their daemons are gone."""
        running = [one for one in self.world.instances if (self.queue(one) / "pid" / "master.pid").exists()]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._stop, running))

    def _stop(self, instance: str) -> None:
        try:
            run("postfix", "-c", self.home(instance), "stop")
        except LabError:
            run("postfix", "-c", self.home(instance), "abort")

    def waiting(self, instance: str, *, deferred: bool) -> int:
        """Messages in the queue that are in motion, or all that are there with `deferred`."""
        names = ["maildrop", "incoming", "active"] + (["deferred"] if deferred else [])
        return sum(len(files) for name in names for _, _, files in os.walk(self.queue(instance) / name))


def start_dovecot(world: World, root: Path, processes: Processes) -> None:
    """Write dovecot.conf and the password file, and start Dovecot."""
    home = root / "dovecot"
    home.mkdir()
    (root / "run" / "dovecot").mkdir(parents=True)
    (home / "dovecot.conf").write_text(world.read("dovecot/dovecot.conf").replace("@ROOT@", str(root)))
    (home / "users").write_text("".join(f"{user}:{password}\n" for user, password in world.users.items()))
    os.chmod(home / "users", 0o644)
    processes.start("dovecot", "dovecot", "-F", "-c", home / "dovecot.conf", output=root / "logs" / "dovecot.start")


def postconf(postfix: Postfix, instance: str) -> str:
    """`postconf -n` as it would read on a machine where this instance is the only one."""
    text = run("postconf", "-n", "-c", postfix.home(instance))
    root = str(postfix.root)
    for ours, theirs in {
        f"{root}/postfix/{instance}": "/etc/postfix",
        f"{root}/spool/{instance}": "/var/spool/postfix",
        f"{root}/data/{instance}": "/var/lib/postfix",
        f"{root}/logs/{instance}.log": "/var/log/mail.log",
        f"{root}/certificates/ca.pem": "/etc/ssl/certs/ca-certificates.crt",
        f"{root}/certificates": "/etc/ssl/mail",
        f"{root}/mail": "/var/mail/virtual",
        root: "/var/log",
    }.items():
        text = text.replace(ours, theirs)
    return text


def doveconf(root: Path) -> str:
    """`doveconf -n` with the paths of a usual installation, without the lines that name this machine."""
    text = run("doveconf", "-n", "-c", root / "dovecot" / "dovecot.conf")
    lines = [line for line in text.splitlines() if not line.startswith("# ") or line.startswith("# 2")]
    ours_alone = ("base_dir", "state_dir", "log_path", "instance_name")
    text = "\n".join(line for line in lines if not line.startswith(ours_alone))
    for ours, theirs in {
        f"{root}/spool/mail": "/var/spool/postfix",
        f"{root}/certificates": "/etc/ssl/mail",
        f"{root}/mail": "/var/mail/virtual",
        f"{root}/dovecot": "/etc/dovecot",
    }.items():
        text = text.replace(ours, theirs)
    return text + "\n"
