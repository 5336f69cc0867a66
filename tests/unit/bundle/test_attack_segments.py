"""Attacks on segments, each refused at the check that is there for it, with nothing released."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from memporium.transfer.v1.bundle_pb2 import Manifest
from memporium.transfer.v1.record_pb2 import BundleRecord
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import (
    MANIFEST_TYPE,
    merkle_root,
)
from memporium_platform.bundle.keys import LineSecret
from memporium_platform.bundle.records import delimited
from memporium_platform.bundle.verifier import BundleVerifier
from memporium_platform.bundle.writer import BundleWriter
from support.bundle_attacks import RECORDS, forge_segment, press, refused_at, resigned
from support.bundles import (
    SMALL,
    Publisher,
    load,
    policy,
    secret,
    tensor_file,
    tensor_record,
    text_record,
)


def big_bundle():
    """Return a bundle of several segments: two tensor files beside the records."""
    return press.seal(RECORDS, [tensor_file({"a": [1.0] * 50}), tensor_file({"b": [2.0] * 50})])


def test_every_pair_of_segments_swapped():
    sealed = big_bundle()
    names = list(sealed.objects)
    assert len(names) == 3
    for one in names:
        for other in names:
            if one != other:
                swapped = sealed.objects | {one: sealed.objects[other], other: sealed.objects[one]}
                with refused_at("SEGMENT_DIGEST"):
                    load(press.documents(sealed), swapped)


def test_segments_out_of_order_skipped_or_twice():
    sealed = Publisher(sizes=SMALL).seal([text_record(f"c{i}", chr(97 + i) * 700) for i in range(20)])
    verifier = BundleVerifier(policy())
    list(verifier.documents(press.documents(sealed)))
    objects = [sealed.objects[segment.sha256.hex()] for segment in verifier.manifest.segments]
    assert len(objects) >= 3
    for order in ([1], [0, 0], [0, 2]):
        content = verifier.content()
        with refused_at("SEGMENT_DIGEST"):
            for index in order:
                content.segment(index, objects[index])
    content = verifier.content()
    content.segment(0, objects[0])
    with refused_at("STREAM_DIGEST"):
        content.finish()


def test_after_a_failure_nothing_more_is_verified():
    sealed = big_bundle()
    verifier = BundleVerifier(policy())
    list(verifier.documents(press.documents(sealed)))
    objects = [sealed.objects[segment.sha256.hex()] for segment in verifier.manifest.segments]
    content = verifier.content()
    with refused_at("SEGMENT_DIGEST"):
        content.segment(0, bytes([objects[0][0] ^ 1]) + objects[0][1:])
    with refused_at("SEGMENT_DIGEST"):
        content.segment(0, objects[0])
    with refused_at("STREAM_DIGEST"):
        content.finish()


def test_a_segment_of_another_bundle_of_the_line():
    """The publisher's signature covers the list, so only a lying publisher could do it; the place still refuses."""
    one, two = press.seal(RECORDS, number=1), press.seal([text_record("x", "x"), text_record("y", "y")], number=2)
    foreign = Manifest.FromString(dsse.parse(two.manifest).payload).segments[0]

    def swap(manifest):
        manifest.segments[0].CopyFrom(foreign)
        manifest.merkle_root = merkle_root(manifest.segments)

    with refused_at("DECRYPTION"):
        load(resigned(one, swap), one.objects | two.objects)


def test_a_pickle_in_the_place_of_tensors():
    import pickle

    documents, objects = forge_segment(pickle.dumps({"weights": [1.0]}), compressed=False, tensors=True)
    with refused_at("FORMAT"):
        load(documents, objects)


def test_what_torch_saves_in_the_place_of_tensors():
    """A zip archive with a pickle inside: neither is ever looked into."""
    import io
    import pickle
    import zipfile

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"weights": [1.0]}))
        file.writestr("../../etc/passwd", "root")
    documents, objects = forge_segment(archive.getvalue(), compressed=False, tensors=True)
    with refused_at("FORMAT"):
        load(documents, objects)


def test_gguf_in_the_place_of_tensors():
    documents, objects = forge_segment(b"GGUF" + (3).to_bytes(4, "little") + bytes(64), compressed=False, tensors=True)
    with refused_at("FORMAT"):
        load(documents, objects)


