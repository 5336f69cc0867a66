"""Which units there are, of which version, and who may see them: remembered as of a revision of each vault.

A search reads this of each unit that it ranked. It changes with the vault's revision alone, and the log of changes says
of which cubes, so what was read for one search holds for the next ones, but for those.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.vault.domain.rows import FoundUnit, VaultRow
    from memporium_services.vault.ports import Store

# Rows of all vaults together: some 20 MB.
_MOST_ROWS = 50_000
# Changes that are followed one by one; after more, all is read anew.
_MOST_CHANGES = 1000


@dataclass
class _Known:
    revision: int
    rows: dict[int, FoundUnit] = field(default_factory=dict)
    by_cube: dict[str, list[int]] = field(default_factory=dict)

    def drop(self, cube_id: str) -> int:
        gone = self.by_cube.pop(cube_id, ())
        for unit_id in gone:
            del self.rows[unit_id]
        return len(gone)


class FoundRows:
    """Reads rows of units that were found, or remembers them. Safe to use from several threads."""

    def __init__(self, most: int = _MOST_ROWS) -> None:
        """Remember up to `most` rows."""
        self._most = most
        self._vaults: OrderedDict[str, _Known] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def get(self, store: Store, vault: VaultRow, unit_ids: Sequence[int]) -> dict[int, FoundUnit]:
        """Return the rows of units as far as they are there.

        Args:
            store: A snapshot no older than `vault`.
            vault: The vault as the search began.
            unit_ids: The units.
        """
        found, missing = self._known(store, vault, unit_ids)
        if missing:
            self._take(vault, found, store.found_units(vault.uid, missing))
        return found

    def with_bodies(
        self, store: Store, vault: VaultRow, unit_ids: Sequence[int]
    ) -> tuple[dict[int, FoundUnit], dict[int, bytes]]:
        """Return what `get` does, and the sealed bodies of the units that had to be read: these come along for little.

        Args:
            store: A snapshot no older than `vault`.
            vault: The vault as the search began.
            unit_ids: The units.
        """
        found, missing = self._known(store, vault, unit_ids)
        read = store.found_contents(vault.uid, missing) if missing else []
        self._take(vault, found, [row for row, _ in read])
        return found, {row.unit_id: body for row, body in read}

    def _known(self, store: Store, vault: VaultRow, unit_ids: Sequence[int]) -> tuple[dict[int, FoundUnit], list[int]]:
        """Return the rows that are remembered, and the ids of the others."""
        self._catch_up(store, vault)
        with self._lock:
            known = self._vaults.get(vault.uid)
            # Another search has seen later changes: what it remembers may be younger than this snapshot.
            usable = known is not None and known.revision == vault.revision
            rows = known.rows if known is not None and usable else {}
            found = {unit_id: rows[unit_id] for unit_id in unit_ids if unit_id in rows}
        return found, [unit_id for unit_id in unit_ids if unit_id not in found]

    def _take(self, vault: VaultRow, found: dict[int, FoundUnit], read: Sequence[FoundUnit]) -> None:
        found.update((row.unit_id, row) for row in read)
        self._keep(vault, read)

    def forget(self, vault_uid: str) -> None:
        """Drop what is known of a vault."""
        with self._lock:
            known = self._vaults.pop(vault_uid, None)
            self._count -= len(known.rows) if known is not None else 0

    def _catch_up(self, store: Store, vault: VaultRow) -> None:
        with self._lock:
            known = self._vaults.get(vault.uid)
            revision = known.revision if known is not None else vault.revision
        if revision >= vault.revision:
            return
        whole = revision >= vault.changes_floor
        changes = store.changes(vault.uid, from_revision=revision + 1, limit=_MOST_CHANGES + 1) if whole else []
        if not whole or len(changes) > _MOST_CHANGES:
            self.forget(vault.uid)
            return
        with self._lock:
            known = self._vaults.get(vault.uid)
            if known is not None and known.revision == revision:
                self._count -= sum(known.drop(change.cube_id) for change in changes)
                known.revision = vault.revision

    def _keep(self, vault: VaultRow, rows: Sequence[FoundUnit]) -> None:
        with self._lock:
            known = self._vaults.setdefault(vault.uid, _Known(vault.revision))
            self._vaults.move_to_end(vault.uid)
            if known.revision != vault.revision:
                return
            for row in rows:
                if row.unit_id not in known.rows:
                    known.rows[row.unit_id] = row
                    known.by_cube.setdefault(row.cube_id, []).append(row.unit_id)
                    self._count += 1
            while self._count > self._most:
                _, oldest = self._vaults.popitem(last=False)
                self._count -= len(oldest.rows)
