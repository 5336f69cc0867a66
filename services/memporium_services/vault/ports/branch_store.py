"""The port to the relational store, as far as branches go that are copied piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.vault.domain.rows import BranchRow, VaultRow


class BranchStore(Protocol):
    """How far branches are, within a transaction."""

    def begin_branch(self, row: BranchRow) -> None:
        """Note that a vault, which is there as `filling`, is a branch of another."""
        ...

    def branch(self, vault_uid: str) -> BranchRow | None:
        """Return how far a branch is."""
        ...

    def filling_vault(self, org: str, vault_id: str) -> VaultRow | None:
        """Return a branch that is not whole yet by its ids."""
        ...

    def advance_branch(self, row: BranchRow, *, after_id: str, looked_at: int, now_us: int) -> BranchRow | None:
        """Note that a branch is further than `row` says; None: it is not where that says any more."""
        ...

    def end_branch(self, row: BranchRow, *, now_us: int) -> bool:
        """Let everybody see a branch, unless it is not where `row` says any more; return whether they do."""
        ...

    def branches_from(self, source_uid: str, *, filling: bool) -> list[VaultRow]:
        """Return the branches of a vault that were copied piece by piece: those not whole yet, or those that are."""
        ...

    def idle_branches(self, before_us: int) -> list[VaultRow]:
        """Return branches that are not whole, and were not gone on with since a time."""
        ...

    def uids_of(self, vault_uid: str, cube_ids: Sequence[str]) -> dict[str, str]:
        """Return the uids of cubes by id, as far as they are there."""
        ...