def test_a_file_that_no_cube_refers_to():
    sealed = Publisher().seal([])
    writer = BundleWriter(LineSecret(press.line_secret), sealed.bundle_key)
    blob = tensor_file()
    made = list(writer.end_records())
    writer.begin_tensors(sha256(blob).hexdigest())
    made += [*writer.add_tensors(blob), *writer.end_tensors()]
    stray = replace(sealed, manifest=dsse.sign(writer.manifest(sealed.identity), MANIFEST_TYPE, press.signers))
    with refused_at("FORMAT"):
        load(press.documents(stray), {segment.sha256.hex(): bytes(segment.data) for segment in made})


def test_a_file_of_another_size_than_its_cube_says():
    blob = tensor_file()
    record = BundleRecord.FromString(tensor_record(blob))
    record.cube.cube.payload.parameter.blob.size_bytes += 1
    writer = BundleWriter(LineSecret(press.line_secret), secret("bundle 1 "))
    made = list(writer.add_record(record.SerializeToString(), cube=record.cube.cube.name))
    made += writer.end_records()
    writer.begin_tensors(sha256(blob).hexdigest())
    made += [*writer.add_tensors(blob), *writer.end_tensors()]
    sealed = press.seal([])
    forged = replace(sealed, manifest=dsse.sign(writer.manifest(sealed.identity), MANIFEST_TYPE, press.signers))
    with refused_at("FORMAT"):
        load(press.documents(forged), {segment.sha256.hex(): bytes(segment.data) for segment in made})


def test_not_a_number_among_the_tensors():
    documents, objects = forge_segment(tensor_file({"a": [float("nan")]}), compressed=False, tensors=True)
    with refused_at("FORMAT"):
        load(documents, objects)


def test_records_that_are_malformed():
    documents, objects = forge_segment(b"\x0aabc")
    with refused_at("FORMAT"):
        load(documents, objects)


def test_another_number_of_records_than_the_manifest_says():
    documents, objects = forge_segment(b"".join(map(delimited, RECORDS)), records=3)
    with refused_at("FORMAT"):
        load(documents, objects)


def test_cubes_of_other_names_than_the_manifest_is_tagged_with():
    renamed = [RECORDS[0], RECORDS[1].replace(b"cubes/two", b"cubes/too")]
    documents, objects = forge_segment(b"".join(map(delimited, renamed)))
    with refused_at("FORMAT"):
        load(documents, objects)


def test_zip_bomb_in_a_segment():
    """The stream claims little; the frame in its segment would grow beyond that."""
    documents, objects = forge_segment(bytes(1 << 20))
    envelope = dsse.parse(documents.manifest)
    manifest = Manifest.FromString(envelope.payload)
    manifest.streams[0].padded_bytes = manifest.total_padded_bytes = 1024
    forged = dsse.sign(manifest.SerializeToString(), MANIFEST_TYPE, press.signers)
    sealed = replace(press.seal(RECORDS), manifest=forged)
    with refused_at("DECOMPRESSION"):
        load(press.documents(sealed), objects)


def test_a_stream_with_another_digest():
    sealed = press.seal(RECORDS)
    with refused_at("STREAM_DIGEST"):
        load(resigned(sealed, lambda m: setattr(m.streams[0], "digest", bytes(32))), sealed.objects)


def test_a_file_under_another_files_name():
    sealed = press.seal(RECORDS, [tensor_file()])
    with refused_at("FORMAT"):
        load(resigned(sealed, lambda m: setattr(m.streams[1], "blob_tag", bytes(32))), sealed.objects)


def test_every_byte_of_a_segment_flipped_and_every_truncation():
    sealed = press.seal(RECORDS)
    verifier = BundleVerifier(policy())
    list(verifier.documents(press.documents(sealed)))
    (original,) = sealed.objects.values()
    forged = [original[:n] for n in range(len(original))] + [original + b"\x00"]
    forged += [original[:i] + bytes([original[i] ^ 1]) + original[i + 1 :] for i in range(len(original))]
    for data in forged:
        with refused_at("SEGMENT_DIGEST"):
            verifier.content().segment(0, data)
        # Even where the digest was not looked at, decryption refuses: nothing of the content comes out.
        with refused_at("DECRYPTION"):
            verifier.content().decrypt(0, data)
