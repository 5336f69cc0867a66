"""Cuts a text that is too long for a budget down to the part of it that a question is about."""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# Where a text may be cut: before a word, a mark, and a character of a script without blanks; a word without end is cut.
_UNSPACED = "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]"
_PIECE = re.compile(rf"\s*(?:{_UNSPACED}|(?:(?!{_UNSPACED})\w){{1,40}}|[^\w\s])")
_SENTENCE_END = re.compile(r"[.!?\u3002\uff01\uff1f][\"')\]]?$|\n")
_MORE = "\u2026"
# A first line that takes no more than this part of the room is a heading, and stays.
_HEADING = 1 / 3


def excerpt(text: str, asked: Collection[str], room: int, count: Callable[[str], int]) -> str:
    """Return the part of a text that holds most of the words asked for, with dots where it was cut; "": no room.

    Args:
        text: The text; of one with a heading in its first line that stays, where it is short.
        asked: Stems of the question.
        room: Most tokens.
        count: Counts tokens.
    """
    if count(text) <= room:
        return text
    heading, line, rest = text.partition("\n")
    taken = count(heading + line)
    if line and rest.strip() and taken <= room * _HEADING and (part := _part(rest, asked, room - taken, count)):
        return f"{heading}\n{part}"
    return _part(text, asked, room, count)


def _part(text: str, asked: Collection[str], room: int, count: Callable[[str], int]) -> str:
    pieces = _PIECE.findall(text)
    sums = [0, *accumulate(count(piece) for piece in pieces)]
    # The dots before and behind.
    room -= 2
    places: dict[str, list[int]] = {}
    for place, piece in enumerate(pieces):
        for stem in terms(piece):
            if stem in asked:
                places.setdefault(stem, []).append(place)
    best, chosen = (-1, False), (0, 0)
    for start in range(len(pieces)):
        end = bisect_left(sums, sums[start] + room + 1, lo=start) - 1
        held = sum(_within(found, start, end) for found in places.values())
        begins = start == 0 or _SENTENCE_END.search(pieces[start - 1]) is not None or "\n" in pieces[start]
        if end > start and (held, begins) > best:
            best, chosen = (held, begins), (start, end)
        if end == len(pieces):
            break
    start, end = chosen
    cut = "".join(pieces[start:end]).strip()
    if not cut:
        return ""
    return f"{f'{_MORE} ' if start else ''}{cut}{f' {_MORE}' if end < len(pieces) else ''}"


def _within(places: list[int], start: int, end: int) -> bool:
    """Say whether one of some ascending places lies in a range."""
    at = bisect_left(places, start)
    return at < len(places) and places[at] < end
