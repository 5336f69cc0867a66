"""Tokens to text as they come: whole characters only, and nothing of a stop text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class TokenText:
    """Turns tokens into text piece by piece.

    A tokenizer cannot be asked for one token's text: spaces and multi-byte characters depend on the neighbours. So a
    window of tokens is decoded twice, without and with the new ones, and the difference is the new text.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        """Decode by `decode`."""
        self._decode = decode
        self._ids: list[int] = []
        self._begin = 0
        self._read = 0

    def push(self, token_id: int, *, last: bool = False) -> str:
        """Return the new text; "" while a character is incomplete, unless this is the last token."""
        self._ids.append(token_id)
        before = self._decode(self._ids[self._begin : self._read])
        after = self._decode(self._ids[self._begin :])
        if len(after) <= len(before) or (after.endswith(_INCOMPLETE) and not last):
            return ""
        self._begin, self._read = self._read, len(self._ids)
        return after[len(before) :]


class StopWatcher:
    """Holds back text that may be the beginning of a stop text."""

    def __init__(self, stop: Sequence[str]) -> None:
        """Watch for these texts."""
        self._stop = tuple(text for text in stop if text)
        self._held = ""
        self.hit = False

    def push(self, text: str) -> str:
        """Return what may be shown now; after a stop text, `hit` is true and what follows is dropped."""
        if self.hit:
            return ""
        self._held += text
        ends = [position for position in (self._held.find(stop) for stop in self._stop) if position >= 0]
        if ends:
            self.hit = True
            shown, self._held = self._held[: min(ends)], ""
            return shown
        keep = max((_overlap(self._held, stop) for stop in self._stop), default=0)
        cut = len(self._held) - keep
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown

    def flush(self) -> str:
        """Return what is still held back; at the end it is no stop text."""
        shown, self._held = self._held, ""
        return "" if self.hit else shown


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that `stop` begins with."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
