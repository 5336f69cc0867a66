"""The port to the relational store, as far as lineage between vaults goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memporium_services.vault.domain.links import LinkRow


class LinkStore(Protocol):
    """Which cubes were made from, or copied of, cubes of other vaults of the organisation, within a transaction."""

    def link(self, org: str, rows: Iterable[LinkRow]) -> None:
        """Note of what cubes were made; what is noted already stays."""
        ...

    def linked(self, org: str, parent_vault: str, parent_cubes: Sequence[str]) -> list[LinkRow]:
        """Return what was made of cubes of a vault, in order; hidden cubes, too."""
        ...

    def unlinked(self, org: str) -> list[tuple[str, str]]:
        """Return the vaults that were not looked through yet, by uid, each with the last cube looked at."""
        ...

    def go_on_linking(self, vault_uid: str, *, at: str, after_id: str | None) -> bool:
        """Note how far a vault was looked through, None: to its end; False: another call is further than `at`."""
        ...
