"""What does an SMTP reply mean? One engine for log lines, provider events and bounces (RFC 5321, 3463, 5248).

>>> from smtplab import replies
>>> replies.classify("550 5.1.1 <x@example.org>: User unknown").reason
'userunknown'
"""

from smtplab.replies.confidence import WEAK, Evidence, reliability
from smtplab.replies.gist import every, meanings
from smtplab.replies.guidance import Advice, advice, correction
from smtplab.replies.judge import classify, command
from smtplab.replies.reply import Reply, RunnerUp
from smtplab.replies.rules import Reason, Rule, fingerprint, reasons, rules
from smtplab.replies.vocabulary import rescued_by, words

__all__ = [
    "WEAK", "Advice", "Evidence", "Reason", "Reply", "Rule", "RunnerUp", "advice", "classify", "command", "correction",
    "every", "fingerprint", "meanings", "reasons", "reliability", "rescued_by", "rules", "words",
]  # fmt: skip
