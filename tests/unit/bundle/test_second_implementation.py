"""The second implementation refuses what a lying publisher signs: the same forgeries as in the tests of the first."""

from __future__ import annotations

import pytest

from memporium.transfer.v1.bundle_pb2 import Manifest, Part
from memporium.verify.bundle.check import BundleCheck, Question
from memporium.verify.bundle.contents import merkle_root, padme
from memporium.verify.bundle.documents import BundleRefusedError, Key, Trust
from memporium.verify.bundle.safetensors import TensorFile
from memporium_platform.bundle import dsse, merkle
from memporium_platform.bundle import padme as first_padme
from memporium_platform.bundle.compression import compress
from memporium_platform.bundle.documents import MANIFEST_TYPE, PART_TYPE
from memporium_platform.bundle.records import delimited
from memporium_platform.bundle.tensors import TensorFileCheck, TensorFileError
from support.bundle_attacks import RECORDS, forge_segment, press, refused_at
from support.bundles import NOW, READER_KEY, SIGNER, load, tensor_file

TRUST = Trust([Key(SIGNER.public_key().public_bytes_raw())])


def verify(documents, objects) -> None:
    """Verify with the second implementation, inside and outside."""
    received = {
        "manifest": documents.manifest,
        "snapshot": documents.snapshot,
        "timestamp": documents.signed_time,
        "grant": documents.grant,
    }
    if documents.part:
        received["part"] = documents.part
    check = BundleCheck(Question(TRUST, NOW, READER_KEY.private_bytes_raw()))
    list(check.documents(received))
    for name in check.wanted():
        check.segment(objects[name])
    check.finish()


def sealed():
    return press.with_part(press.seal(RECORDS, [tensor_file()], part_cube_count=1), RECORDS[:1])


def test_it_verifies():
    made = sealed()
    verify(press.documents(made), made.objects)


LIES = {
    "format": lambda m: setattr(m, "format", "MCB0"),
    "suite": lambda m: setattr(m, "suite", 9),
    "suite of two halves": lambda m: setattr(m, "suite", 2),
    "kind": lambda m: setattr(m, "kind", 0),
    "number": lambda m: setattr(m, "number", 1 << 60),
    "publisher": lambda m: setattr(m, "bundle", "orgs/other/bundles/b"),
    "lineage": lambda m: m.lineage.extend(["b", "a"]),
    "part count": lambda m: setattr(m, "part_cube_count", -1),
    "previous": lambda m: setattr(m, "previous_manifest_sha256", b"x"),
    "dropped": lambda m: m.segments.pop(),
    "doubled": lambda m: m.segments.append(m.segments[-1]),
    "swapped": lambda m: m.segments.reverse(),
    "stream": lambda m: m.streams.pop(),
    "no streams": lambda m: m.ClearField("streams"),
    "stream kind": lambda m: setattr(m.streams[0], "kind", 2),
    "blob tag": lambda m: m.streams[1].ClearField("blob_tag"),
    "padded": lambda m: setattr(m.streams[0], "padded_bytes", 1001),
    "count": lambda m: setattr(m.streams[0], "segment_count", -1),
    "total": lambda m: setattr(m, "total_padded_bytes", 1),
    "cubes": lambda m: setattr(m, "cube_count", 99),
    "tag": lambda m: setattr(m, "cubes_tag", b""),
    "compression": lambda m: setattr(m.segments[0], "compression", 1),
    "size": lambda m: setattr(m.segments[0], "size_bytes", 1 << 30),
    "root": lambda m: setattr(m, "merkle_root", bytes(32)),
    "unknown": lambda m: m.MergeFromString(b"\xf8\x07\x01"),
}


@pytest.mark.parametrize("name", LIES)
def test_manifests_that_lie(name):
    made = sealed()
    manifest = Manifest.FromString(dsse.parse(made.manifest).payload)
    LIES[name](manifest)
    made.manifest = dsse.sign(manifest.SerializeToString(), MANIFEST_TYPE, press.signers)
    with pytest.raises(BundleRefusedError) as caught:
        verify(press.documents(made), made.objects)
    assert caught.value.step == "PAYLOAD"


PART_LIES = {
    "recipient": ("GRANT", lambda p: setattr(p, "recipient", "orgs/x")),
    "agreement": ("GRANT", lambda p: setattr(p, "agreement", "orgs/x")),
    "manifest": ("GRANT", lambda p: setattr(p, "manifest_sha256", bytes(32))),
    "kind": ("GRANT", lambda p: setattr(p, "kind", 1)),
    "too few": ("GRANT", lambda p: setattr(p, "cube_count", 0)),
    "no kind": ("PAYLOAD", lambda p: setattr(p, "kind", 0)),
    "commitment": ("PAYLOAD", lambda p: setattr(p, "mark_commitment", b"x")),
    "digest": ("STREAM_DIGEST", lambda p: setattr(p.streams[0], "digest", bytes(32))),
    "names": ("FORMAT", lambda p: setattr(p, "cubes_tag", bytes(32))),
}


