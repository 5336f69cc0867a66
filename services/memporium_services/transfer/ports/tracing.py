"""What leak tracing needs from the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium_services.transfer.domain.tracing import MarkedCopy


class TracingRows(Protocol):
    """Which marked copies were handed out; methods run within a transaction."""

    def add(self, conn: Connection, copy: MarkedCopy) -> None:
        """Note a copy; one that is there already stays."""
        ...

    def profile(self, conn: Connection, org: str, line: str) -> str:
        """Return the profile of a line, or "" where nothing of it was handed out."""
        ...

    def of_line(self, conn: Connection, org: str, line: str) -> Sequence[MarkedCopy]:
        """Return the copies of a line, oldest first."""
        ...
