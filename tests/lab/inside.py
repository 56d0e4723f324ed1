"""Runs inside the namespace: brings the lab up and writes what it sees as JSON."""

import base64
import json
import smtplib
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode

from smtplab.lab import Lab
from smtplab.lab.processes import greets

MESSAGE = b"From: <tickets@meridian.example>\r\nSubject: test\r\nMessage-ID: <test@meridian.example>\r\n\r\nHello\r\n"
TICKETS = "tickets@meridian.example"
SENT = [
    ("out1", TICKETS, "anna@gmail.com"),
    ("out1", TICKETS, "rl1@gmail.com"),
    ("out1", TICKETS, "unknown1@gmail.com"),
    ("out1", TICKETS, "full1@gmail.com"),
    ("out2", TICKETS, "bert@gmail.com"),
    ("postrider", "news@bounce.meridian.example", "carl@gmail.com"),
    ("postrider", "news@bounce.meridian.example", "dora@outlook.com"),
    ("crmvendor", "meridian@crm-vendor.example", "emil@gmail.com"),
    ("out2", TICKETS, "s3150a@hotmail.com"),
    ("out1", TICKETS, "busy1@yahoo.com"),
    ("out1", TICKETS, "quota1@goodpost.example"),
    ("out1", TICKETS, "gina@grey.example"),
    ("out2", "billing@meridian.example", "hans@strictmail.example"),
    ("out1", TICKETS, "ida@partner-rail.example"),
    ("out1", TICKETS, "jan@nordbank.example"),
    ("out1", TICKETS, "kim@forwarder.example"),
]


def ask(server: str, name: str, rtype: str) -> dns.message.Message:
    query = dns.message.make_query(name, rtype, want_dnssec=True)
    return dns.query.udp(query, server, timeout=3)


def attempts(lab: Lab, instance: str, queue_id: str) -> list[str]:
    lines = lab.log(instance).read_text().splitlines()
    return [line for line in lines if f" {queue_id}: " in line and "status=" in line]


def observe(lab: Lab) -> dict[str, object]:
    mail, mx1, mx2 = (lab.addresses[name] for name in ("mail", "mx1", "mx2"))
    seen: dict[str, object] = {"root": str(lab.root)}
    seen["silent"] = [name for name, address, port, start in lab.services() if not greets(address, port, start)]
    seen["route"] = subprocess.run(["ip", "route", "show", "default"], capture_output=True, text=True).stdout
    seen["outside"] = [dns.rcode.to_text(ask(lab.resolver, name, "A").rcode()) for name in (".", "debian.org")]
    seen["authentic"] = bool(ask(lab.resolver, "meridian.example", "MX").flags & dns.flags.AD)
    seen["serials"] = [ask(lab.addresses[ns], "meridian.example", "SOA").answer[0][0].serial for ns in ("ns1", "ns2")]
    certificate = ssl.get_server_certificate
    context = ssl.create_default_context(cafile=str(lab.trust))
    policy = "https://mta-sts.meridian.example/.well-known/mta-sts.txt"
    seen["policy"] = urlopen(policy, context=context).read().decode()
    with smtplib.SMTP(mx2, timeout=5) as smtp:
        smtp.ehlo("office.meridian.example")
        seen["mx2 starttls"] = smtp.has_extn("starttls")
    with smtplib.SMTP(mx1, timeout=5) as smtp:
        smtp.ehlo("office.meridian.example")
        loose = ssl._create_unverified_context()
        smtp.starttls(context=loose)
        seen["mx1 certificate"] = base64.b64encode(smtp.sock.getpeercert(True)).decode()
    with smtplib.SMTP(mail, 587, timeout=5) as smtp:
        smtp.ehlo("office.meridian.example")
        seen["auth before TLS"] = smtp.has_extn("auth")
    seen["pop3s"] = "BEGIN CERTIFICATE" in certificate((mail, 995))
    ids = [
        (instance, recipient, lab.send(instance, sender, recipient, MESSAGE)) for instance, sender, recipient in SENT
    ]
    account = lab.send("mail", "jonas.keller@meridian.example", "lea@goodpost.example", MESSAGE, user="jonas.keller")
    lab.wait_idle(60, deferred=True)
    seen["attempts"] = {recipient: attempts(lab, instance, queue_id) for instance, recipient, queue_id in ids}
    seen["account"] = attempts(lab, "mail", account)
    seen["account log"] = [line for line in lab.log("mail").read_text().splitlines() if "sasl_username" in line]
    seen["bounces"] = [path.read_text() for path in sorted((lab.maildir("bounces") / "new").iterdir())]
    seen["postconf"] = lab.configuration("out1")
    seen["doveconf"] = lab.configuration("dovecot")
    return seen


if __name__ == "__main__":
    begin = time.monotonic()
    with Lab("meridian", retry=1.0, lifetime=3.0) as lab:
        up = time.monotonic() - begin
        seen = observe(lab)
    Path(sys.argv[1]).write_text(json.dumps({**seen, "up": up}))
