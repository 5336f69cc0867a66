"""Verification of a bundle's segments: each check by itself, so that a caller can time it, or all in one call."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import StreamKind
from memporium_platform.bundle import segments
from memporium_platform.bundle.documents import place
from memporium_platform.bundle.padme import padded_size
from memporium_platform.bundle.records import RecordError, split
from memporium_platform.bundle.steps import VerificationStep, rejected, require
from memporium_platform.bundle.tensors import TensorFileCheck, TensorFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium.transfer.v1.bundle_pb2 import Manifest
    from memporium_platform.bundle.keys import BundleKey

Step = VerificationStep


class _StreamState:
    """How far one stream is."""

    def __init__(self, index: int, *, manifest: Manifest, key: BundleKey, first: int) -> None:
        self.stream = manifest.streams[index]
        self.next, self.end = first, first + self.stream.segment_count
        self.content_bytes = 0
        self.records = 0
        self.digest = key.stream_digest(index)
        self.blob = sha256()
        self.tensors: TensorFileCheck | None = None
        if self.stream.kind == StreamKind.STREAM_KIND_TENSORS:
            self.tensors = TensorFileCheck(size_limit=self.stream.padded_bytes)


class ContentVerifier:
    """Verifies segments. Those of a stream come in order, the streams in any; every segment comes exactly once.

    A failed check is final: the caller drops what it holds, and later calls fail too.
    """

    def __init__(self, manifest: Manifest, key: BundleKey, *, check_record: Callable[[bytes], None]) -> None:
        """Begin with the first segment of every stream."""
        self._manifest, self._key, self._check_record = manifest, key, check_record
        self._streams: list[_StreamState] = []
        self._failed = False
        first = 0
        for index, stream in enumerate(manifest.streams):
            self._streams.append(_StreamState(index, manifest=manifest, key=key, first=first))
            first += stream.segment_count

    def segment(self, index: int, data: bytes) -> bytes:
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
        segment, state = self._manifest.segments[index], self._state(index)
        require(state.next == index < state.end, Step.SEGMENT_DIGEST, "a segment comes out of order")
        segments.check_stored(data, digest=segment.sha256, size_bytes=segment.size_bytes)

    def decrypt(self, index: int, data: bytes) -> memoryview:
        """DECRYPTION: return the body of the segment at `index`."""
        segment = self._manifest.segments[index]
        key = self._key.open_segment_key(index, segment.sealed_key, place=place(index, segment))
        if key is None:
            raise rejected(Step.DECRYPTION, "a segment's key was sealed for another place")
        return segments.decrypt(data, key, segment.compression)

    def unpack(self, index: int, body: memoryview) -> bytes:
        """DECOMPRESSION: return the content of the segment at `index`."""
        state = self._state(index)
        left = state.stream.padded_bytes - state.content_bytes
        content = segments.unpack(body, self._manifest.segments[index].compression, limit_bytes=left)
        state.content_bytes += len(content)
        return content

    def check_digest(self, index: int, content: bytes) -> None:
        """STREAM_DIGEST: take the content of the segment at `index` in; with a stream's last, compare."""
        state = self._state(index)
        state.digest.update(content)
        if state.tensors is not None:
            state.blob.update(content)
        if index + 1 == state.end:
            self._close(state)

    def check_format(self, index: int, content: bytes) -> None:
        """FORMAT: demand that the content of the segment at `index` is well formed."""
        state = self._state(index)
        try:
            if state.tensors is None:
                for record in split(content):
                    state.records += 1
                    self._check_record(record)
            else:
                state.tensors.feed(content)
                if index + 1 == state.end:
                    state.tensors.finish()
        except (RecordError, TensorFileError) as err:
            raise rejected(Step.FORMAT, str(err)) from err
        last = index + 1 == state.end
        require(not last or state.records == state.stream.record_count, Step.FORMAT, "the number of records is wrong")
        state.next = index + 1
        self._failed = False

    def finish(self) -> None:
        """Demand that every segment was verified; what was in quarantine may be used when this has returned.

        Raises:
            PlatformError: BUNDLE_REJECTED at STREAM_DIGEST.
        """
        require(not self._failed, Step.STREAM_DIGEST, "an earlier check failed")
        for state in self._streams:
            require(state.next == state.end, Step.STREAM_DIGEST, "a stream is not complete")
            if not state.stream.segment_count:
                self._close(state)
                require(state.stream.record_count == 0, Step.FORMAT, "the number of records is wrong")

    def _state(self, index: int) -> _StreamState:
        return self._streams[self._manifest.segments[index].stream]

    def _close(self, state: _StreamState) -> None:
        require(state.digest.digest() == state.stream.digest, Step.STREAM_DIGEST, "a stream has another digest")
        sized = padded_size(state.content_bytes) == state.stream.padded_bytes
        require(sized, Step.STREAM_DIGEST, "a stream has another size")
        named = state.tensors is None or state.blob.hexdigest() == state.stream.blob_sha256
        require(named, Step.STREAM_DIGEST, "a file has another digest than its name")
