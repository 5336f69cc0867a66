"""Verification of a bundle's segments: each check by itself, so that a caller can time it, or all in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import Compression, StreamKind
from memporium_platform.bundle import segments
from memporium_platform.bundle.documents import place
from memporium_platform.bundle.padme import padded_size
from memporium_platform.bundle.reading import RecordOrder
from memporium_platform.bundle.records import RecordError
from memporium_platform.bundle.stages import Stage
from memporium_platform.bundle.steps import VerificationStep, rejected, require
from memporium_platform.bundle.tensors import TensorFileCheck, TensorFileError

if TYPE_CHECKING:
    from memporium.transfer.v1.bundle_pb2 import Manifest, Part
    from memporium_platform.bundle.keys import BundleKey

Step = VerificationStep


class _StreamState:
    """How much of one stream was opened, and checked."""

    def __init__(self, index: int, *, sealed: Manifest | Part, key: BundleKey) -> None:
        self.index = index
        self.stream = sealed.streams[index]
        self.opened_bytes = self.content_bytes = 0
        self.digest = key.stream_digest(index)
        self.tensors: TensorFileCheck | None = None
        if self.stream.kind == StreamKind.STREAM_KIND_TENSORS:
            self.tensors = TensorFileCheck(size_limit=self.stream.padded_bytes)


class ContentVerifier:
    """Verifies the segments of a manifest or a part.

    Those of a stream come in order, the streams in any; every segment comes exactly once. A failed check is final: the
    caller drops what it holds, and later calls fail too.

    The checks of a segment are made in two stages: `check_stored`, `decrypt` and `unpack` open it, `check_digest` and
    `check_format` check what came out. Each stage keeps the order for itself, so that both may be at work at one time,
    on two segments and two threads (see `pipeline`); only what was opened is checked. A check that fails stops both,
    but for the segments that were opened before: whose failure comes first can still be told.

    Attributes:
        blobs: Tensor files that cubes refer to: size in bytes by SHA-256 (hexadecimal). Complete after `finish`.
        files: SHA-256 of the file in each stream of tensors, by the stream's index. Known after `finish`.
    """

    def __init__(self, sealed: Manifest | Part, key: BundleKey) -> None:
        """Begin with the first segment of every stream."""
        self._sealed, self._key = sealed, key
        self._opening = Stage(sealed, Step.SEGMENT_DIGEST)
        self._checking = Stage(sealed, Step.STREAM_DIGEST)
        self._streams = [_StreamState(index, sealed=sealed, key=key) for index in range(len(sealed.streams))]
        self._order, self._cubes = RecordOrder(), key.cubes_tag()
        self.blobs: dict[str, int] = {}
        self.files: dict[int, str] = {}

    def segment(self, index: int, data: bytes) -> bytes | memoryview:
        """Make every check of the segment at `index`; return its content, which is in quarantine until `finish`.

        Raises:
            PlatformError: BUNDLE_REJECTED at the check that failed.
        """
        self.check_stored(index, data)
        content = self.unpack(index, self.decrypt(index, data))
        self.check_digest(index, content)
        self.check_format(index, content)
        return content

    def check_stored(self, index: int, data: bytes) -> None:
        """SEGMENT_DIGEST: demand that `data` is the stored segment at `index`."""
        with self._opening.checks():
            require(not self._checking.failed, Step.SEGMENT_DIGEST, "an earlier check failed")
            self._opening.begin(index)
            segment = self._sealed.segments[index]
            segments.check_stored(data, digest=segment.sha256, size_bytes=segment.size_bytes)

    def decrypt(self, index: int, data: bytes) -> memoryview:
        """DECRYPTION: return the body of the segment at `index`."""
        segment = self._sealed.segments[index]
        with self._opening.checks():
            key = self._key.open_segment_key(index, segment.sealed_key, place=place(index, segment))
            if key is None:
                raise rejected(Step.DECRYPTION, "a segment's key was sealed for another place")
            return segments.decrypt(data, key, segment.compression)

    def is_packed(self, index: int) -> bool:
        """Return whether the segment at `index` is compressed."""
        return self._sealed.segments[index].compression != Compression.COMPRESSION_NONE

    def unpack(self, index: int, body: memoryview) -> bytes | memoryview:
        """DECOMPRESSION: return the content of the segment at `index`."""
        state = self._state(index)
        with self._opening.checks():
            left = state.stream.padded_bytes - state.opened_bytes
            content = segments.unpack(body, self._sealed.segments[index].compression, limit_bytes=left)
            state.opened_bytes += len(content)
            self._opening.end(index)
            return content

    def check_digest(self, index: int, content: bytes | memoryview) -> None:
        """STREAM_DIGEST: take the content of the segment at `index` in; with a stream's last, compare."""
        state = self._state(index)
        with self._checking.checks():
            require(self._opening.passed(index), Step.STREAM_DIGEST, "a segment comes out of order")
            self._checking.begin(index)
            state.content_bytes += len(content)
            state.digest.update(index, content)
            if self._checking.is_last(index):
                self._close(state)

    def check_format(self, index: int, content: bytes | memoryview) -> None:
        """FORMAT: demand that the content of the segment at `index` is well formed."""
        state = self._state(index)
        with self._checking.checks():
            try:
                self._well_formed(state, content, last=self._checking.is_last(index))
            except (RecordError, TensorFileError) as err:
                raise rejected(Step.FORMAT, str(err)) from err
            self._checking.end(index)

    def _well_formed(self, state: _StreamState, content: bytes | memoryview, *, last: bool) -> None:
        if state.tensors is None:
            for names in self._order.segment(bytes(content), self.blobs):
                self._cubes.update(names)
            if last:
                self._check_records()
        else:
            state.tensors.feed(content)
            if last:
                state.tensors.finish()

    def finish(self) -> None:
        """Demand that every segment was verified; what was in quarantine may be used when this has returned.

        Raises:
            PlatformError: BUNDLE_REJECTED at STREAM_DIGEST or FORMAT.
        """
        failed = self._opening.failed or self._checking.failed
        require(not failed, Step.STREAM_DIGEST, "an earlier check failed")
        complete = self._opening.complete and self._checking.complete
        require(complete, Step.STREAM_DIGEST, "a stream is not complete")
        for state in self._streams:
            if not state.stream.segment_count:
                self._close(state)
                self._check_records()
        named = {self._key.blob_tag(blob): blob for blob in self.blobs if _is_digest(blob)}
        for state in self._streams[1:]:
            blob = named.pop(state.stream.blob_tag, "")
            require(blob, Step.FORMAT, "a file that no cube refers to")
            require(self.blobs[blob] == state.content_bytes, Step.FORMAT, "a file of another size than its cube says")
            self.files[state.index] = blob

    def _state(self, index: int) -> _StreamState:
        return self._streams[self._sealed.segments[index].stream]

    def _check_records(self) -> None:
        expected = (self._sealed.streams[0].record_count, self._sealed.cube_count)
        found = (self._order.records, self._order.cubes)
        require(found == expected, Step.FORMAT, "the number of records or cubes is wrong")
        require(self._cubes.digest() == self._sealed.cubes_tag, Step.FORMAT, "the cubes have other names")

    def _close(self, state: _StreamState) -> None:
        require(state.digest.digest() == state.stream.digest, Step.STREAM_DIGEST, "a stream has another digest")
        sized = padded_size(state.content_bytes) == state.stream.padded_bytes
        require(sized, Step.STREAM_DIGEST, "a stream has another size")


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")  # noqa: PLR2004 - SHA-256 in hexadecimal
