"""Runs inside the namespace: real Postfix twice (careless and careful), Dovecot and Exim, diagnosed; what is seen as JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from smtplab.lab.processes import Processes, greets, program, run, until
from smtplab.net import Network, NetworkSettings
from smtplab.net.session import Errand
from smtplab.servers import Endpoint, as_dict, diagnose_all, side_by_side
from smtplab.servers.allowed import allowances
from smtplab.servers.configuration import Configuration, _settings
from smtplab.tape import Recorder, Tape
from tests.authentication.dnsserver import serve
from tests.mailservers import DOVECOT_TLS, EXIM_SIGN_IN, forget_exim, start_dovecot, start_exim
from tests.net.certs import AT, DAY, Authority

HOSTS = {"careless": "127.0.1.1", "careful": "127.0.1.2", "boxes": "127.0.1.3", "exim": "127.0.1.4"}
ZONE = {f"{name}.lab.example": [("A", ip)] for name, ip in HOSTS.items()}
MAIN = """compatibility_level = 3.6
queue_directory = {root}/spool/{name}
data_directory = {root}/data/{name}
maillog_file = {root}/{name}.log
maillog_file_prefixes = {root}
mail_owner = postfix
setgid_group = postdrop
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
mydestination =
myhostname = {name}.lab.example
virtual_mailbox_domains = {name}.lab.example
virtual_mailbox_maps = inline:{{postmaster@{name}.lab.example=postmaster/, jo@{name}.lab.example=jo/}}
virtual_mailbox_base = {root}/mail
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1
smtpd_tls_chain_files = {root}/key.pem, {root}/chain.pem
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:12345
smtpd_error_sleep_time = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
"""
CARELESS = """mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_forbid_bare_newline = no
smtpd_tls_auth_only = no
default_transport = discard:
"""
CAREFUL = """mynetworks =
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_forbid_bare_newline = reject
smtpd_tls_auth_only = yes
disable_vrfy_command = yes
default_transport = error:nothing leaves
"""
MASTER = """{ip}:25 inet n - n - - smtpd
{ip}:587 inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
{ip}:465 inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
# As at most organisations, one name answers for submission and for mailboxes: Postfix asks Dovecot.
DOVECOT = """service auth {
  inet_listener {
    address = 127.0.0.1
    port = 12345
  }
}
"""
EXIM = """primary_hostname = exim.lab.example
daemon_smtp_ports = 25 : 587 : 465
local_interfaces = {ip}
tls_on_connect_ports = 465
tls_advertise_hosts = *
tls_certificate = {root}/chain.pem
tls_privatekey = {root}/key.pem
domainlist local_domains = exim.lab.example
hostlist relay_from_hosts = 192.0.2.3 : ::::1 : 198.51.100.0/24
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = accept
queue_only = true
begin acl
acl_rcpt:
  accept authenticated = *
  accept domains = +local_domains
  deny message = relay not permitted
"""
MANAGESIEVE = Path("/usr/lib/dovecot/managesieve")
JO = Errand(user="jo", secret="right", sender="jo@careful.lab.example", recipient="postmaster@careful.lab.example")
WRONG = Errand(user="jo", secret="wrong", sender="jo@careful.lab.example")
STRANGER = Errand(sender="a@example.com", recipient="b@example.com")


def start_postfix(root: Path, name: str, settings: str) -> None:
    home = root / "postfix" / name
    home.mkdir(parents=True)
    (root / "spool" / name).mkdir(parents=True)
    (root / "data" / name).mkdir(parents=True)
    shutil.chown(root / "data" / name, "postfix")
    (home / "main.cf").write_text(MAIN.format(root=root, name=name) + settings)
    own = MASTER.format(ip=HOSTS[name])
    if name == "careful":
        # A service without a client, for what postconf -P prints of one that differs from the others.
        own += "127.0.1.2:10025 inet n - n - - smtpd\n  -o mynetworks=192.0.2.77\n"
        own += "  -o smtpd_relay_restrictions=permit_mynetworks,reject\n"
    (home / "master.cf").write_text(own)
    run("postfix", "-c", home, "start")


