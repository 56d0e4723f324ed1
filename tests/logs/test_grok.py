"""The field values that Postfix grok patterns expect are found in the tables, and every abuse line with its client."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from smtplab import logs
from tests.logs.abuse import samples

READ = ("SMTP", "SMTPD", "POSTSCREEN", "CLEANUP", "QMGR", "LOCAL", "PIPE", "DISCARD", "BOUNCE")
"""Programs whose lines become rows; anvil, scache, master, dnsblog and the like tell of no message and no client."""
COLUMNS = {
    "postfix_client_hostname": ("client_host",),
    "postfix_client_ip": ("client_ip",),
    "postfix_relay_hostname": ("relay_host",),
    "postfix_relay_ip": ("relay_ip",),
    "postfix_relay_port": ("relay_port",),
    "postfix_status": ("status", "outcome"),
    "postfix_smtp_response": ("response",),
    "postfix_local_response": ("response",),
    "postfix_status_code": ("smtp_code",),
    "postfix_status_code_enhanced": ("enhanced_code",),
    "postfix_tls_version": ("tls_version",),
    "postfix_tls_cipher": ("tls_cipher",),
    "postfix_tls_trustlevel": ("tls_verified",),
}
PAIRS = {
    "from": ("sender",),
    "to": ("recipient",),
    "helo": ("helo",),
    "dsn": ("enhanced_code",),
    "delay": ("delay",),
    "size": ("size",),
    "nrcpt": ("recipients",),
    "client": ("client_host", "client_ip"),
    "message-id": ("message_id",),
}
TOLD_OF_NOTHING = (
    # A connection that fails says so in a line of its own; the delivery that it cost follows and tells all of it.
    r"^connect to |^(?:warning|fatal|panic|error): |^SSL_connect|^\w+: (?:host|enabling|Host)|: conversation|^statistics"
    # What is only begun: the line of its end is the row.
    r"|^connect from |^CONNECT |^\w+: (?:sender|lost connection|conversation|breaking)"
    # postscreen's tests of a client that was let in, or that is refused in a line of its own.
    r"|^PASS|^WHITELISTED|^BLACKLISTED|^PREGREET|^DNSBL|^COMMAND|^NON-SMTP|^BARE|^HANGUP|^DISCONNECT|^cache|^close"
    # What was let pass, with a word about it: nothing is refused.
    r"|^\w+: (?:warning|info|discard|reject_warning): |^ALLOWLIST"
    # A certificate that cannot be checked: the TLS line behind it tells the trust.
    r"|certificate verification|^Untrusted TLS connection reused|^Trusted TLS connection reused|^mapping DSN"
)


def cases(folder: Path) -> dict[str, tuple[str, str, dict[str, Any]]]:
    made = {}
    for path in sorted(folder.glob("*.yaml")):
        raw = yaml.safe_load(path.read_text())
        program = re.search(r"POSTFIX_(\w+)", raw["pattern"])[1]  # type: ignore[index]
        if program in READ and not re.search(TOLD_OF_NOTHING, raw["data"]):
            made[path.stem.replace("_", "-")] = (program.lower(), raw["data"], raw["results"])
    return made


def lines(host: str, program: str, text: str) -> list[str]:
    """The line, and behind it what ends its connection where it only tells of one that is held."""
    head = f"2026-11-02T08:00:00+00:00 {host} postfix/{program}[7]: "
    made = [head + text]
    if found := re.search(r"TLS connection established to (\S+): ", text):
        reply = "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"
        made.append(f"{head}ABCDE1: to=<a@b.example>, relay={found[1]}, {reply}")
    if found := re.search(r"TLS connection established from ([^:]+\]): ", text):
        made.append(f"{head}disconnect from {found[1]} quit=1")
    return made


def wanted(results: dict[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    made = [(COLUMNS[k], str(v)) for k, v in results.items() if k in COLUMNS]
    pairs = results.get("postfix_keyvalue_data", "")
    made += [(PAIRS[k], v) for k, v in re.findall(r"(?:^|[ ,;])([a-z-]+)=<?([^>\s,]*)>?", pairs) if k in PAIRS and v]
    # The table connections has the version of an inbound TLS connection, which is what differs from one to the next.
    inbound = ("tls_cipher",), ("tls_verified",)
    from_client = "postfix_client_ip" in results
    return [(c, v) for c, v in made if v and v != "none" and not (from_client and c in inbound)]


def test_field_values_of_every_grok_case(corpora: Path, tmp_path: Path) -> None:
    found = cases(corpora / "logs" / "postfix-grok")
    assert len(found) > 35
    path = tmp_path / "mail.log"
    path.write_text("".join(f"{x}\n" for host, (p, text, _) in found.items() for x in lines(host, p, text)))
    evidence = logs.read_paths([path])
    frames = [getattr(evidence, t) for t in ("deliveries", "messages", "connections", "rejections")]
    missing = []
    for host, (_, text, results) in found.items():
        values: dict[str, set[str]] = {}
        for frame in frames:
            for column, cells in frame[frame["host"] == host].items():
                values.setdefault(str(column), set()).update(_text(v) for v in cells.dropna())
        for columns, value in wanted(results):
            have = {v for c in columns for v in values.get(c, ())}
            if _text(value) not in have and not (len(columns) > 1 and all(v in value for v in have) and have):
                missing.append((host, columns, value, have, text))
    assert not missing, missing


def _text(value: Any) -> str:
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(value)


def test_every_abuse_line_of_postfix_is_found_with_its_client(corpora: Path, tmp_path: Path) -> None:
    # A client whose name and address disagree is no abuse yet: its connection, told in other lines, goes on.
    given = [
        s
        for s in samples(corpora / "logs" / "fail2ban" / "postfix")
        if s.abuse and "does not resolve to address" not in s.line
    ]
    assert len(given) > 40
    text = ""
    for number, sample in enumerate(given):
        text += re.sub(r"^(\w{3} +\d+ [\d:]+) \S+ ", rf"\1 s{number} ", sample.line) + "\n"
    (tmp_path / "mail.log").write_text(text)
    evidence = logs.read_paths([tmp_path / "mail.log"], year=2026)
    rows = pd.concat([evidence.connections, evidence.rejections])
    have = {host: set(part["client_ip"].dropna()) for host, part in rows.groupby("host")}
    missing = [s.line for n, s in enumerate(given) if s.host not in have.get(f"s{n}", ())]
    assert not missing, missing
