"""A full disk, told apart from a store that is broken: callers are told, and nothing that is there is thrown away."""

from __future__ import annotations

import errno
import sqlite3

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.causes import causes

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# SQLite finds no room for the memory that the users of its log share.
_FULL_OF_SQLITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_FULL_OF_POSTGRESQL = "53100"
# It takes somebody to make room.
_RETRY_AFTER_S = 30.0


def disk_full(error: BaseException) -> bool:
    """Tell whether the error is, or came from, a disk that takes no more."""
    return any(_says_full(cause) for cause in causes(error))


def full_disk() -> PlatformError:
    """Return what callers are told; whether the change took place is told by the same call made again."""
    return PlatformError(Reason.UNAVAILABLE, "the disk of the platform is full", retry_after_s=_RETRY_AFTER_S)


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) in _FULL_OF_SQLITE
    return getattr(error, "sqlstate", None) == _FULL_OF_POSTGRESQL
