"""Files of the disk tier: AES-256-GCM, a key for each file that is kept in this process's memory alone.

What a vault keeps sealed does not lie in the clear elsewhere. Nobody can open a file whose key has been let go,
whatever the disk keeps of deleted files, and none outlives the process that wrote it. Names are random: they tell
neither whose a file is nor what it holds. Pieces are sealed by their number, which no key sees twice.

Each process has a folder of its own beside a lock that ends with it; at start, folders whose lock nobody holds are
leftovers of a crash, and go.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.big_buffers import Buffers

if TYPE_CHECKING:
    from pathlib import Path

    from memporium_services.inference.ports import Blob

# Stays in the processor's cache between being read and being opened.
PIECE_BYTES = 1 << 20
_TAG_BYTES, _NONCE_BYTES, _KEY_BITS = 16, 12, 256
_FOLDER, _LOCK = "run-", ".lock"
# What is left to others of a disk, at least: so many bytes, or this share of a smaller one.
_LEFT_BYTES, _LEFT_SHARE = 1 << 30, 0.05


@dataclass(slots=True, eq=False)
class SealedFile:
    """One file, and the only key to it.

    Attributes:
        path: Where it lies.
        size_bytes: Bytes of what is sealed in it.
        cipher: Seals and opens it.
        owner: The organisation whose it is.
        deleted: It is to be no longer, also where it is just being written.
    """

    path: Path
    size_bytes: int
    cipher: AESGCM = field(repr=False)
    owner: str = ""
    deleted: bool = False


class SealedDisk:
    """A folder of sealed files. Methods that read and write block, and may run in any thread."""

    def __init__(self, folder: Path, buffers: Buffers | None = None) -> None:
        """Begin a folder of this process's own in `folder`, and remove what crashed ones left there.

        Args:
            folder: On a local disk.
            buffers: What files are opened into; none: fresh memory each time.

        Raises:
            OSError: The folder cannot be made or written to.
        """
        self._buffers = buffers or Buffers()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_leftovers(folder)
        self._lock_path, self._lock = _new_lock(folder)
        self._folder = self._lock_path.with_suffix("")
        self._folder.mkdir(mode=0o700)

    def new(self, size_bytes: int, owner: str = "") -> SealedFile:
        """Return a file of this many bytes of an organisation's to be written, with a key of its own."""
        cipher = AESGCM(AESGCM.generate_key(_KEY_BITS))
        return SealedFile(self._folder / secrets.token_hex(16), size_bytes, cipher, owner)

    def write(self, file: SealedFile, data: Blob) -> bool:
        """Seal `data` into a file; return False where it was deleted meanwhile, and nothing is left of it.

        Raises:
            OSError: The disk is full or out of order; nothing is left of the file.
        """
        self._refuse_full(file.size_bytes)
        try:
            with _created(file.path) as out, memoryview(data) as view:
                sealed = memoryview(bytearray(PIECE_BYTES + _TAG_BYTES))
                for number, start in enumerate(range(0, file.size_bytes, PIECE_BYTES)):
                    if file.deleted:
                        break
                    piece = view[start : start + PIECE_BYTES]
                    end = len(piece) + _TAG_BYTES
                    file.cipher.encrypt_into(_nonce(number), piece, None, sealed[:end])
                    _write_all(out, sealed[:end])
        except OSError:
            file.path.unlink(missing_ok=True)
            raise
        if file.deleted:
            # `delete` may have come before the file was there.
            file.path.unlink(missing_ok=True)
            return False
        return True

    def read(self, file: SealedFile) -> Blob:
        """Return what is sealed in a file, in memory of its own.

        Raises:
            OSError: The disk does not give it back.
            PlatformError: INTEGRITY_FAILURE, where it is not what was written.
        """
        data, piece = self._buffers.take(file.size_bytes, file.owner), memoryview(bytearray(PIECE_BYTES + _TAG_BYTES))
        try:
            with file.path.open("rb", buffering=0) as source, memoryview(data) as view:
                for number, start in enumerate(range(0, file.size_bytes, PIECE_BYTES)):
                    target = view[start : start + PIECE_BYTES]
                    sealed = piece[: len(target) + _TAG_BYTES]
                    if source.readinto(sealed) != len(sealed):
                        raise _damaged()
                    file.cipher.decrypt_into(_nonce(number), sealed, None, target)
        except InvalidTag as err:
            raise _damaged() from err
        return data

    @staticmethod
    def delete(file: SealedFile) -> None:
        """Remove a file, or let it come to nothing where it is just being written."""
        file.deleted = True
        file.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock_path.unlink(missing_ok=True)
        self._lock.close()

    def _refuse_full(self, size_bytes: int) -> None:
        disk = shutil.disk_usage(self._folder)
        if disk.free - size_bytes < min(_LEFT_BYTES, _LEFT_SHARE * disk.total):
            raise OSError(errno.ENOSPC, "the disk is nearly full")


def _created(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


def _write_all(out: BinaryIO, piece: memoryview) -> None:
    if out.write(piece) != len(piece):
        raise OSError(errno.ENOSPC, "the disk takes no more")


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "little")


def _damaged() -> PlatformError:
    return PlatformError(Reason.INTEGRITY_FAILURE, "a file of the disk tier is not what was written")


def _new_lock(folder: Path) -> tuple[Path, BinaryIO]:
    while True:
        path = folder / f"{_FOLDER}{secrets.token_hex(8)}{_LOCK}"
        file = path.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        # Another process that starts may have taken it for a leftover before it was locked.
        if path.exists():
            return path, file
        file.close()


def _remove_leftovers(folder: Path) -> None:
    """Remove folders of processes that are gone; nothing else that lies there."""
    for lock in folder.glob(f"{_FOLDER}*{_LOCK}"):
        try:
            with lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink(missing_ok=True)
        except OSError:
            # It is in use, or went meanwhile.
            continue
