"""Where a stream of bytes is cut, and that a change stays where it is."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memporium_platform.bundle.cutting import ByteSegments
from memporium_platform.bundle.limits import MIB, SegmentSizes
from support.bundles import SMALL

KEY = bytes(range(32))


def cut(content: bytes, *, key: bytes = KEY, sizes: SegmentSizes | None = SMALL, piece: int = 1 << 16) -> list[bytes]:
    """Return the segments of `content`, given in pieces."""
    gather = ByteSegments(key, sizes)
    made = [out for start in range(0, len(content), piece) for out in gather.add(content[start : start + piece])]
    return [*made, *gather.finish()]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1 << 32), st.integers(64, 5000))
def test_segments_are_the_content_and_do_not_depend_on_the_pieces_it_comes_in(seed, piece):
    content = random.Random(seed).randbytes(20_000)
    segments = cut(content, piece=piece)
    assert b"".join(segments) == content
    assert segments == cut(content)
    assert all(SMALL.least <= len(segment) <= SMALL.most for segment in segments[:-1])
    assert len(segments[-1]) <= SMALL.most


def test_segments_are_about_as_long_as_wanted():
    segments = cut(random.Random(1).randbytes(1 << 20))
    mean = sum(map(len, segments)) / len(segments)
    assert SMALL.target / 2 < mean < SMALL.target * 2


@pytest.mark.parametrize("change", [b"", b"x", b"much longer than what was there"])
def test_a_change_in_the_middle_changes_few_segments(change):
    content = random.Random(2).randbytes(1 << 20)
    before, after = cut(content), cut(content[:500_000] + change + content[500_001:])
    assert len(set(after) - set(before)) <= 4
    assert len(before) > 400


def test_numbers_of_sixteen_bits_are_cut_at_the_real_sizes_and_a_longer_header_changes_one_segment():
    numbers = np.random.default_rng(3).standard_normal(24 * MIB).astype(np.float16).tobytes()
    before, after = cut(numbers, sizes=None), cut(b"a longer header" + numbers, sizes=None)
    assert len(before) >= 5
    assert len(set(after) - set(before)) <= 2
    assert max(map(len, before)) <= 16 * MIB


@pytest.mark.parametrize("content", [bytes(40_000), b"\x5a" * 40_000, b"ab" * 20_000])
def test_content_that_never_looks_like_a_cut_is_cut_at_the_most(content):
    segments = cut(content)
    assert b"".join(segments) == content
    assert max(map(len, segments)) <= SMALL.most


def test_cuts_depend_on_the_key():
    content = random.Random(4).randbytes(100_000)
    assert cut(content) != cut(content, key=bytes(32))
    assert list(ByteSegments(KEY).finish()) == []
