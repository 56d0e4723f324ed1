"""Transcripts side by side, for a notebook: plain text, and static escaped HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

_CELL = "vertical-align:top;text-align:left;padding:4px 12px 4px 0"
_PRE = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font-size:85%"


@dataclass(frozen=True)
class Transcripts:
    """Columns of (title, transcript)."""

    columns: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return "\n\n".join(f"{title}\n{'-' * len(title)}\n{text}" for title, text in self.columns)

    def _repr_html_(self) -> str:
        width = f"{_CELL};width:{100 // max(len(self.columns), 1)}%"
        head = "".join(f'<th scope="col" style="{width}">{escape(title)}</th>' for title, _ in self.columns)
        body = "".join(f'<td style="{_CELL}"><pre style="{_PRE}">{escape(text)}</pre></td>' for _, text in self.columns)
        table = f"<thead><tr>{head}</tr></thead><tbody><tr>{body}</tr></tbody>"
        return f'<table class="smtplab-table smtplab-transcripts" style="table-layout:fixed;width:100%">{table}</table>'
