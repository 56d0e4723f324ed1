"""Take from executed notebooks what differs between runs and machines: times, versions, cell ids stay as they are.

python tests/tidy_notebooks.py NOTEBOOK...
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat


def tidy(path: Path) -> None:
    """Rewrite a notebook without execution times, versions of the kernel and empty stream outputs."""
    book = nbformat.read(path, as_version=4)
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in book.cells:
        cell.metadata.pop("execution", None)
    nbformat.write(book, path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        tidy(Path(name))
