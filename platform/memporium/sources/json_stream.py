"""Reads a JSON list element by element: a file of gigabytes takes the memory of its largest element.

Also JSON lines, and what people make of either: a byte order mark, blank lines, one object instead of a list.
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

_BLOCK_CHARS = 1 << 16
# Characters of one element; a chat of 10,000 long messages has some 20 million.
MOST_ELEMENT_CHARS = 1 << 26
# Characters of an exponent: more of them behind a number are no part of it.
_NUMBER_REST = 8
_BLANKS = " \t\r\n"


class JsonError(ValueError):
    """A file that is not JSON, or whose elements are too large or too deep."""


def elements(path: Path, *, keys: Container[str] = (), most_chars: int = MOST_ELEMENT_CHARS) -> Iterator[Any]:
    """Yield the elements of a file's list; a file with one value that is no list yields it.

    Args:
        path: The file.
        keys: Where the file is an object, the elements of the lists under these keys are yielded instead of it.
        most_chars: Characters of one element.

    Raises:
        JsonError: The file is not JSON in UTF-8; what came before was yielded.
    """
    with path.open(encoding="utf-8", errors="strict") as file:
        reader = _Reader(file.read, most_chars, str(path))
        try:
            yield from reader.elements(keys)
        except UnicodeDecodeError as error:
            raise JsonError(f"{path}: is not UTF-8") from error


class _Reader:
    """A window over a text."""

    def __init__(self, read: Any, most_chars: int, name: str) -> None:
        self._read, self._most, self._name = read, most_chars, name
        self._text, self._at, self._done, self._passed = "", 0, False, 0
        self._decoder = json.JSONDecoder(parse_constant=self._constant)

    def elements(self, keys: Container[str]) -> Iterator[Any]:
        """Yield the elements."""
        self._more()
        if self._text.startswith(codecs.BOM_UTF8.decode()):
            self._at = 1
        first = self._peek()
        if first == "[":
            yield from self._list()
        elif first == "{" and keys:
            yield from self._members(keys)
        else:
            yield self._value()
        self._end()

    def _list(self) -> Iterator[Any]:
        """Yield the elements of the list that begins here."""
        self._at += 1
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            mark = self._peek()
            if mark not in {",", "]"}:
                raise self._wrong("`,` or `]` is missing")
            self._at += 1
            if mark == "]":
                return

    def _members(self, keys: Container[str]) -> Iterator[Any]:
        """Yield the elements of the lists under some keys of the object that begins here; all else is passed over."""
        self._at += 1
        while self._peek() != "}":
            key = self._value()
            if not isinstance(key, str) or self._peek() != ":":
                raise self._wrong("a key is missing")
            self._at += 1
            if self._peek() == "[" and key in keys:
                yield from self._list()
            else:
                self._value()
            mark = self._peek()
            if mark not in {",", "}"}:
                raise self._wrong("`,` or `}` is missing")
            self._at += mark == ","
        self._at += 1

    def _value(self) -> Any:
        """Return the value that begins here; reads on until it is whole."""
        self._peek()
        want = _BLOCK_CHARS
        while True:
            try:
                found, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError:
                raise self._wrong("is nested too deep") from None
            except json.JSONDecodeError as error:
                if self._done:
                    raise self._wrong(error.msg, at=error.pos) from None
                found, end = None, len(self._text)
            except ValueError as error:
                raise self._wrong(str(error)) from None
            if self._done or self._whole(end):
                self._at = end
                return found
            if len(self._text) - self._at > self._most:
                raise self._wrong(f"has more than {self._most} characters")
            # Doubled each time: a value is decoded again from its beginning.
            self._more(want)
            want *= 2

    def _whole(self, end: int) -> bool:
        """Say whether a value that was read up to `end` ends there: `6.2` may be the beginning of `6.2e-18`."""
        rest = self._text[end : end + _NUMBER_REST]
        return bool(rest) and (rest[0] not in ".eE+-0123456789" or len(rest) == _NUMBER_REST)

    def _peek(self) -> str:
        """Return the next character that is no blank; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _BLANKS:
                    return self._text[self._at]
                self._at += 1
            if self._done:
                return ""
            self._more()

    def _more(self, size: int = _BLOCK_CHARS) -> None:
        """Read on, and let go of what was read."""
        block = self._read(size)
        self._done = not block
        self._passed += self._at
        self._text, self._at = self._text[self._at :] + block, 0

    def _end(self) -> None:
        if self._peek():
            raise self._wrong("something follows")

    def _constant(self, name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    def _wrong(self, why: str, *, at: int | None = None) -> JsonError:
        place = self._passed + (self._at if at is None else at) + 1
        return JsonError(f"{self._name}: character {place}: {why}")
