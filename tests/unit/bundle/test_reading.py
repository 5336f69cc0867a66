"""Reading of records: names as the messages have them, and nothing that was not said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium.transfer.v1.record_pb2 import BundleRecord, RecordBatch
from memporium.verify.bundle import documents as second
from memporium_platform.bundle import reading, spans
from memporium_platform.bundle.protobuf import is_plain
from memporium_platform.bundle.reading import RecordOrder
from memporium_platform.bundle.records import RecordError, delimited, encoded

KINDS = st.sampled_from(["document", "cell", "record", "nothing", "activation", "parameter"])
NAMES = st.sampled_from(["", "c", "orgs/a/vaults/v/cubes/c1", "n" * 127, "n" * 128, "J\x12J\x1a"])
TEXTS = st.sampled_from(["", "text", "J\x12\x1a\n" * 3, "x" * 200, "y" * 20_000])


@st.composite
def records(draw) -> BundleRecord:
    """A record of any kind, most of them cubes."""
    record = BundleRecord()
    kind = draw(st.sampled_from(["cube"] * 6 + ["relation", "vault", "nothing"]))
    if kind == "relation":
        record.relation.source = draw(NAMES)
        record.relation.SetInParent()
    elif kind == "vault":
        record.vault.name = draw(NAMES)
        record.vault.SetInParent()
    elif kind == "cube":
        record.cube.SetInParent()
        if draw(st.booleans()):
            record.cube.cube.SetInParent()
        fill(record.cube.cube, draw)
        for text in draw(st.lists(TEXTS, max_size=2)):
            record.cube.units.add(text=text)
            record.cube.unit_vectors.add(values=[1.5, -2.0])
    return record


def fill(cube, draw) -> None:
    """Give a cube some of the fields that it can have, before its payload and behind it."""
    cube.name = draw(NAMES)
    cube.uid, cube.content_digest = draw(TEXTS), draw(NAMES)
    cube.revision = draw(st.sampled_from([0, 1, 300, -1, 2**62]))
    cube.payload_bytes = draw(st.sampled_from([0, 5]))
    cube.descriptive.tags.extend(draw(st.lists(NAMES, max_size=2)))
    for key in draw(st.lists(st.sampled_from("abcdef"), max_size=4, unique=True)):
        cube.behavioural.use_counts[key] = draw(st.integers(0, 3))
    kind = draw(KINDS)
    if kind == "document":
        cube.payload.plaintext.document.text = draw(TEXTS)
    elif kind == "cell":
        cube.payload.plaintext.mem_cell.episode = draw(TEXTS)
    elif kind == "record":
        cube.payload.plaintext.record.json = draw(TEXTS)
    elif kind != "nothing":
        blob = getattr(cube.payload, kind).blob
        blob.sha256, blob.size_bytes = draw(st.sampled_from(["ab" * 32, "cd", ""])), draw(st.integers(0, 1))


@given(st.lists(records(), max_size=8), st.sampled_from([1, 300, 1 << 17]))
def test_names_and_files_are_those_that_the_messages_have(made, piece):
    content = b"".join(delimited(encoded(record)) for record in made)
    asked, found = RecordOrder(), RecordOrder()
    blobs_asked, blobs_found = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_PIECE", piece)
        try:
            names = asked.take(RecordBatch(records=made), blobs_asked)
        except RecordError:
            with pytest.raises(RecordError):
                list(found.segment(content, blobs_found))
            return
        assert [name for some in found.segment(content, blobs_found) for name in some] == names
    assert (found, blobs_found) == (asked, blobs_asked)


@given(st.binary(max_size=300), st.lists(st.integers(0, 320), min_size=1, max_size=9))
def test_looking_for_names_in_anything_never_fails(content, bodies):
    if content:
        assert len(spans.names(content, bodies).seen) == len(bodies)


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, body: bytes) -> bytes:
    """A field with a length."""
    return varint(number << 3 | 2) + varint(len(body)) + body


def cube_record(*, before: bytes = b"", fields: bytes = b"", behind: bytes = b"") -> bytes:
    """A record of a cube named "c"; `fields` behind its name, `before` and `behind` beside the cube."""
    return field(1, field(2, before + field(1, field(1, b"c") + fields) + behind))


# -1 in the 32 bits that a parser keeps: five bytes are read, and ten written again.
CUT_OFF = b"\x08\xff\xff\xff\xff\x0f"
# A list of one number that is not packed: five bytes are read, and six written again.
UNPACKED = b"\x0d\x00\x00\x80\x3f"
FORGED = {
    "an unknown field behind a number that is cut off": cube_record(fields=field(99, b"hi"), behind=field(2, CUT_OFF)),
    "a name given twice, and five lists that are not packed": cube_record(
        fields=field(1, b"c"), behind=field(3, UNPACKED) * 3
    ),
}


@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED)
def test_what_grows_when_it_is_written_again_hides_nothing(content):
    batch = RecordBatch.FromString(content)
    batch.DiscardUnknownFields()
    assert batch.ByteSize() == len(content)  # so the size tells nothing
    with pytest.raises(RecordError):
        list(RecordOrder().segment(content, {}))
    with pytest.raises(second.BundleRefusedError):
        second.message(RecordBatch, content, "FORMAT")


@pytest.mark.parametrize(
    "content",
    [
        cube_record(before=field(2, field(2, b"unit"))),
        cube_record(fields=varint(10 << 3) + b"\x05" + field(2, b"uid")),
        cube_record(fields=field(8, field(1, b"\x0a\x01b\x10\x02") + field(1, b"\x10\x01\x0a\x01a"))),
    ],
    ids=["units before the cube", "fields of a cube", "entries of a map"],
)
def test_fields_may_stand_in_any_order(content):
    assert RecordBatch.FromString(content).SerializeToString(deterministic=True) != content
    assert list(RecordOrder().segment(content, {})) == [[b"c"]]
    assert second.message(RecordBatch, content, "FORMAT").records[0].cube.cube.name == "c"


@given(records())
def test_plain_is_what_any_writer_of_protobuf_has_written(record):
    data = record.SerializeToString()
    assert is_plain(BundleRecord.FromString(data), data)
    more = data + b"\xf8\x07\x01"
    assert not is_plain(BundleRecord.FromString(more), more)
