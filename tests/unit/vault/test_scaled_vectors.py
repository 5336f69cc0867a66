"""Vectors of many cubes are scaled together, to the same bits as one by one; what is copied brings only whole sets."""

from __future__ import annotations

import numpy as np
import pytest

from memporium_services.vault.app import branch_pages, codec, drafting
from memporium_services.vault.app.cipher import VaultCipher
from memporium_services.vault.app.content import UnitDraft
from memporium_services.vault.domain.rows import UnitRow

CIPHER = VaultCipher(bytes(32), "v")


@pytest.mark.parametrize("widths", [(384,), (3, 5), (384, 8)])
def test_together_is_as_one_by_one(widths):
    numbers = np.random.default_rng(1)
    matrices = [
        None if count == 0 else (5 * numbers.standard_normal((count, width))).astype(np.float32)
        for width in widths
        for count in (1, 0, 7, 2)
    ]
    found = drafting._scaled(matrices)
    assert [one is None for one in found] == [matrix is None for matrix in matrices]
    for one, matrix in zip(found, matrices, strict=True):
        if matrix is not None and one is not None:
            assert one.tobytes() == codec.unit_vectors(matrix).tobytes()
    assert drafting._scaled([None, None]) == [None, None]


def test_a_copy_brings_the_vectors_of_cubes_all_of_whose_units_have_one():
    vectors = codec.unit_vectors(np.eye(4, dtype=np.float32) + 1)

    def unit(cube_id: str, ordinal: int, *, told: bool) -> UnitRow:
        body = codec.unit_body(UnitDraft("text", "title"), ordinal, "en", vectors[ordinal] if told else None)
        return UnitRow(cube_id, ordinal, "", None, False, CIPHER.seal(body, "unit", cube_id, ordinal))

    units = [unit("a", 0, told=True), unit("a", 1, told=True), unit("b", 0, told=True), unit("b", 1, told=False)]
    found = branch_pages._vectors(units, CIPHER)
    assert list(found) == ["a"]
    assert found["a"].astype(np.float16).tobytes() == vectors[:2].tobytes()
    assert [codec.vector_in(one, CIPHER) is None for one in units] == [False, False, False, True]
    whole = codec.open_unit(units[1], CIPHER).vector
    assert whole is not None
    assert (found["a"][1] == whole).all()