def start_boxes(root: Path, processes: Processes) -> None:
    sieve = " sieve" if MANAGESIEVE.exists() else ""
    start_dovecot(
        root,
        processes,
        DOVECOT_TLS.format(root=root) + DOVECOT,
        f"imap pop3{sieve}",
        f"{HOSTS['boxes']}, {HOSTS['careful']}",
        "allow_nets=127.0.0.0/8,2001:db8::/64,local",
    )


def demonstrate(root: Path) -> dict[str, object]:
    """One host name that is Postfix on 587 and Dovecot on 143 and 110."""
    (root / "tape").mkdir()
    address = "jo@careful.lab.example"
    who = {"user": "jo", "sender": address, "recipient": address, "pause": 1.0}
    with serve(ZONE) as resolver, Recorder(root / "tape", started=AT, vantage="here") as recorder:
        network = Network(NetworkSettings(resolver=resolver), live=True, recorder=recorder)
        made = side_by_side(network, "careful.lab.example", secret="right", ports=(587, 143, 110), **who)
    replayed = side_by_side(Network(tape=Tape.load(recorder.target)), "careful.lab.example", **who)
    return {
        "sessions": [
            [s.phase for s in t.steps] for t in (made.submission, made.imap, made.second, made.pop3, made.after)
        ],
        "mailbox": made.mailbox().astype(object).where(made.mailbox().notna(), None).to_dict("list"),
        "text": repr(made.transcripts()),
        "replayed": repr(replayed.transcripts()),
        "secret on tape": "right" in recorder.target.read_text(),
    }


def command(root: Path, *words: str) -> dict[str, object]:
    """What a script gets of `smtplab server`: its exit status, and its object for each endpoint."""
    with serve(ZONE) as resolver:
        done = subprocess.run(
            [sys.executable, "-m", "smtplab", "server", *words, "--json", "--resolver", resolver],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "SSL_CERT_FILE": str(root / "ca.pem")},
        )
    told = {f"{t['host'].split('.lab')[0]}:{t['port']}": t for t in map(json.loads, done.stdout.splitlines())}
    return {"status": done.returncode, "said": done.stderr, "told": told}


def allowed(root: Path, exim: bool) -> dict[str, list[str]]:
    """Who may hand in mail, read from what the programs print of themselves."""
    folder = root / "printed"
    folder.mkdir()
    commands: dict[str, tuple[str, list[str | Path]]] = {
        "careless.postconf": ("postfix", [program("postconf"), "-c", root / "postfix" / "careless", "-n"]),
        "careful.postconf": ("postfix", [program("postconf"), "-c", root / "postfix" / "careful", "-n"]),
        "boxes.doveconf": ("dovecot", [program("doveconf"), "-c", root / "dovecot.conf", "-n"]),
    }
    if exim:
        commands["exim.eximconf"] = ("exim", [root / "exim.sh", "-C", root / "exim.conf", "-bP", "config"])
    made = {}
    for name, (kind, command) in commands.items():
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        text = done.stdout
        if kind == "postfix":
            overrides = [*command[:-1], "-P"]
            text += subprocess.run(overrides, capture_output=True, text=True, timeout=30, check=True).stdout
        (folder / name).write_text(text)
        config = Configuration(name.partition(".")[0], kind, name, _settings(folder / name))
        made[config.host] = [f"{a.text}{'+' * a.sign_in}{'?' * bool(a.elsewhere)}" for a in allowances([config])]
    return made


