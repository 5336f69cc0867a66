"""Merkle trees in tiles of 256 hashes, as in C2SP tlog-tiles.

Appending touches the last tile of each level, and a proof reads a few tiles instead of the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.verify.merkle import HASH_BYTES, range_root, root_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEIGHT = 8
WIDTH = 1 << HEIGHT

# (level, number) of a tile; level 0 holds leaf hashes.
Place = tuple[int, int]


class Tiles:
    """The tiles of one tree, read when needed; `changed` holds those that appending has written."""

    def __init__(self, size: int, load: Callable[[int, int], bytes]) -> None:
        """Take the number of leaves and how to load a tile: its hashes, one after another, b"" where it is new."""
        self.size = size
        self.changed: dict[Place, bytes] = {}
        self._load = load
        self._read: dict[Place, bytes] = {}

    def append(self, leaf_hashes: Sequence[bytes]) -> None:
        """Append leaves."""
        self._append(0, self.size, leaf_hashes)
        self.size += len(leaf_hashes)

    def root(self) -> bytes:
        """Return the root over all leaves."""
        return range_root(self.node, 0, self.size)

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of the complete subtree over leaves index * 2**level and the 2**level - 1 after it."""
        tile_level, rest = divmod(level, HEIGHT)
        first = index << rest
        number, offset = divmod(first, WIDTH)
        hashes = self._tile(tile_level, number)
        return root_of([_at(hashes, offset + step) for step in range(1 << rest)])

    def _append(self, level: int, index: int, values: Sequence[bytes]) -> None:
        """Append hashes to a level, and the roots of the tiles that they fill to the next."""
        full: list[bytes] = []
        done, first = 0, index // WIDTH
        while done < len(values):
            number, offset = divmod(index + done, WIDTH)
            some = values[done : done + WIDTH - offset]
            # Hashes after these would be left from a tree that was longer: there is none, but never keep them.
            hashes = self._tile(level, number)[: offset * HASH_BYTES] + b"".join(some)
            self.changed[level, number] = hashes
            if offset + len(some) == WIDTH:
                full.append(root_of([_at(hashes, step) for step in range(WIDTH)]))
            done += len(some)
        if full:
            self._append(level + 1, first, full)

    def _tile(self, level: int, number: int) -> bytes:
        place = (level, number)
        found = self.changed.get(place)
        if found is None:
            found = self._read.get(place)
        if found is None:
            found = self._read[place] = self._load(level, number)
        return found


def _at(hashes: bytes, position: int) -> bytes:
    return hashes[position * HASH_BYTES : (position + 1) * HASH_BYTES]
