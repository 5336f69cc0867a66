"""The order of segments within one stage of their verification."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from memporium_platform.bundle.steps import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memporium.transfer.v1.bundle_pb2 import Manifest, Part
    from memporium_platform.bundle.steps import VerificationStep


class Stage:
    """Some of the checks of every segment: those of a stream come in order, each once, one at a time.

    Stages of one verification may run on threads of their own, each with another segment; a stage is used by one thread
    at a time.

    Attributes:
        failed: Whether a check of this stage has failed, which is final.
    """

    def __init__(self, sealed: Manifest | Part, step: VerificationStep) -> None:
        """Begin with the first segment of every stream; `step` is where what is out of its order is refused."""
        self._sealed, self._step = sealed, step
        self._next: list[int] = []
        self._ends: list[int] = []
        self._in_hand: int | None = None
        self.failed = False
        first = 0
        for stream in sealed.streams:
            self._next.append(first)
            first += stream.segment_count
            self._ends.append(first)

    @contextmanager
    def checks(self) -> Iterator[None]:
        """Make checks: whatever fails in the block is final."""
        try:
            yield
        except BaseException:
            self.failed = True
            raise

    def begin(self, index: int) -> None:
        """Take the segment at `index` in hand, until `end`.

        Raises:
            PlatformError: BUNDLE_REJECTED, where it is not the next of its stream, or the one before did not pass.
        """
        require(not self.failed and self._in_hand is None, self._step, "an earlier check failed")
        self._in_hand = index
        stream = self._sealed.segments[index].stream
        require(self._next[stream] == index < self._ends[stream], self._step, "a segment comes out of order")

    def end(self, index: int) -> None:
        """The segment in hand, which is that at `index`, has passed.

        Raises:
            PlatformError: BUNDLE_REJECTED, where another one, or none, is in hand.
        """
        require(not self.failed and self._in_hand == index, self._step, "a segment comes out of order")
        self._next[self._sealed.segments[index].stream] = index + 1
        self._in_hand = None

    def passed(self, index: int) -> bool:
        """Return whether the segment at `index` has passed."""
        return index < self._next[self._sealed.segments[index].stream]

    def is_last(self, index: int) -> bool:
        """Return whether the segment at `index` is the last one of its stream."""
        return index + 1 == self._ends[self._sealed.segments[index].stream]

    @property
    def complete(self) -> bool:
        """Whether every segment has passed, and nothing has failed."""
        return not self.failed and self._in_hand is None and self._next == self._ends
