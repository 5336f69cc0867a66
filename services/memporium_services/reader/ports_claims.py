"""What telling contradictions needs of the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.trust import TrustPolicy
    from memporium_services.reader.ports import Conditions

# Cubes that one look-up reads: the newest.
MOST_CUBES = 256


class ClaimSource(Protocol):
    """Finds statements by what they claim."""

    async def claimed(
        self, parent: str, keys: Sequence[str], *, conditions: Conditions, include_mounts: bool, cube: str = ""
    ) -> list[Candidate]:
        """Return the statements with claims of the newest cubes that claim on any of the keys, or of one cube.

        Args:
            parent: The vault.
            keys: Subjects, or subjects with attribute, `ada/home`; empty: any.
            conditions: Which memories.
            include_mounts: Whether mounts are searched too.
            cube: Only of this cube; "": of all.
        """
        ...

    async def policy(self, parent: str) -> TrustPolicy:
        """Return how far the vault trusts sources."""
        ...


class Embedder(Protocol):
    """Tells what clauses mean."""

    async def tells_meaning(self, parent: str) -> bool:
        """Say whether a vault's own embeddings tell meaning; those of hashing do not.

        Raises:
            PlatformError: What the vault raises.
        """
        ...

    async def embed(self, model: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, d) float32, rows of unit length.

        Raises:
            PlatformError: What inference raises, for instance MODEL_UNAVAILABLE.
        """
        ...
