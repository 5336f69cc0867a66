"""Remembers documents."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.errors import invalid
from memporium_services.reader.app.remembering import batch_id, batches, check_labels
from memporium_services.reader.domain.cleaning import clean_line, clean_text
from memporium_services.reader.domain.documents import MARKDOWN, PLAIN, Source, media_type_of, read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from memporium_services.reader.domain.values import Episode
    from memporium_services.reader.ports import Kept, Labels, Vault
    from memporium_services.reader.settings import ReaderSettings

DOMAIN_KNOWLEDGE = 5  # memporium.cube.v1.SEMANTIC_TYPE_DOMAIN_KNOWLEDGE
DOCUMENT_ORIGIN = 3  # memporium.cube.v1.ORIGIN_EXTERNAL_RETRIEVAL
_MOST_SOURCE_CHARS = 1_024


@dataclass(frozen=True, slots=True)
class Piece:
    """A document as it was sent, or with `append` a further piece of the one before."""

    source: str
    title: str
    text: str
    media_type: str
    time: datetime | None
    append: bool


@dataclass(frozen=True, slots=True)
class Read:
    """What documents left behind."""

    cubes: tuple[Kept, ...]
    documents: int
    revision: int


class Reading:
    """Turns documents into cubes, one at a time."""

    def __init__(self, vault: Vault, settings: ReaderSettings) -> None:
        """Keep cubes in the vault."""
        self._vault, self._settings = vault, settings

    async def remember(self, parent: str, labels: Labels, pieces: AsyncIterator[Piece], *, request_id: str) -> Read:
        """Remember documents; holds one document in memory at a time.

        Raises:
            PlatformError: INVALID_FIELD where documents are missing, malformed or too many, and what the vault raises.
        """
        check_labels(labels, "header")
        if labels.trust is not None and not 0 <= labels.trust <= 1:
            raise invalid("header.trust", "must be 0 to 1")
        made: list[Kept] = []
        documents = revision = 0
        async for source in self._documents(pieces):
            documents += 1
            if documents > self._settings.max_documents:
                raise invalid("document", f"at most {self._settings.max_documents} in one call")
            episodes = await asyncio.to_thread(read, replace(source, trust=labels.trust))
            told = replace(labels, source=source.source)
            for batch in batches(episodes, self._settings.batch_facts):
                kept, revision = await self._keep(parent, batch, told, request_id)
                made.extend(kept)
        if not made:
            raise invalid("document", "at least one document with text is required")
        return Read(tuple(made), documents, revision)

    async def _keep(self, parent: str, batch: list[Episode], labels: Labels, request_id: str) -> tuple[list[Kept], int]:
        return await self._vault.keep(parent, batch, labels, request_id=batch_id(request_id, batch))

    async def _documents(self, pieces: AsyncIterator[Piece]) -> AsyncIterator[Source]:
        """Yield whole documents."""
        current: Source | None = None
        parts: list[str] = []
        size = 0
        async for piece in pieces:
            if piece.append:
                if current is None:
                    raise invalid("document.append", "there is no document before")
            else:
                if current is not None:
                    yield replace(current, text=clean_text("".join(parts)))
                current, parts, size = _begin(piece), [], 0
            size += len(piece.text)
            if size > self._settings.max_document_chars:
                raise invalid("document.text", f"at most {self._settings.max_document_chars} characters")
            parts.append(piece.text)
        if current is not None:
            yield replace(current, text=clean_text("".join(parts)))


def _begin(piece: Piece) -> Source:
    source = clean_line(piece.source)
    if not source:
        raise invalid("document.source", "is required")
    if len(source) > _MOST_SOURCE_CHARS:
        raise invalid("document.source", f"at most {_MOST_SOURCE_CHARS} characters")
    media_type = media_type_of(source, piece.media_type)
    if media_type not in {MARKDOWN, PLAIN}:
        raise invalid("document.media_type", f"must be {MARKDOWN} or {PLAIN}")
    return Source(source, clean_line(piece.title)[:256], "", media_type, piece.time)
