"""Is mail provably encrypted on its way? Certificates, TLS, MTA-STS, DANE and TLS reporting."""

from smtplab.transport.changes import changes
from smtplab.transport.check import check, check_endpoint
from smtplab.transport.collect import collect
from smtplab.transport.dane import HostDane, Tlsa
from smtplab.transport.evidence import HostTls, TransportEvidence
from smtplab.transport.figures import lifetimes, protections
from smtplab.transport.mta_sts import Policy
from smtplab.transport.protection import protection, what_protects
from smtplab.transport.tlsrpt import Reporting

__all__ = [
    "HostDane", "HostTls", "Policy", "Reporting", "Tlsa", "TransportEvidence", "changes", "check", "check_endpoint",
    "collect", "lifetimes", "protection", "protections", "what_protects",
]  # fmt: skip
