"""Verified content that stays in memory until it is imported, so that it is not read and verified again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.transfer.v1.bundle_pb2 import Manifest, Part

Content = bytes | memoryview


class Shelf:
    """The room for what all transfers that run keep together."""

    def __init__(self, room_bytes: int) -> None:
        """Begin with nothing on it."""
        self._free = room_bytes

    @property
    def free_bytes(self) -> int:
        """Room that is left, in bytes."""
        return self._free

    def take(self, size_bytes: int) -> bool:
        """Take room; return whether there was enough."""
        if size_bytes > self._free:
            return False
        self._free -= size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """Return room that was taken."""
        self._free += size_bytes


class Kept:
    """What one verification keeps of a manifest or a part: streams that fit on the shelf, whole or not at all.

    In quarantine until `release`: whatever check fails, before that nothing comes out.
    """

    def __init__(self, shelf: Shelf, listed: Manifest | Part | None) -> None:
        """Take room for the streams, the first one first."""
        self._shelf, self._released = shelf, False
        self._streams: dict[int, list[Content]] = {}
        self._taken = 0
        for index, stream in enumerate(listed.streams if listed is not None else ()):
            # At least what the content has, and it is not longer: the verifier sees to that.
            if stream.segment_count and shelf.take(stream.padded_bytes):
                self._taken += stream.padded_bytes
                self._streams[index] = []

    def add(self, stream: int, content: Content) -> None:
        """Take in the next content of a stream."""
        if stream in self._streams:
            self._streams[stream].append(content)

    def release(self) -> None:
        """Every check of every segment was passed: what was kept may be used."""
        self._released = True

    def of(self, stream: int) -> Sequence[Content] | None:
        """Return the contents of a stream, or None where it must be read again."""
        return self._streams.get(stream) if self._released else None

    def drop(self) -> None:
        """Let go of everything."""
        self._streams.clear()
        self._shelf.give_back(self._taken)
        self._taken = 0
