"""The port to the relational store, as far as forgetting in all vaults of an organisation goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.vault.domain.errands import ErrandRow, ErrandVault
    from memporium_services.vault.domain.rows import VaultRow


class ErrandStore(Protocol):
    """Errands, within a transaction."""

    def begin_errand(self, row: ErrandRow) -> None:
        """Note what is to be forgotten."""
        ...

    def errand(self, errand_id: str) -> ErrandRow | None:
        """Return an errand that is not ended."""
        ...

    def idle_errands(self, before_us: int) -> list[ErrandRow]:
        """Return errands that nobody went on with since a time, the oldest first."""
        ...

    def add_errand_vaults(self, errand_id: str, vaults: Sequence[VaultRow]) -> int:
        """Let an errand go to vaults, unless it does already; return how many are new."""
        ...

    def errand_vaults(self, errand_id: str) -> list[ErrandVault]:
        """Return the vaults of an errand, by uid."""
        ...

    def note_errand(self, errand_id: str, vault_uid: str, outcome: bytes, now_us: int) -> None:
        """Note what became of a vault."""
        ...

    def end_errand(self, errand_id: str) -> bool:
        """Remove an errand; return whether it was there."""
        ...
