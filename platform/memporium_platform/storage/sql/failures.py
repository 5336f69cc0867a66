"""What callers see when the store itself fails: never a driver's text, which may quote rows or statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator


def storage_failure(error: BaseException) -> BaseException:
    """Return UNAVAILABLE for a failure of the store; any other error as it is.

    IntegrityError and the like pass: the service whose rows they are about knows what they mean.
    """
    if isinstance(error, (OperationalError, InterfaceError)) or getattr(error, "connection_invalidated", False):
        failure = PlatformError(Reason.UNAVAILABLE, "the store is not available", retry_after_s=1.0)
        failure.__cause__ = error
        return failure
    return error


def disconnected(error: BaseException) -> bool:
    """Tell whether the error is, or came from, the loss of the connection."""
    return any(getattr(cause, "connection_invalidated", False) for cause in causes(error))


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it came from: a function may have wrapped the driver's error in its own."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        if isinstance(current, DBAPIError) and isinstance(current.orig, BaseException):
            yield current.orig
        current = current.__cause__ or current.__context__


__all__ = ["causes", "disconnected", "storage_failure"]
