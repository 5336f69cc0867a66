"""The directory of a large index as arrays in a file, so that opening it need not read a row for each unit.

It is written when an index is closed and removed before the index changes: what it says holds for one sequence.
"""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.storage.index.postings import Directory

if TYPE_CHECKING:
    from pathlib import Path

# Units from which on the file is worth it: fewer are read in some milliseconds.
MIN_UNITS = 10_000
_NAMES = ("slots", "unit_ids", "own_lengths", "context_lengths", "has_vector")


def load_directory(path: Path, *, sequence: int) -> Directory | None:
    """Return the directory as of a sequence; None where the file is not there, or of another one."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            if int(stored["sequence"]) != sequence:
                return None
            return Directory(*(stored[name] for name in _NAMES))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def save_directory(path: Path, directory: Directory, *, sequence: int) -> None:
    """Write the directory, whole or not at all."""
    temporary = path.with_suffix(".new")
    try:
        with temporary.open("wb") as file:
            np.savez(file, sequence=np.int64(sequence), **{name: getattr(directory, name) for name in _NAMES})
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
