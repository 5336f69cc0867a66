"""Streams of records and where they are cut."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium.transfer.v1.record_pb2 import BundleRecord, RecordBatch
from memporium_platform.bundle.limits import MIB, RECORD_MAX, SegmentSizes
from memporium_platform.bundle.reading import RecordOrder, read
from memporium_platform.bundle.records import RecordError, RecordSegments, cube_name, delimited
from support.bundles import tensor_file, tensor_record, text_record

KEY = bytes(range(32))
SIZES = SegmentSizes()


def segment(content: bytes) -> list[bytes]:
    """Return the names of the cubes in a first segment, checked."""
    return [name for names in RecordOrder().segment(content, {}) for name in names]


@given(st.lists(st.text(max_size=400), max_size=20))
def test_reading_gives_back_what_was_delimited(texts):
    records = [text_record(f"c{index}", text) for index, text in enumerate(texts)]
    content = b"".join(map(delimited, records))
    assert [record.SerializeToString() for record in read(content)] == records
    assert segment(content) == [cube_name(record).encode() for record in records]


def test_reading_refuses_every_cut_within_a_record():
    content = delimited(text_record("c", "x" * 200))
    for length in range(1, len(content)):
        with pytest.raises(RecordError):
            segment(content[:length])


@pytest.mark.parametrize(
    "content",
    [b"\x0a\x80\x00", b"\x0a\xff\xff\xff\x7f", b"\x0a\x80", b"\x12\x00", b"\x8a\x00\x00", b"\x0a\x02\x22\x00"],
)
def test_reading_refuses_lengths_that_are_long_padded_or_huge_and_other_fields(content):
    with pytest.raises(RecordError):
        segment(content)


def test_a_record_above_the_cap_is_refused():
    with pytest.raises(RecordError):
        delimited(bytes(RECORD_MAX + 1))
    huge = RecordBatch()
    huge.records.add().cube.cube.payload.plaintext.document.text = "x" * (RECORD_MAX + 1)
    with pytest.raises(RecordError, match="above the cap"):
        segment(huge.SerializeToString())


def _batch(*kinds: str) -> RecordBatch:
    batch = RecordBatch()
    for kind in kinds:
        record = batch.records.add()
        if kind:
            getattr(record, kind).SetInParent()
    return batch


@pytest.mark.parametrize(
    "kinds", [("cube", "vault"), ("vault", "vault"), ("relation", "cube"), ("vault", "relation", "cube"), ("",)]
)
def test_records_out_of_their_order_are_refused(kinds):
    with pytest.raises(RecordError):
        RecordOrder().take(_batch(*kinds), {})
    order = RecordOrder()
    # And where a segment ends between them.
    for kind in kinds[:-1]:
        order.take(_batch(kind), {})
    with pytest.raises(RecordError):
        order.take(_batch(kinds[-1]), {})


def test_records_in_their_order_are_counted():
    order = RecordOrder()
    order.take(_batch("vault", "cube", "cube"), {})
    order.take(_batch("cube", "relation", "relation"), {})
    assert (order.records, order.cubes) == (6, 3)


def test_two_cubes_that_disagree_about_a_file_are_refused():
    one = BundleRecord.FromString(tensor_record(tensor_file()))
    other = BundleRecord.FromString(tensor_record(tensor_file()))
    other.cube.cube.payload.parameter.blob.size_bytes += 1
    with pytest.raises(RecordError):
        RecordOrder().take(RecordBatch(records=[one, other]), {})


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
    assert all(SIZES.least <= len(content) <= SIZES.most for content in contents[:-1])
    assert 2 * MIB < sum(map(len, contents)) / len(contents) < 8 * MIB


def test_equal_records_fill_segments_to_the_cap_at_most():
    assert max(map(len, _segments([bytes(3 * MIB)] * 12))) <= SIZES.most


def test_cuts_depend_on_the_key():
    records = _records(400, 64 * 1024, seed=3)
    assert _segments(records) != _segments(records, bytes(32))
