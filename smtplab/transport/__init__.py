"""Is mail provably encrypted on its way? Certificates, TLS versions, MTA-STS and TLS reporting."""

from smtplab.transport.check import check
from smtplab.transport.collect import HostTls, TransportEvidence, collect
from smtplab.transport.figures import lifetimes
from smtplab.transport.mta_sts import Policy

__all__ = ["HostTls", "Policy", "TransportEvidence", "check", "collect", "lifetimes"]
