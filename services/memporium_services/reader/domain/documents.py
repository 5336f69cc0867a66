"""Makes episodes of documents: one a section, its passages the facts, the path of headings their context.

Rules:
    1. Markdown is cut at headings (`#` to `######`, and underlined ones), never inside fenced code; plain text is one
       section.
    2. A section's passages are its paragraphs, short ones joined, long ones cut at sentence ends.
    3. A passage's context is the document's title, the path of headings, and the passage before and after.
    4. A section longer than `SECTION_PASSAGES` passages becomes several episodes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_services.reader.domain.claims import read as read_claims
from memporium_services.reader.domain.entities import entities
from memporium_services.reader.domain.formation import content_of, digest_id
from memporium_services.reader.domain.sentences import pieces
from memporium_services.reader.domain.values import Episode, Fact, Span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

MARKDOWN = "text/markdown"
PLAIN = "text/plain"
# About 150 tokens, within the window of small embedders with room for the headings.
_TARGET_CHARS = 600
_MOST_CHARS = 1_000
SECTION_PASSAGES = 48
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
_UNDERLINE = re.compile(r"^(=+|-{3,})\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")
_BLANK = re.compile(r"\n[ \t]*\n+")
_DEPTHS = {"=": 1, "-": 2}


@dataclass(frozen=True, slots=True)
class Source:
    """A document, cleaned; `time` None where it is not known, `trust` where it is not told."""

    source: str
    title: str
    text: str
    media_type: str
    time: datetime | None = None
    trust: float | None = None


def media_type_of(source: str, told: str) -> str:
    """Return the media type that was told, else the one the source's ending means."""
    if told:
        return told
    return MARKDOWN if source.lower().endswith((".md", ".markdown", ".mdx")) else PLAIN


def read(document: Source) -> list[Episode]:
    """Return the episodes of a document, in order; none where it holds no text."""
    found: list[Episode] = []
    cut = list(_sections(document.text) if document.media_type == MARKDOWN else [((), document.text)])
    title = document.title or next((path[0] for path, _text in cut if path), "") or document.source
    for path, text in cut:
        parts = passages(text)
        starts = range(0, len(parts), SECTION_PASSAGES)
        found.extend(_episode(document, title, path, parts, start) for start in starts)
    return found


def passages(text: str) -> list[str]:
    """Return the passages of a text, in order."""
    found: list[str] = []
    current = ""
    for paragraph in _BLANK.split(text):
        for piece in pieces(paragraph.strip(), most_chars=_MOST_CHARS):
            if current and len(current) + len(piece) > _TARGET_CHARS:
                found.append(current)
                current = piece
            else:
                current = f"{current}\n\n{piece}" if current else piece
    return [*found, current] if current else found


def _episode(document: Source, title: str, path: tuple[str, ...], parts: list[str], start: int) -> Episode:
    heading = " > ".join(dict.fromkeys((title, *path)))
    facts = []
    for index, part in enumerate(parts[start : start + SECTION_PASSAGES], start):
        around = [heading, *parts[max(0, index - 1) : index + 2]]
        span = Span(document.source, f"{heading}#{index}", "", document.time)
        told = read_claims(part, document.time)
        text = f"{heading}\n{part}"
        facts.append(
            Fact(text, "\n".join(around), span, claims=told.claims, trust=document.trust, readings=told.readings)
        )
    text = "\n\n".join(parts[start : start + SECTION_PASSAGES])
    return Episode(
        cube_id=digest_id("section", document.source, str(start), *content_of(facts)),
        title=heading[:256],
        text=text,
        facts=tuple(facts),
        prospects=(),
        spans=(Span(document.source, heading, "", document.time),),
        entities=entities((text,), ()),
    )


def _sections(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each section's path of headings and its own text."""
    path: list[tuple[int, str]] = []
    body: list[str] = []
    fenced = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        found = None if fenced else _heading(line, body)
        if found is None:
            body.append(line)
            continue
        if any(one.strip() for one in body):
            yield tuple(name for _depth, name in path), "\n".join(body)
        body = []
        path = [*(one for one in path if one[0] < found[0]), found]
    if any(one.strip() for one in body):
        yield tuple(name for _depth, name in path), "\n".join(body)


def _heading(line: str, body: list[str]) -> tuple[int, str] | None:
    match = _HEADING.match(line)
    if match:
        return len(match[1]), match[2]
    under = _UNDERLINE.match(line)
    if under and body and body[-1].strip() and (len(body) == 1 or not body[-2].strip()):
        return _DEPTHS[under[1][0]], body.pop().strip()
    return None