@pytest.mark.parametrize("name", PART_LIES)
def test_parts_that_lie(name):
    made = sealed()
    step, change = PART_LIES[name]
    part = Part.FromString(dsse.parse(made.part).payload)
    change(part)
    made.part = dsse.sign(part.SerializeToString(), PART_TYPE, press.signers)
    with pytest.raises(BundleRefusedError) as caught:
        verify(press.documents(made), made.objects)
    assert caught.value.step == step


def test_the_arithmetic_of_both_is_the_same():
    assert [padme(size) for size in range(70_000)] == [first_padme.padded_size(size) for size in range(70_000)]
    for count in range(40):
        leaves = [bytes([n]) * n for n in range(count)]
        assert merkle_root(leaves) == merkle.root(leaves)


@pytest.mark.parametrize("piece", [1, 3, 64, 10_000])
@pytest.mark.parametrize("numbers", [[1.0, 2.0], [float("nan")], [float("inf")], [-float("inf"), 0.0], []])
def test_tensor_files_are_judged_alike(numbers, piece):
    data = tensor_file({"a": numbers, "b": [0.5] * 9})
    verdicts = []
    for check, error in ((TensorFile(), BundleRefusedError), (TensorFileCheck(size_limit=1 << 20), TensorFileError)):
        try:
            for start in range(0, len(data), piece):
                check.feed(data[start : start + piece])
            check.finish()
            verdicts.append(True)
        except error:
            verdicts.append(False)
    assert len(set(verdicts)) == 1


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(1983)])
def test_keys_that_are_none(raw):
    with pytest.raises(ValueError, match="bytes"):
        Key.parse(raw)


FORGED = {
    "malformed records": ("FORMAT", {"content": b"\x0a\x05abc"}),
    "empty records": ("FORMAT", {"content": b"\x0a\x00\x0a\x00"}),
    "another number of records": ("FORMAT", {"content": b"".join(map(delimited, RECORDS)), "records": 3}),
    "not a number": ("FORMAT", {"content": tensor_file({"a": [float("nan")]}), "compressed": False, "tensors": True}),
    "no tensor file": ("FORMAT", {"content": b"PK\x03\x04" + bytes(90), "compressed": False, "tensors": True}),
    "a hole": ("FORMAT", {"content": tensor_file() + b"x", "compressed": False, "tensors": True}),
    "a short file": ("FORMAT", {"content": tensor_file()[:-4], "compressed": False, "tensors": True}),
}


@pytest.mark.parametrize("name", FORGED)
def test_contents_that_a_lying_publisher_seals(name):
    step, how = FORGED[name]
    documents, objects = forge_segment(how["content"], **{key: value for key, value in how.items() if key != "content"})
    with pytest.raises(BundleRefusedError) as caught:
        verify(documents, objects)
    assert caught.value.step == step


def test_a_zip_bomb():
    documents, objects = forge_segment(bytes(1 << 20))
    manifest = Manifest.FromString(dsse.parse(documents.manifest).payload)
    manifest.streams[0].padded_bytes = manifest.total_padded_bytes = 1024
    made = press.seal(RECORDS)
    made.manifest = dsse.sign(manifest.SerializeToString(), MANIFEST_TYPE, press.signers)
    with pytest.raises(BundleRefusedError) as caught:
        verify(press.documents(made), objects)
    assert caught.value.step == "DECOMPRESSION"


@pytest.mark.parametrize("body", [b"no frame", compress(b"one") + compress(b"two"), compress(b"x" * 99)[:-3]])
def test_bodies_that_are_not_one_frame(monkeypatch, body):
    monkeypatch.setattr("memporium_platform.bundle.segments.compress", lambda _content: body)
    documents, objects = forge_segment(b"whatever")
    with pytest.raises(BundleRefusedError) as caught:
        verify(documents, objects)
    assert caught.value.step == "DECOMPRESSION"
    with refused_at("DECOMPRESSION"):
        load(documents, objects)


def test_a_segment_under_another_segments_key():
    made = press.seal(RECORDS, [tensor_file()])
    manifest = Manifest.FromString(dsse.parse(made.manifest).payload)
    manifest.segments[0].sealed_key, manifest.segments[1].sealed_key = (
        manifest.segments[1].sealed_key,
        manifest.segments[0].sealed_key,
    )
    made.manifest = dsse.sign(manifest.SerializeToString(), MANIFEST_TYPE, press.signers)
    with pytest.raises(BundleRefusedError) as caught:
        verify(press.documents(made), made.objects)
    assert caught.value.step == "DECRYPTION"


def test_too_few_segments_and_too_many():
    made = press.seal(RECORDS)
    documents = press.documents(made)
    received = {"manifest": documents.manifest, "snapshot": documents.snapshot, "timestamp": documents.signed_time}
    for key in (b"", READER_KEY.private_bytes_raw()):
        check = BundleCheck(Question(TRUST, NOW, key))
        list(check.documents(received | {"grant": documents.grant}))
        with pytest.raises(BundleRefusedError, match="missing"):
            check.finish()
        check.segment(next(iter(made.objects.values())))
        check.finish()
        with pytest.raises(BundleRefusedError, match="more segments"):
            check.segment(b"more")
