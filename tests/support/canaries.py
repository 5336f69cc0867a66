"""Canaries: unique words in every field that a caller may write, and a search for them in raw bytes of any encoding."""

from __future__ import annotations

import base64
import contextlib
import re
import zlib
from typing import TYPE_CHECKING

from support.stored import stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_LONGEST_INFLATED = 1 << 22
_LETTERS = "bcdfghjklmnpqrst"
_SHAPES = re.compile(
    b"|".join(
        (
            b"zq[%b]{8}xv" % _LETTERS.encode(),
            b"ZQ[%b]{8}XV" % _LETTERS.upper().encode(),
            b"z\\0q\\0(?:[%b]\\0){8}x\\0v\\0" % _LETTERS.encode(),
            b"\\0z\\0q(?:\\0[%b]){8}\\0x\\0v" % _LETTERS.encode(),
            b"7[aA]71(?:6[0-9a-fA-F]|7[0-4]){8}7876",
        )
    )
)


class Canaries:
    """Hands out words that occur nowhere else; each tells which field it was put into."""

    def __init__(self) -> None:
        self.by_word: dict[str, str] = {}

    def __call__(self, field: str) -> str:
        """Return a new word for a field."""
        digits = "".join(_LETTERS[int(digit, 16)] for digit in f"{len(self.by_word) * 0x9E3779B1 % 2**32:08x}")
        word = f"zq{digits}xv"
        self.by_word[word] = field
        return word

    def traces(self, sources: Iterable[tuple[str, bytes]]) -> set[tuple[str, str]]:
        """Return where (place, field) a canary is found: plain, lower or upper case, UTF-16, base64, hexadecimal, zlib."""
        forms = {form: field for word, field in self.by_word.items() for form in encodings(word)}
        # Two passes instead of one a word: what looks like a canary is found first. Base64 has no look of its own.
        shapeless = [form for form in forms if not _SHAPES.fullmatch(form)]
        found = set()
        for place, data in sources:
            for body in (data, *inflated(data)):
                found.update((place, forms[form]) for form in _SHAPES.findall(body) if form in forms)
                found.update((place, forms[form]) for form in shapeless if form in body)
        return found


def encodings(word: str) -> set[bytes]:
    """Return the forms in which the word may stand in bytes; of base64, what all three alignments have in common."""
    plain = {word.encode(), word.upper().encode()}
    plain |= {word.encode("utf-16-le"), word.encode("utf-16-be")}
    in_base64 = {base64.b64encode(b"\0" * shift + word.encode())[4 if shift else 0 : -4] for shift in range(3)}
    return plain | in_base64 | {word.encode().hex().encode(), word.encode().hex().upper().encode()}


def inflated(data: bytes) -> Iterator[bytes]:
    """Yield what lies compressed in the data."""
    for head in _ZLIB:
        at = data.find(head)
        while at >= 0:
            with contextlib.suppress(zlib.error):
                yield zlib.decompressobj().decompress(data[at:], _LONGEST_INFLATED)
            at = data.find(head, at + 1)


def files_under(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the raw bytes of every file, and its name, for a canary may stand in that too."""
    for path, data in stored(folder):
        place = str(path.relative_to(folder))
        yield place, data + place.encode()
