"""Merkle trees as in RFC 6962, section 2.1: hashes, audit paths, consistency proofs, and their verification.

Proofs are made from hashes of complete subtrees, which a caller looks up; nothing here rehashes a whole log.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # (level, index) -> hash of the complete subtree over leaves index * 2**level and the 2**level - 1 after it.
    NodeReader = Callable[[int, int], bytes]

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


class ProofError(Exception):
    """A proof does not hold, or is malformed."""


def hash_leaf(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    row = list(leaves)
    while len(row) > 1:
        paired = [hash_children(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        # An odd one is carried up unhashed: the same tree as the RFC's split at the largest power of two.
        row = paired + row[len(row) - len(row) % 2 :]
    return row[0]


def range_root(read: NodeReader, start: int, end: int) -> bytes:
    """Return the root over the leaves from `start` to before `end`; `start` is aligned as in the RFC's recursion."""
    size = end - start
    if size == 0:
        return EMPTY_ROOT
    level = size.bit_length() - 1
    if size == 1 << level:
        return read(level, start >> level)
    middle = start + (1 << level)
    return hash_children(range_root(read, start, middle), range_root(read, middle, end))


def inclusion_proof(read: NodeReader, index: int, size: int) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` leaves.

    Raises:
        ValueError: There is no such leaf.
    """
    if not 0 <= index < size:
        message = f"leaf {index} is not in a tree of {size}"
        raise ValueError(message)
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_root(read, middle, end))
            end = middle
        else:
            path.append(range_root(read, start, middle))
            start = middle
    return path[::-1]


def consistency_proof(read: NodeReader, first: int, size: int) -> list[bytes]:
    """Return the proof that the tree of `size` leaves begins with the tree of `first`.

    Raises:
        ValueError: `first` is not between 1 and `size`.
    """
    if not 1 <= first <= size:
        message = f"a tree of {size} does not begin with one of {first}"
        raise ValueError(message)
    path: list[bytes] = []
    start, end, whole = 0, size, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(range_root(read, middle, end))
            end = middle
        else:
            path.append(range_root(read, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(range_root(read, start, end))
    return path[::-1]


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf is in the tree (RFC 9162, 2.1.3.2).

    Raises:
        ProofError: It is not proved.
    """
    if not 0 <= index < size:
        message = f"leaf {index} cannot be in a tree of {size}"
        raise ProofError(message)
    node, last, current = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is too long")
        if node & 1 or node == last:
            current = hash_children(sibling, current)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = hash_children(current, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError("the proof is too short")
    if not hmac.compare_digest(current, root):
        raise ProofError("the proof leads to another root")


def verify_consistency(  # noqa: C901 - the steps of the RFC's algorithm
    first: int, size: int, first_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of `size` leaves begins with the tree of `first` (RFC 9162, 2.1.4.2).

    Raises:
        ProofError: It is not proved.
    """
    if not 1 <= first <= size:
        message = f"a tree of {size} cannot begin with one of {first}"
        raise ProofError(message)
    if first == size:
        if proof or not hmac.compare_digest(first_root, root):
            raise ProofError("trees of one size have different roots, or the proof is not empty")
        return
    path = list(proof) if first & (first - 1) else [first_root, *proof]
    if not path:
        raise ProofError("the proof is empty")
    node, last = first - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the proof is too long")
        if node & 1 or node == last:
            old, new = hash_children(sibling, old), hash_children(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = hash_children(new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError("the proof is too short")
    if not hmac.compare_digest(old, first_root) or not hmac.compare_digest(new, root):
        raise ProofError("the proof leads to other roots")


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
