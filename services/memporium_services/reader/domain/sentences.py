"""Cuts text into sentences and pieces of bounded size."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?\u3002\uff01\uff1f\u2026])[\"')\]\u201d\u2019]*\s+|\n+")
# Abbreviations that a full stop does not end.
_SHORT = re.compile(r"(?:^|\s)(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|No|Jr|Sr)\.$")


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, in order, without blanks around."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if _SHORT.search(text[start : match.start()]):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def is_question(sentence: str) -> bool:
    """Say whether a sentence asks."""
    return sentence.rstrip("\"')]\u201d\u2019 ").endswith(("?", "\uff1f"))


def pieces(text: str, *, most_chars: int) -> list[str]:
    """Return text cut at sentence ends, else at spaces, into pieces of at most `most_chars`; all words are kept."""
    if len(text) <= most_chars:
        return [text] if text else []
    found: list[str] = []
    current = ""
    for sentence in sentences(text):
        for part in _chop(sentence, most_chars):
            if current and len(current) + len(part) + 1 > most_chars:
                found.append(current)
                current = part
            else:
                current = f"{current} {part}" if current else part
    return [*found, current] if current else found


def _chop(sentence: str, most_chars: int) -> list[str]:
    parts: list[str] = []
    rest = sentence
    while len(rest) > most_chars:
        cut = rest.rfind(" ", 1, most_chars + 1)
        cut = cut if cut > 0 else most_chars
        parts.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*parts, rest] if rest else parts
