"""Hits that are written as bytes are the messages that they stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium.vault.v1.cubes_pb2 import Unit
from memporium.vault.v1.search_pb2 import UnitHit, UnitRanking
from memporium_services.vault.convert_units import _hit, _varint

_PLACES = st.integers(0, 2**31 - 1)


@given(cube=_PLACES, ordinal=_PLACES, text=st.none() | st.text(max_size=300))
def test_a_hit_on_the_wire_reads_as_its_message(cube: int, ordinal: int, text: str | None) -> None:
    hit = UnitHit(cube=cube, ordinal=ordinal)
    unit = Unit(text=text, ordinal=ordinal % 7, role="user") if text is not None else None
    if unit is not None:
        hit.unit.CopyFrom(unit)
    written = _hit(cube, ordinal, unit.SerializeToString() if unit is not None else None)
    ranking = UnitRanking(query=3)
    ranking.MergeFromString(written + written)
    assert ranking == UnitRanking(query=3, hits=[hit, hit])
    assert ranking.hits[0].HasField("unit") is (text is not None)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_units_of_any_length(size: int) -> None:
    unit = Unit(text="x" * size)
    [found] = UnitRanking.FromString(_hit(0, 0, unit.SerializeToString())).hits
    assert found.unit == unit


@pytest.mark.parametrize(
    ("number", "wire"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (1 << 21, "80808001")]
)
def test_numbers_on_the_wire(number: int, wire: str) -> None:
    assert _varint(number).hex() == wire
