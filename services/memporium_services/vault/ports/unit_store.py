"""The port to the relational store, as far as units, index tasks and blobs go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from memporium_services.vault.domain.rows import BlobRow, FoundUnit, IndexTask, UnitRow, VaultRow
    from memporium_services.vault.domain.selection import Selection


class UnitStore(Protocol):
    """Units, index tasks and blobs within a transaction."""

    def insert_units(self, vault: VaultRow, units: Sequence[UnitRow]) -> list[int]:
        """Add units; return their new ids, which are never given again."""
        ...

    def unit_ids(self, vault_uid: str, cube_ids: Sequence[str]) -> list[int]:
        """Return the ids of the cubes' units."""
        ...

    def units(self, vault_uid: str, unit_ids: Sequence[int]) -> dict[int, UnitRow]:
        """Return units by id."""
        ...

    def unit_bodies(self, vault_uid: str, unit_ids: Sequence[int]) -> dict[int, bytes]:
        """Return the sealed bodies of units by id."""
        ...

    def found_units(self, vault_uid: str, unit_ids: Sequence[int]) -> list[FoundUnit]:
        """Return units by id with their cubes' visibility, as far as they are there, in no order."""
        ...

    def found_contents(self, vault_uid: str, unit_ids: Sequence[int]) -> list[tuple[FoundUnit, bytes]]:
        """Return what `found_units` does, each with the unit's sealed body."""
        ...

    def units_of(self, vault_uid: str, cube_ids: Sequence[str]) -> list[UnitRow]:
        """Return the cubes' units, each cube's in order."""
        ...

    def delete_units(self, vault_uid: str, cube_ids: Sequence[str]) -> tuple[list[int], int]:
        """Remove the cubes' units; return their ids and how many had a context."""
        ...

    def indexed_units(self, vault_uid: str, *, after: int, limit: int) -> list[UnitRow]:
        """Return the units that belong in the index, by id."""
        ...

    def allowed(self, vault_uid: str, selection: Selection) -> NDArray[np.int64]:
        """Return the sorted ids of the units that a selection admits."""
        ...

    def hides_something(self, vault_uid: str, selection: Selection) -> bool:
        """Return whether the reader must not see everything that is in the index: private cubes, or overdue ones."""
        ...

    def add_task(self, vault_uid: str, task: IndexTask) -> None:
        """Note what the index has to take in."""
        ...

    def drop_task(self, vault_uid: str, revision: int) -> None:
        """Remove the note of one revision, to write another."""
        ...

    def mark_indexed(self, vault_uid: str, revision: int) -> None:
        """Note that a revision changed what is indexed."""
        ...

    def tasks(self, vault_uid: str, *, after: int) -> list[IndexTask]:
        """Return the notes after a revision, in order."""
        ...

    def drop_tasks(self, vault_uid: str, *, through: int) -> None:
        """Remove notes that every index has taken in; older indexes are built anew."""
        ...

    def blobs(self, vault_uid: str, keys: Sequence[str]) -> dict[str, BlobRow]:
        """Return blobs by keyed name."""
        ...

    def save_blob(self, vault_uid: str, row: BlobRow) -> None:
        """Write how far an upload has come."""
        ...

    def refer(self, vault_uid: str, cube_id: str, keys: Sequence[str]) -> None:
        """Note that a cube needs blobs."""
        ...

    def referring(self, vault_uid: str, blob_key: str) -> list[str]:
        """Return the cubes that need a blob."""
        ...

    def referrers(self, vault_uid: str, keys: Sequence[str]) -> list[tuple[str, str]]:
        """Return which cubes need blobs, as pairs of a blob's keyed name and a cube's id."""
        ...

    def orphans(self, vault_uid: str, *, before_us: int, limit: int) -> list[BlobRow]:
        """Return blobs that no cube needs and nobody has touched since."""
        ...

    def delete_blobs(self, vault_uid: str, keys: Sequence[str]) -> None:
        """Remove blobs' rows."""
        ...
