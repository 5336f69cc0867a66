import random

from memporium.verify.merkle import (
    consistency_proof,
    hash_leaf,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from memporium_services.governance.domain.tiles import Tiles

LEAVES = [hash_leaf(str(number).encode()) for number in range(70_000)]


class Stored:
    """Tiles as a table keeps them."""

    def __init__(self):
        self.tiles = {}
        self.reads = 0
        self.size = 0

    def load(self, level, number):
        self.reads += 1
        return self.tiles.get((level, number), b"")

    def append(self, leaves):
        tiles = Tiles(self.size, self.load)
        tiles.append(leaves)
        self.tiles.update(tiles.changed)
        self.size = tiles.size
        return tiles


def test_appending_in_any_portions_gives_the_tree_of_the_leaves():
    rng, stored = random.Random(1), Stored()
    while stored.size < 3_000:
        root = stored.append(LEAVES[stored.size : stored.size + rng.randrange(1, 400)]).root()
        assert root == root_of(LEAVES[: stored.size])


def test_proofs_from_tiles_hold_and_read_little():
    stored = Stored()
    tiles = stored.append(LEAVES)
    root, size = tiles.root(), len(LEAVES)
    assert max(level for level, _ in stored.tiles) == 2
    for index in (0, 255, 256, 65_535, 65_536, size - 1):
        stored.reads = 0
        proof = inclusion_proof(Tiles(size, stored.load).node, index, size)
        verify_inclusion(LEAVES[index], index, size, proof, root)
        assert stored.reads <= 6
    for first in (1, 255, 256, 257, 65_537, size):
        proof = consistency_proof(Tiles(size, stored.load).node, first, size)
        verify_consistency(first, size, root_of(LEAVES[:first]), root, proof)


def test_an_older_size_is_proved_from_newer_tiles():
    stored = Stored()
    stored.append(LEAVES[:1000])
    stored.append(LEAVES[1000:2000])
    older = Tiles(1000, stored.load)
    assert older.root() == root_of(LEAVES[:1000])


def test_an_append_writes_few_tiles():
    stored = Stored()
    stored.append(LEAVES[:66_000])
    assert set(stored.append(LEAVES[66_000:66_001]).changed) == {(0, 257)}
