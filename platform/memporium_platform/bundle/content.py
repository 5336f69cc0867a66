"""Verification of a bundle's segments: each check by itself, so that a caller can time it, or all in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import StreamKind
from memporium_platform.bundle import segments
from memporium_platform.bundle.documents import place
from memporium_platform.bundle.padme import padded_size
from memporium_platform.bundle.reading import RecordOrder
from memporium_platform.bundle.records import RecordError
from memporium_platform.bundle.steps import VerificationStep, rejected, require
from memporium_platform.bundle.tensors import TensorFileCheck, TensorFileError

if TYPE_CHECKING:
    from memporium.transfer.v1.bundle_pb2 import Manifest, Part
    from memporium_platform.bundle.keys import BundleKey

Step = VerificationStep


class _StreamState:
    """How far one stream is."""

    def __init__(self, index: int, *, sealed: Manifest | Part, key: BundleKey, first: int) -> None:
        self.index = index
        self.stream = sealed.streams[index]
        self.next, self.end = first, first + self.stream.segment_count
        self.content_bytes = 0
        self.digest = key.stream_digest(index)
        self.tensors: TensorFileCheck | None = None
        if self.stream.kind == StreamKind.STREAM_KIND_TENSORS:
            self.tensors = TensorFileCheck(size_limit=self.stream.padded_bytes)


class ContentVerifier:
    """Verifies the segments of a manifest or a part.

    Those of a stream come in order, the streams in any; every segment comes exactly once. A failed check is final: the
    caller drops what it holds, and later calls fail too.

    Attributes:
        blobs: Tensor files that cubes refer to: size in bytes by SHA-256 (hexadecimal). Complete after `finish`.
        files: SHA-256 of the file in each stream of tensors, by the stream's index. Known after `finish`.
    """

    def __init__(self, sealed: Manifest | Part, key: BundleKey) -> None:
        """Begin with the first segment of every stream."""
        self._sealed, self._key = sealed, key
        self._streams: list[_StreamState] = []
        self._failed = False
        self._order, self._cubes = RecordOrder(), key.cubes_tag()
        self.blobs: dict[str, int] = {}
        self.files: dict[int, str] = {}
        first = 0
        for index, stream in enumerate(sealed.streams):
            self._streams.append(_StreamState(index, sealed=sealed, key=key, first=first))
            first += stream.segment_count

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
        require(not self._failed, Step.SEGMENT_DIGEST, "an earlier check failed")
        self._failed = True  # until the segment's last check was passed
        segment, state = self._sealed.segments[index], self._state(index)
        require(state.next == index < state.end, Step.SEGMENT_DIGEST, "a segment comes out of order")
        segments.check_stored(data, digest=segment.sha256, size_bytes=segment.size_bytes)

    def decrypt(self, index: int, data: bytes) -> memoryview:
        """DECRYPTION: return the body of the segment at `index`."""
        segment = self._sealed.segments[index]
        key = self._key.open_segment_key(index, segment.sealed_key, place=place(index, segment))
        if key is None:
            raise rejected(Step.DECRYPTION, "a segment's key was sealed for another place")
        return segments.decrypt(data, key, segment.compression)

    def unpack(self, index: int, body: memoryview) -> bytes | memoryview:
        """DECOMPRESSION: return the content of the segment at `index`."""
        state = self._state(index)
        left = state.stream.padded_bytes - state.content_bytes
        content = segments.unpack(body, self._sealed.segments[index].compression, limit_bytes=left)
        state.content_bytes += len(content)
        return content

    def check_digest(self, index: int, content: bytes | memoryview) -> None:
        """STREAM_DIGEST: take the content of the segment at `index` in; with a stream's last, compare."""
        state = self._state(index)
        state.digest.update(index, content)
        if index + 1 == state.end:
            self._close(state)

    def check_format(self, index: int, content: bytes | memoryview) -> None:
        """FORMAT: demand that the content of the segment at `index` is well formed."""
        state = self._state(index)
        last = index + 1 == state.end
        try:
            if state.tensors is None:
                for names in self._order.segment(bytes(content), self.blobs):
                    self._cubes.update(names)
            else:
                state.tensors.feed(content)
                if last:
                    state.tensors.finish()
        except (RecordError, TensorFileError) as err:
            raise rejected(Step.FORMAT, str(err)) from err
        if last and state.tensors is None:
            self._check_records()
        state.next = index + 1
        self._failed = False

    def finish(self) -> None:
        """Demand that every segment was verified; what was in quarantine may be used when this has returned.

        Raises:
            PlatformError: BUNDLE_REJECTED at STREAM_DIGEST or FORMAT.
        """
        require(not self._failed, Step.STREAM_DIGEST, "an earlier check failed")
        for state in self._streams:
            require(state.next == state.end, Step.STREAM_DIGEST, "a stream is not complete")
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
