"""What do receivers tell us? DMARC aggregate reports (RFC 9990, RFC 7489) and TLS reports (RFC 8460)."""

from smtplab.reports.check import check, sightings
from smtplab.reports.figures import alignment_over_time, tls_failures, volume_by_source
from smtplab.reports.read import ReportEvidence, read, read_paths
from smtplab.reports.sources import classified, senders

__all__ = [
    "ReportEvidence", "alignment_over_time", "check", "classified", "read", "read_paths", "senders", "sightings",
    "tls_failures", "volume_by_source",
]  # fmt: skip
