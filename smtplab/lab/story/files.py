"""Writing the case's sources so that the same story gives the same bytes."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path


def pack(text: str) -> bytes:
    """Text as gzip (RFC 1952) without name and time."""
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def write(folder: Path, made: dict[str, str], *, packed: str = ".gz") -> None:
    """Replace the files of a folder; a name that ends in .zip becomes an archive of one XML file, others get gzip."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, text in made.items():
        if name.endswith(".zip"):
            with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
                archive.writestr(
                    zipfile.ZipInfo(name[:-4] + ".xml", (2026, 11, 16, 6, 0, 0)), text, zipfile.ZIP_DEFLATED
                )
        elif packed:
            (folder / (name + packed)).write_bytes(pack(text))
        else:
            (folder / name).write_text(text, "utf-8", newline="")
