"""Every exception smtplab raises, each saying what was wrong, where, and what to do.

SmtplabError
├── CaseError          a case folder or its case.toml
├── SourceError        a file the analyst gave us
├── TapeError          a recording that is damaged, cut short or too new
├── NotRecorded        an area asks a recording that holds nothing for it
├── CatalogueError     a finding without its catalogue entry, or the reverse
├── NotAllowed         a probe that case.toml does not allow
├── LabError           the lab cannot start or stop a server
└── PublishError       a chapter failed, so no report was written
"""

from __future__ import annotations


class SmtplabError(Exception):
    """One line for a person: `where: what. do`."""

    def __init__(self, what: str, *, where: object = "", do: str = "") -> None:
        self.what, self.where, self.do = what, str(where), do
        super().__init__(what)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head.rstrip('.')}. {self.do}" if self.do else head


class CaseError(SmtplabError):
    """The case folder or its case.toml cannot be used."""


class SourceError(SmtplabError):
    """A source file is missing or is not what case.toml says it is."""


class TapeError(SmtplabError):
    """A recording is damaged; `usable` answers before the damage can still be read."""

    def __init__(self, what: str, *, where: object = "", do: str = "", usable: int = 0) -> None:
        super().__init__(what, where=where, do=do)
        self.usable = usable


class NotRecorded(SmtplabError):
    """Nothing of what an area asks stands on the recording."""


class CatalogueError(SmtplabError):
    """A finding and the catalogue disagree: a mistake of ours, not of the analyst."""


class NotAllowed(SmtplabError):
    """case.toml does not allow this probe."""


class LabError(SmtplabError):
    """The lab cannot do what was asked, usually because a server is not installed."""


class PublishError(SmtplabError):
    """A chapter failed while the report was made."""
