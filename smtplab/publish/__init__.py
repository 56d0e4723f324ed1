"""The report: every chapter executed on a case and bound into one self-contained HTML file.

`run` makes it. Behind it: `chapters` finds and executes the notebooks, `clean` makes their outputs safe, `search`
is the table of all findings, `bind` makes the page.
"""

from smtplab.publish.run import PublishResult, run

__all__ = ["PublishResult", "run"]