def observe(root: Path, exim: bool) -> dict[str, object]:
    seen: dict[str, object] = {}

    def ask(name: str, ends: list[Endpoint], errand: Errand | None = None, *, intrusive: bool = False) -> None:
        # A new network each time: each has its own budget of twelve connections.
        with serve(ZONE) as resolver:
            trust = root / "ca.pem"
            network = Network.without_case(NetworkSettings(resolver=resolver, timeout=2.5, trust=trust))
            network.clock = lambda: AT
            found = diagnose_all(ends, errand=errand, network=network, intrusive=intrusive)
            seen[name] = {f"{d.endpoint.host.split('.')[0]}:{d.endpoint.port}": as_dict(d) for d in found}
            used = network.connections_used()
        seen["most connections"] = max([*used.values(), int(str(seen.get("most connections", 0)))])

    def at(host: str, port: int, starttls: str = "auto", protocol: str = "") -> Endpoint:
        return Endpoint(f"{host}.lab.example", port, protocol, starttls)

    relays = ["careless", "careful", *(["exim"] if exim else [])]
    sieve = [4190] if MANAGESIEVE.exists() else []
    ends = [f"{h}.lab.example:{p}" for h in relays for p in (25, 465)]
    ends += [f"boxes.lab.example:{p}" for p in (143, 993, 110, *sieve)]
    seen["script"] = command(root, *ends, "--fail-on", "critical")
    seen["script, strict"] = command(root, "boxes.lab.example:993", HOSTS["boxes"] + ":993", "--fail-on", "info")
    seen["script, patient"] = command(root, *(f"{h}.lab.example:25" for h in relays), "--connections", "40")
    ask(
        "healthy",
        [at(h, p) for h in relays for p in (25, 587, 465)] + [at("boxes", p) for p in (143, 993, 110, 995, *sieve)],
    )
    ask("intrusive", [at(h, 25) for h in relays], intrusive=True)
    ask("intrusive boxes", [at("boxes", p) for p in (143, 110)], intrusive=True)
    ask(
        "signed in",
        [at("careful", 587), at("careful", 465), at("boxes", 993), at("boxes", 995), at("boxes", 143)]
        + [at("boxes", p) for p in sieve],
        JO,
    )
    ask(
        "wrong password",
        [at("careful", 587), at("boxes", 993), at("boxes", 110), *(at("boxes", p) for p in sieve)],
        WRONG,
    )
    ask("stranger", [at(h, 25) for h in relays], STRANGER)
    ask("wrong mode", [at("careful", 465, "never"), at("careful", 25, "implicit"), at("boxes", 993, "never")])
    ask("wrong port", [at("careful", 26, protocol="smtp"), at("nobody", 25)])
    seen["side by side"] = demonstrate(root)
    seen["allowed"] = allowed(root, exim)
    if exim:
        told = subprocess.run(
            [root / "exim.sh", "-C", root / "exim.conf", "-bP"], capture_output=True, text=True, timeout=30, check=True
        )
        (root / "x.eximconf").write_text(told.stdout)
        seen["exim -bP"] = {name: value for name, (_, value) in _settings(root / "x.eximconf").items()}
    return seen


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=10)
    root = Path(tempfile.mkdtemp(prefix="smtplab-servers-"))
    root.chmod(0o755)
    processes = Processes()
    exim = os.environ.get("SMTPLAB_EXIM", "")
    try:
        authority = Authority()
        # Good at the clock of these tests and at that of the command, which is the machine's.
        begin, end = min(AT, datetime.now(UTC)) - 30 * DAY, max(AT, datetime.now(UTC)) + 60 * DAY
        authority.issue(*(f"{name}.lab.example" for name in HOSTS), begin=begin, end=end).write(root)
        authority.pem(root / "ca.pem")
        (root / "key.pem").chmod(0o644)
        start_postfix(root, "careless", CARELESS)
        start_postfix(root, "careful", CAREFUL)
        start_boxes(root, processes)
        if exim:
            settings = EXIM.format(root=root, ip=HOSTS["exim"]) + EXIM_SIGN_IN
            settings += "  server_advertise_condition = ${if def:tls_in_cipher}\n"
            start_exim(root, Path(exim).resolve(), processes, settings)
        for name in [n for n in HOSTS if n != "exim" or exim]:
            port = 143 if name == "boxes" else 25
            until(f"{name} answers", lambda ip=HOSTS[name], port=port: greets(ip, port), processes=processes)
        began = time.monotonic()
        seen = observe(root, bool(exim))
        seen["seconds"] = time.monotonic() - began
        Path(sys.argv[1]).write_text(json.dumps(seen))
    finally:
        for name in ("careless", "careful"):
            if (root / "spool" / name / "pid" / "master.pid").exists():
                run("postfix", "-c", root / "postfix" / name, "stop")
        processes.stop()
        forget_exim()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
