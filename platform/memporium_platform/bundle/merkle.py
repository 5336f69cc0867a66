"""Root of a Merkle tree, hashed as in RFC 6962 section 2.1 (leaf prefix 0x00, node prefix 0x01)."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the 32-byte root over `leaves`; for none, the hash of nothing."""
    if not leaves:
        return sha256(b"").digest()
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    # Pairing from the left and carrying a lone last node upwards gives the RFC's tree for every size.
    while len(level) > 1:
        paired = [sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]
