"""What staging needs: a place where changes gather instead of being made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.vault.v1.changes_pb2 import Change


class Staged(Protocol):
    """The changes that were wanted."""

    @property
    def changes(self) -> Sequence[Change]:
        """All of them, in order."""
        ...
