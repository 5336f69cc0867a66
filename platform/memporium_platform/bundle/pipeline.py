"""Verification of segments with two processors: while the records of one are checked, the next one is opened.

Reading records needs the interpreter's lock all the time; digests, decompression and looks at tensors let go of it for
a millisecond or more. Whoever wants the lock back may have to wait for 5 ms, longer than most segments take. So each
segment is handed over once, right before the longest call that lets go of the lock, and waited for right after it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from memporium_platform.bundle.steps import VerificationStep
from memporium_platform.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from memporium_platform.bundle.content import ContentVerifier

Step = VerificationStep
Content = bytes | memoryview


class Pipeline:
    """Verifies segments in order: takes each in, and gives out the one before it, which then has passed every check.

    What is given out is in quarantine until `ContentVerifier.finish`. Of two failures that of the earlier segment is
    raised. Two contents are held at most. For one caller at a time; `close` may be called from any thread.
    """

    def __init__(
        self,
        content: ContentVerifier,
        *,
        count: int,
        timer: Callable[[VerificationStep], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        """Begin; `count` segments will come, and each check is made within what `timer` gives."""
        self._content, self._timer = content, timer
        # Of one alone nothing is saved.
        self._beside = ThreadPoolExecutor(1, "bundle-check") if count > 1 else None
        self._opened: tuple[int, Content] | None = None

    def put(self, index: int, data: bytes) -> Content | None:
        """Take in the stored segment at `index`; return the content of the one before, None where this is the first.

        Raises:
            PlatformError: BUNDLE_REJECTED at the check that failed.
        """
        before, self._opened = self._opened, None
        packed = self._content.is_packed(index)
        check = self._begun(before) if not packed else partial(self._check, before)
        try:
            with self._timer(Step.SEGMENT_DIGEST):
                self._content.check_stored(index, data)
            with self._timer(Step.DECRYPTION):
                body = self._content.decrypt(index, data)
            if packed:
                check = self._begun(before)
            with self._timer(Step.DECOMPRESSION):
                content = self._content.unpack(index, body)
        finally:
            # Whatever happened to this one: what is wrong with the one before comes first.
            check()
        self._opened = (index, content)
        return before[1] if before else None

    def rest(self) -> Content | None:
        """Return the content of the last segment, None where there is none.

        Raises:
            PlatformError: BUNDLE_REJECTED at the check that failed.
        """
        last, self._opened = self._opened, None
        self._check(last)
        return last[1] if last else None

    def close(self) -> None:
        """Wait until nothing runs any more; nothing more is taken in."""
        if self._beside is not None:
            self._beside.shutdown()

    def _begun(self, opened: tuple[int, Content] | None) -> Callable[[], None]:
        """Begin to check what was opened; return what waits for the end."""
        if self._beside is None or opened is None:
            return partial(self._check, opened)
        return self._beside.submit(self._check, opened).result

    def _check(self, opened: tuple[int, Content] | None) -> None:
        if opened is None:
            return
        with self._timer(Step.STREAM_DIGEST):
            self._content.check_digest(*opened)
        with self._timer(Step.FORMAT):
            self._content.check_format(*opened)


def verified(content: ContentVerifier, wanted: Sequence[int], read: Callable[[int], bytes]) -> Iterator[Content]:
    """Verify the segments at `wanted`, which `read` gives as they are stored; yield their contents in order.

    Raises:
        PlatformError: BUNDLE_REJECTED at the check that failed, or what `read` raised.
    """
    with closing(Pipeline(content, count=len(wanted))) as pipeline:
        for index in wanted:
            try:
                data = read(index)
            except PlatformError:
                pipeline.rest()
                raise
            done = pipeline.put(index, data)
            if done is not None:
                yield done
            # Its place in memory is then free for the next content.
            del done, data
        last = pipeline.rest()
        if last is not None:
            yield last
