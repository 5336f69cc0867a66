"""The port to the relational store, as far as what is still to be deleted goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.vault.domain.rows import LeavingRow


class LeavingStore(Protocol):
    """What was removed from the tables, and lies elsewhere still, within a transaction."""

    def note_leaving(self, row: LeavingRow) -> None:
        """Note what is to be deleted."""
        ...

    def leavings_of(self, receipt_id: str) -> list[LeavingRow]:
        """Return what is still to be deleted by a receipt."""
        ...

    def leavings(self, before_us: int, limit: int) -> list[LeavingRow]:
        """Return what is still to be deleted since before a time, the oldest first."""
        ...

    def drop_leaving(self, leaving_id: str) -> None:
        """Note that all of it is deleted."""
        ...

    def payload_versions(self, vault_uid: str, cube_ids: Sequence[str]) -> list[tuple[str, int]]:
        """Return the uid of its cube and the number of each payload that is kept of cubes."""
        ...
