"""RFC 6962 trees against the known vectors of its reference implementation, and against the definition."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memporium.verify.merkle import (
    EMPTY_ROOT,
    ProofError,
    consistency_proof,
    hash_children,
    hash_leaf,
    inclusion_proof,
    range_root,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# Leaves and roots of certificate-transparency's reference tests (trees of 1 to 8 leaves).
INPUTS = [
    b"",
    bytes.fromhex("00"),
    bytes.fromhex("10"),
    bytes.fromhex("2021"),
    bytes.fromhex("3031"),
    bytes.fromhex("40414243"),
    bytes.fromhex("5051525354555657"),
    bytes.fromhex("606162636465666768696a6b6c6d6e6f"),
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [hash_leaf(data) for data in INPUTS]


def reader(leaves):
    return lambda level, index: root_of(leaves[index << level : (index + 1) << level])


def by_definition(leaves):
    """MTH of RFC 6962, 2.1, word by word."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hash_children(by_definition(leaves[:split]), by_definition(leaves[split:]))


def test_known_roots():
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of([]) == EMPTY_ROOT
    assert [root_of(LEAVES[:size]).hex() for size in range(1, 9)] == ROOTS


def test_known_audit_paths():
    path = inclusion_proof(reader(LEAVES), 5, 8)
    assert [step.hex() for step in path] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [step.hex() for step in inclusion_proof(reader(LEAVES[:3]), 2, 3)] == [ROOTS[1]]


def test_known_consistency_proofs():
    proof = consistency_proof(reader(LEAVES), 6, 8)
    assert [step.hex() for step in proof] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert consistency_proof(reader(LEAVES), 8, 8) == []


@given(st.integers(1, 70))
@settings(max_examples=30, deadline=None)
def test_roots_and_proofs_of_every_leaf(size):
    leaves = [hash_leaf(bytes([number])) for number in range(size)]
    read, root = reader(leaves), root_of(leaves)
    assert root == by_definition(leaves) == range_root(read, 0, size)
    for index, leaf in enumerate(leaves):
        proof = inclusion_proof(read, index, size)
        verify_inclusion(leaf, index, size, proof, root)
        wrong = [
            (hash_leaf(b"else"), index, size, proof, root),
            (leaf, (index + 1) % size if size > 1 else 1, size, proof, root),
            (leaf, index, size, [*proof, root], root),
            (leaf, index, size, proof, hash_leaf(b"root")),
        ]
        if proof:
            wrong += [(leaf, index, size, proof[:-1], root), (leaf, index, size, [root, *proof[1:]], root)]
        for attempt in wrong:
            with pytest.raises(ProofError):
                verify_inclusion(*attempt)


@given(st.integers(1, 40), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_consistency_of_every_pair(first, more):
    leaves = [hash_leaf(bytes([number])) for number in range(first + more)]
    size = len(leaves)
    old, new = root_of(leaves[:first]), root_of(leaves)
    proof = consistency_proof(reader(leaves), first, size)
    verify_consistency(first, size, old, new, proof)
    wrong = [(first, size, hash_leaf(b"x"), new, proof), (first, size, old, new, [*proof, new])]
    if more:
        wrong += [(first, size, old, hash_leaf(b"x"), proof), (first, size, old, new, proof[:-1])]
        wrong += [(first, size, old, new, [hash_leaf(b"x"), *proof[1:]])]
    for attempt in wrong:
        with pytest.raises(ProofError):
            verify_consistency(*attempt)


def test_questions_outside_of_the_tree():
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ValueError, match="not in a tree"):
            inclusion_proof(reader(LEAVES), index, size)
        with pytest.raises(ProofError):
            verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])
    for first, size in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="does not begin"):
            consistency_proof(reader(LEAVES), first, size)
        with pytest.raises(ProofError):
            verify_consistency(first, size, LEAVES[0], LEAVES[0], [])
    with pytest.raises(ProofError, match="empty"):
        verify_consistency(3, 5, LEAVES[0], LEAVES[0], [])
