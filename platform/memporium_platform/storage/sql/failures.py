"""What callers see when the store itself fails: never a driver's text, which may quote rows or statements."""

from __future__ import annotations

from sqlalchemy.exc import InterfaceError, OperationalError

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.causes import causes
from memporium_platform.storage.full_disk import disk_full, full_disk


def storage_failure(error: BaseException) -> BaseException:
    """Return UNAVAILABLE for a failure of the store; any other error as it is.

    IntegrityError and the like pass: the service whose rows they are about knows what they mean.
    """
    if not isinstance(error, PlatformError) and disk_full(error):
        failure = full_disk()
        failure.__cause__ = error
        return failure
    if isinstance(error, (OperationalError, InterfaceError)) or getattr(error, "connection_invalidated", False):
        failure = PlatformError(Reason.UNAVAILABLE, "the store is not available", retry_after_s=1.0)
        failure.__cause__ = error
        return failure
    return error


def disconnected(error: BaseException) -> bool:
    """Tell whether the error is, or came from, the loss of the connection."""
    return any(getattr(cause, "connection_invalidated", False) for cause in causes(error))
