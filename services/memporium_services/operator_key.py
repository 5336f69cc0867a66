"""The platform operator's key file: written at the first start, readable by its owner alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "operator.key"


def write_operator_key(data_dir: Path, key: str) -> Path:
    """Write the key as a whole, mode 0600; return where."""
    path = data_dir / FILE_NAME
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return path


def read_operator_key(data_dir: Path) -> str:
    """Return the key, or "" where there is no file."""
    path = data_dir / FILE_NAME
    return path.read_text(encoding="ascii").strip() if path.exists() else ""
