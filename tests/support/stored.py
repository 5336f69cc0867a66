"""What lies on the disk while a server runs: its files come and go between being listed and being read."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def stored(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file under a folder with its bytes, in the order of names; what has gone meanwhile is left out."""
    for path in sorted(folder.rglob("*")):
        # A journal goes with the end of its transaction.
        with suppress(FileNotFoundError):
            if path.is_file():
                yield path, path.read_bytes()
