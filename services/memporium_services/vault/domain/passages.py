"""Cuts documents into passages: the units of retrieval of long text.

Rules:
    1. Paragraphs (blank lines) stay whole where they fit; short neighbours are joined up to `TARGET_CHARS`.
    2. A paragraph longer than `MAX_CHARS` is cut at sentence ends, then at spaces.
    3. The passages joined hold every word of the text, in order.
"""

from __future__ import annotations

import re

# About 150 tokens: within the window of small embedders (256) with room for a title.
TARGET_CHARS = 600
MAX_CHARS = 1000

_BLANK = re.compile(r"\n[ \t]*\n+")
_SENTENCE = re.compile(r"(?<=[.!?\u3002])\s+")


def passages(text: str) -> list[str]:
    """Return the passages of a text in order; none for a text of blanks."""
    found: list[str] = []
    current = ""
    for paragraph in _BLANK.split(text):
        stripped = paragraph.strip()
        if not stripped:
            continue
        for piece in [stripped] if len(stripped) <= MAX_CHARS else _cut(stripped):
            if current and len(current) + len(piece) + 2 > TARGET_CHARS:
                found.append(current)
                current = piece
            else:
                current = f"{current}\n\n{piece}" if current else piece
    if current:
        found.append(current)
    return found


def _cut(paragraph: str) -> list[str]:
    pieces: list[str] = []
    current = ""
    for sentence in _SENTENCE.split(paragraph):
        for part in [sentence] if len(sentence) <= MAX_CHARS else _chop(sentence):
            if current and len(current) + len(part) + 1 > TARGET_CHARS:
                pieces.append(current)
                current = part
            else:
                current = f"{current} {part}" if current else part
    if current:
        pieces.append(current)
    return pieces


def _chop(sentence: str) -> list[str]:
    parts: list[str] = []
    rest = sentence
    while len(rest) > MAX_CHARS:
        cut = rest.rfind(" ", 1, MAX_CHARS + 1)
        cut = cut if cut > 0 else MAX_CHARS
        parts.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*parts, rest] if rest else parts
