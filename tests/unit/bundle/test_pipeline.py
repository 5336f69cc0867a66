"""Verification by two threads: the same contents, the same refusals in the same order, and nothing left behind."""

from __future__ import annotations

import threading

import pytest

from memporium_platform.bundle.content import ContentVerifier
from memporium_platform.bundle.keys import BundleKey
from memporium_platform.bundle.pipeline import Pipeline, verified
from memporium_platform.bundle.steps import VerificationStep, rejected
from memporium_platform.bundle.verifier import BundleVerifier
from memporium_platform.errors import PlatformError, Reason
from support.bundle_attacks import press, refused_at
from support.bundles import SMALL, Publisher, policy, tensor_file, tensor_record, text_record

FILE = tensor_file({"a": [1.0] * 9000})
PATIENCE_S = 60


@pytest.fixture(scope="module")
def bundle():
    """The manifest of a bundle of some segments of records and some of tensors, its segments, and its key."""
    records = [text_record(f"c{number}", chr(97 + number) * 700) for number in range(20)]
    sealed = Publisher(sizes=SMALL).seal([*records, tensor_record(FILE)], [FILE])
    verifier = BundleVerifier(policy())
    list(verifier.documents(press.documents(sealed)))
    stored = [sealed.objects[segment.sha256.hex()] for segment in verifier.manifest.segments]
    counts = [stream.segment_count for stream in verifier.manifest.streams]
    assert len(counts) == 2
    assert min(counts) >= 3
    return verifier.manifest, stored, BundleKey(sealed.bundle_key)


class Failing(ContentVerifier):
    """Refuses the format of one segment."""

    def __init__(self, sealed, key, *, at: int) -> None:
        super().__init__(sealed, key)
        self._at = at

    def check_format(self, index, content):
        if index == self._at:
            with self._checking.checks():
                raise rejected(VerificationStep.FORMAT, "chosen")
        super().check_format(index, content)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("bundle-check")]


def test_contents_are_those_of_one_thread(bundle):
    manifest, stored, key = bundle
    alone, beside = ContentVerifier(manifest, key), ContentVerifier(manifest, key)
    expected = [bytes(alone.segment(index, data)) for index, data in enumerate(stored)]
    assert [bytes(one) for one in verified(beside, range(len(stored)), stored.__getitem__)] == expected
    alone.finish()
    beside.finish()
    assert (beside.blobs, beside.files) == (alone.blobs, alone.files)
    assert threads() == []


def test_a_segment_is_opened_while_the_one_before_is_checked(bundle):
    manifest, stored, key = bundle
    opening = threading.Event()

    class Meeting(ContentVerifier):
        def unpack(self, index, body):
            if index == 1:
                opening.set()
            return super().unpack(index, body)

        def check_format(self, index, content):
            # Were it checked before the next one is opened, this would wait for ever.
            assert index or opening.wait(PATIENCE_S)
            super().check_format(index, content)

    content = Meeting(manifest, key)
    assert sum(1 for _ in verified(content, range(len(stored)), stored.__getitem__)) == len(stored)
    content.finish()


def test_of_two_failures_that_of_the_earlier_segment_is_told(bundle):
    manifest, stored, key = bundle
    for at in range(len(stored) - 1):
        damaged = [*stored[: at + 1], bytes([stored[at + 1][0] ^ 1]) + stored[at + 1][1:], *stored[at + 2 :]]
        content = Failing(manifest, key, at=at)
        with refused_at("FORMAT"):
            list(verified(content, range(len(stored)), damaged.__getitem__))
        with refused_at("STREAM_DIGEST"):
            content.finish()
        content = ContentVerifier(manifest, key)
        with refused_at("SEGMENT_DIGEST"):
            list(verified(content, range(len(stored)), damaged.__getitem__))
        with refused_at("STREAM_DIGEST"):
            content.finish()
    assert threads() == []


def test_what_is_wrong_with_a_segment_is_told_before_the_next_cannot_be_read(bundle):
    manifest, stored, key = bundle

    def read(index: int) -> bytes:
        if index == 2:
            raise PlatformError(Reason.NOT_FOUND, "gone")
        return stored[index]

    with refused_at("FORMAT"):
        list(verified(Failing(manifest, key, at=1), range(len(stored)), read))
    with pytest.raises(PlatformError) as caught:
        list(verified(ContentVerifier(manifest, key), range(len(stored)), read))
    assert caught.value.reason is Reason.NOT_FOUND


def test_a_failure_is_final_for_both_stages(bundle):
    manifest, stored, key = bundle
    content = Failing(manifest, key, at=0)
    opened = content.unpack(0, open_body(content, 0, stored))
    content.check_digest(0, opened)
    with refused_at("FORMAT"):
        content.check_format(0, opened)
    with refused_at("SEGMENT_DIGEST"):
        content.check_stored(1, stored[1])
    with refused_at("STREAM_DIGEST"):
        content.check_digest(0, opened)


def open_body(content: ContentVerifier, index: int, stored: list[bytes]) -> memoryview:
    content.check_stored(index, stored[index])
    return content.decrypt(index, stored[index])


def test_only_what_was_opened_is_checked_each_once_and_in_order(bundle):
    manifest, stored, key = bundle
    donor = ContentVerifier(manifest, key)
    contents = [donor.segment(index, data) for index, data in enumerate(stored[:2])]
    for steps in (
        lambda one: one.check_digest(0, contents[0]),
        lambda one: (one.segment(0, stored[0]), one.check_digest(0, contents[0])),
        lambda one: (one.segment(0, stored[0]), one.check_digest(1, contents[1])),
        lambda one: (one.segment(0, stored[0]), one.check_format(0, contents[0])),
    ):
        content = ContentVerifier(manifest, key)
        with refused_at("STREAM_DIGEST"):
            steps(content)
        with refused_at("STREAM_DIGEST"):
            content.finish()
    content = ContentVerifier(manifest, key)
    body = open_body(content, 0, stored)
    with refused_at("SEGMENT_DIGEST"):
        content.check_stored(0, stored[0])
    with refused_at("SEGMENT_DIGEST"):
        content.unpack(0, body)
    # A segment that was opened and not checked is not verified.
    content = ContentVerifier(manifest, key)
    for index, data in enumerate(stored[:-1]):
        content.segment(index, data)
    content.unpack(len(stored) - 1, open_body(content, len(stored) - 1, stored))
    with refused_at("STREAM_DIGEST"):
        content.finish()


def test_whoever_stops_reading_leaves_no_thread(bundle):
    manifest, stored, key = bundle
    contents = verified(ContentVerifier(manifest, key), range(len(stored)), stored.__getitem__)
    next(contents)
    assert len(threads()) == 1
    contents.close()
    assert threads() == []


def test_one_segment_needs_no_thread(bundle):
    manifest, stored, key = bundle
    pipeline = Pipeline(ContentVerifier(manifest, key), count=1)
    assert pipeline.put(0, stored[0]) is None
    assert pipeline.rest()
    assert pipeline.rest() is None
    assert threads() == []
    pipeline.close()
