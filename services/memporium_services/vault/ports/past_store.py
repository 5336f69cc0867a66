"""The port to the relational store, as far as the past differs from the present."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.vault.domain.rows import VaultRow, VersionRow


class PastStore(Protocol):
    """Compares a moment with now, within a transaction."""

    def changed_since(
        self, vault: VaultRow, *, revision: int, moment_us: int | None, reader: str
    ) -> list[tuple[str, int]]:
        """Return the cubes that were there at a moment and have another version now, each with its version of then."""
        ...

    def versions_of(self, vault_uid: str, keys: Sequence[tuple[str, int]]) -> list[VersionRow]:
        """Return versions of different cubes by cube and number, as far as they are there."""
        ...
