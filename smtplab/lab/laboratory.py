"""One running lab: which servers stand, how to send through them, and where their logs and maildirs lie."""

from __future__ import annotations

import re
import shutil
import smtplib
import ssl
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from smtplab.errors import LabError
from smtplab.lab import dns, mailservers
from smtplab.lab.certificates import issue
from smtplab.lab.keys import private_pem, rsa_key
from smtplab.lab.namespace import inside, lower_networks, raise_networks
from smtplab.lab.processes import Processes, greets, require, run, until
from smtplab.lab.services import Services
from smtplab.lab.world import World

PROGRAMS = ("nsd", "unbound", "ldns-signzone", "postfix", "dovecot", "doveconf", "ip", "mount")
QUEUED = re.compile(r"queued as (\w+)")


class Lab:
    """The servers of one world, up between `__enter__` and `__exit__`.

    Parameters
    ----------
    world
        Name of a folder beside this module ("meridian"), or a path of such a folder.
    without
        Numbers of planted faults that are mended in this run: lines tagged `fault=N` fall away and
        lines tagged `fixed=N` stand (zones, main.cf, dovecot.conf, policies, replies and world.toml alike).
    directory
        Where configuration, queues, logs and maildirs are written; default a temporary folder that is
        removed at the end. A folder given here is kept.
    retry, lifetime
        Seconds until a deferred message is tried again, and until it is returned: days in the
        configuration files (and so in `postconf -n`), seconds here (only in master.cf).

    Instances of Meridian (all Postfix): mx1, mx2, mail (submission; users in world.toml), out1, out2,
    postrider, crmvendor, forwarder (senders), and `providers`, which answers on the addresses of gmail,
    microsoft, yahoo, goodpost, grey, strictmail and corporate as replies.toml says.

    Raises `LabError` when not inside the namespace, a program is missing or a server does not answer.
    """

    resolver: str
    """Address of Unbound, "192.0.2.53"."""
    addresses: dict[str, str]
    """Name of each service and client (mx1, out2, gmail, app, ...) -> its address."""
    root: Path
    """Scratch folder of this run."""

    def __init__(
        self,
        world: str | Path = "meridian",
        without: frozenset[int] = frozenset(),
        directory: Path | None = None,
        *,
        retry: float = 1.0,
        lifetime: float = 6.0,
    ) -> None:
        self.world = World.load(world, without)
        self.addresses = self.world.addresses
        self.resolver = self.addresses["resolver"]
        self.directory = directory
        self.retry, self.lifetime = retry, lifetime
        self.processes = Processes()
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        require(*PROGRAMS)
        if not inside():
            raise LabError(
                "the lab runs only in its own network namespace", where="lab", do="Start it with: smtplab lab"
            )
        self.root = self._make_root()
        try:
            self._start()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def _make_root(self) -> Path:
        if self.directory is None:
            root = Path(tempfile.mkdtemp(prefix="smtplab-lab-"))
            self._undo.callback(shutil.rmtree, root)
        else:
            root = self.directory.resolve()
            root.mkdir(parents=True, exist_ok=True)
            if any(root.iterdir()):
                raise LabError("the folder is not empty", where=root, do="Name an empty or a new one")
            for folder in root.parents:
                if not folder.stat().st_mode & 0o001:
                    what = f"the servers' users cannot enter {folder}"
                    raise LabError(what, where=root, do="Name a folder that everyone may enter")
        root.chmod(0o755)
        return root

    def _start(self) -> None:
        (self.root / "resolv.conf").write_text(f"nameserver {self.resolver}\noptions timeout:2 attempts:2\n")
        self._undo.callback(lower_networks)
        raise_networks(list(self.world.networks), self.root / "resolv.conf")
        (self.root / "logs").mkdir()
        mail = self.root / "mail"
        mail.mkdir()
        shutil.chown(mail, mailservers.NOBODY, mailservers.NOBODY)
        issue(self.root / "certificates", list(self.world.certificates), self.world.clock)
        self._undo.callback(self.processes.stop)
        dns.start(self.world, self.root, self.resolver, self.processes)
        services = Services(self.world, self.root / "certificates")
        self._undo.callback(services.stop)
        services.start()
        self.postfix = mailservers.Postfix(self.world, self.root, self.retry, self.lifetime)
        self.postfix.write()
        self._wait_for_names()
        self._undo.callback(self.postfix.stop)
        self.postfix.start()
        mailservers.start_dovecot(self.world, self.root, self.processes)
        for name, address, port, greeting in self.services():
            what = f"{name} does not answer at {address} port {port}"
            until(what, lambda a=address, p=port, g=greeting: greets(a, p, g), processes=self.processes)  # type: ignore[misc]

    def _wait_for_names(self) -> None:
        for server in self.world.name_servers:
            known = next(iter(dns.zones(self.world.read(f"zones/{server.files[0]}", server.name))))
            what = f"NSD does not answer at {server.address}"
            until(what, lambda a=server.address, n=known: dns.answers(a, n), processes=self.processes)  # type: ignore[misc]
        until(
            f"Unbound does not answer at {self.resolver}",
            lambda: dns.answers(self.resolver, self.world.domain),
            processes=self.processes,
        )

    def services(self) -> list[tuple[str, str, int, bytes]]:
        """Every TCP service with its address, its port and how it greets (b"" where the client speaks first)."""
        found = []
        for instance in self.world.instances:
            ports = (587,) if instance == "mail" else (25,)
            names = [instance] if instance in self.addresses else self._providers()
            found += [(name, self.addresses[name], port, b"220 ") for name in names for port in ports]
        mail = self.addresses["mail"]
        found += [("mail", mail, 465, b""), ("mail", mail, 143, b"* OK"), ("mail", mail, 993, b"")]
        found += [("mail", mail, 110, b"+OK"), ("mail", mail, 995, b"")]
        return found + [(host, self.addresses[host], 443, b"") for host in self.world.policy_hosts]

    def _providers(self) -> list[str]:
        names = re.findall(r"milter_macro_daemon_name=(\S+)", self.world.read("postfix/providers/listeners.cf"))
        return [name for name in names if name in self.addresses]

    def log(self, instance: str) -> Path:
        """The mail log of one Postfix instance, or of "dovecot"; all providers share that of "providers"."""
        return self.root / "logs" / f"{instance}.log"

    def maildir(self, name: str) -> Path:
        """Where mail for NAME@meridian.example lands (new messages in its `new` folder); "goodpost" is a provider's."""
        return self.root / "mail" / name

    @property
    def trust(self) -> Path:
        """Certificate of the authority that issued every certificate of the lab."""
        return self.root / "certificates" / "ca.pem"

    def dkim_key(self, selector: str) -> bytes:
        """Private key, PEM, of a selector: mx2026, pr1 (unpublished while fault 2 stands), v1 (crm-vendor.example)."""
        return private_pem(rsa_key(selector))

    def send(
        self,
        instance: str,
        sender: str,
        recipient: str | list[str],
        message: bytes,
        *,
        user: str | None = None,
        source: str | None = None,
    ) -> str:
        """Inject one message by SMTP and return the queue id that the instance gave it.

        Goes to port 25 of a sender instance from the application server's address (`addresses["app"]`), or,
        with `user` (a local part in world.toml), to port 587 of `mail` after STARTTLS and AUTH PLAIN.
        `source` is the client address instead: any address of the three documentation networks.
        Raises `LabError` with the reply when the server refuses.
        """
        address = self.addresses[instance]
        client = source or self.addresses["office" if user else "app"]
        host, port = (f"{instance}.{self.world.domain}", 587) if user else (address, 25)
        try:
            with smtplib.SMTP(host, port, "client.meridian.example", 30, (client, 0)) as smtp:
                if user:
                    smtp.starttls(context=ssl.create_default_context(cafile=str(self.trust)))
                    smtp.login(user, self.world.users[user])
                return _inject(smtp, sender, [recipient] if isinstance(recipient, str) else recipient, message)
        except (smtplib.SMTPException, OSError) as error:
            raise LabError(f"refused the message: {error}", where=f"{instance} ({address} port {port})") from error

    def flush(self, instance: str) -> None:
        """Ask the instance to try its deferred mail at once."""
        run("postqueue", "-c", self.postfix.home(instance), "-f")

    def wait_idle(self, timeout: float = 60.0, *, deferred: bool = False) -> None:
        """Wait until no instance has mail in motion; with `deferred`, until every queue is empty."""
        end = time.monotonic() + timeout
        quiet = 0
        while quiet < 3:
            busy = [one for one in self.world.instances if self.postfix.waiting(one, deferred=deferred)]
            quiet = 0 if busy else quiet + 1
            if time.monotonic() > end:
                raise LabError(f"mail still in the queues of {', '.join(busy)} after {timeout:g} s", where="lab")
            time.sleep(0.1)

    def configuration(self, instance: str) -> str:
        """`postconf -n` of an instance (or `doveconf -n` for "dovecot"), this machine's paths replaced."""
        if instance == "dovecot":
            return mailservers.doveconf(self.root)
        return mailservers.postconf(self.postfix, instance)


def _inject(smtp: smtplib.SMTP, sender: str, recipients: list[str], message: bytes) -> str:
    smtp.ehlo_or_helo_if_needed()
    smtp.mail(sender)
    for recipient in recipients:
        code, reply = smtp.rcpt(recipient)
        if code >= 400:
            raise smtplib.SMTPRecipientsRefused({recipient: (code, reply)})
    code, reply = smtp.data(message)
    found = QUEUED.search(reply.decode(errors="replace"))
    if code != 250 or found is None:
        raise smtplib.SMTPDataError(code, reply)
    return found[1]
