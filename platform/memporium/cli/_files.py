"""Files that commands read and write; written ones are whole, or not there."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What a store says that takes no more; such an error names no file.
STORE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that stands at its place only when all of it is written; what stood there stays till then.

    What is no file, for instance a pipe, is written to as it is.

    Raises:
        OSError: It cannot be written; nothing of it is left.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as out:
            yield out
        return
    place = path.resolve()
    beside = place.with_name(f".{place.name[:200]}.{os.getpid()}.part")
    try:
        with beside.open("wb") as out:
            yield out
            out.flush()
            # Some stores say only now that they are full.
            os.fsync(out.fileno())
        if place.exists():
            shutil.copymode(place, beside)
        beside.replace(place)
    except OSError as error:
        beside.unlink(missing_ok=True)
        if error.filename == str(beside) or (error.filename is None and error.errno in STORE_ERRORS):
            # The name of the file that the caller asked for.
            error.filename, error.filename2 = str(path), None
        raise
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def text_of(path: Path, hint: str) -> str:
    """Return what a text file says.

    Raises:
        OSError: It cannot be read.
        typer.BadParameter: It is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{path} is not text", param_hint=hint) from None
