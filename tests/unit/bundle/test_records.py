"""Streams of records and where they are cut."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.bundle.limits import MIB, RECORD_MAX, SEGMENT_CONTENT_MAX, SEGMENT_CONTENT_MIN
from memporium_platform.bundle.records import RecordError, RecordSegments, delimited, split

KEY = bytes(range(32))


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_split_gives_back_what_was_delimited(records):
    assert list(split(b"".join(delimited(record) for record in records))) == records


def test_split_refuses_every_cut_within_a_record():
    content = delimited(b"x" * 200)
    for length in range(1, len(content)):
        with pytest.raises(RecordError):
            list(split(content[:length]))


@pytest.mark.parametrize("content", [b"\xff\xff\xff\xff\x01", b"\x80\x00", b"\xff\xff\xff\x7f", b"\x80"])
def test_split_refuses_lengths_that_are_long_padded_or_huge(content):
    with pytest.raises(RecordError):
        list(split(content))


def test_a_record_above_the_cap_is_refused():
    with pytest.raises(RecordError):
        delimited(bytes(RECORD_MAX + 1))


def _segments(records: list[bytes], key: bytes = KEY) -> list[bytes]:
    gather = RecordSegments(key)
    return [content for record in records for content in gather.add(record)] + list(gather.finish())


def _records(count: int, size: int, seed: int) -> list[bytes]:
    draw = random.Random(seed)
    return [draw.randbytes(size) for _ in range(count)]


def test_a_change_in_the_middle_leaves_the_other_segments_as_they_are():
    records = _records(400, 64 * 1024, seed=1)
    before = _segments(records)
    after = _segments([*records[:200], b"new", *records[200:]])
    assert len(before) >= 4
    assert len(set(after) - set(before)) <= 2
    assert b"".join(before) == b"".join(map(delimited, records))


def test_segments_keep_to_their_sizes():
    contents = _segments(_records(600, 64 * 1024, seed=2))
    assert all(SEGMENT_CONTENT_MIN <= len(content) <= SEGMENT_CONTENT_MAX for content in contents[:-1])
    assert 2 * MIB < sum(map(len, contents)) / len(contents) < 8 * MIB


def test_equal_records_fill_segments_to_the_cap_at_most():
    assert max(map(len, _segments([bytes(3 * MIB)] * 12))) <= SEGMENT_CONTENT_MAX


def test_cuts_depend_on_the_key():
    records = _records(400, 64 * 1024, seed=3)
    assert _segments(records) != _segments(records, bytes(32))
