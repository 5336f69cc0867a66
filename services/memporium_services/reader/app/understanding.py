"""Keeps episodes with what their statements claim by meaning, beside what they claim by rules."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError
from memporium_services.reader.domain.claim_meaning import MODEL, Bank, prototypes, texts_of
from memporium_services.reader.domain.claims import MOST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from memporium_services.reader.domain.values import Episode, Fact, Prospect
    from memporium_services.reader.ports import Conditions, Found, Kept, Known, Labels, Vault
    from memporium_services.reader.ports_claims import Embedder


class Understanding:
    """Reads clauses by meaning. Without the model, or in vaults that embed by hashing, nothing is read so."""

    def __init__(self, embedder: Embedder) -> None:
        """Embed with this."""
        self._embedder = embedder
        self._bank: Bank | None = None
        self._lock = asyncio.Lock()

    async def understood(self, parent: str, episodes: Sequence[Episode]) -> list[Episode]:
        """Return the episodes with all claims of their facts; as they are where meaning cannot be told."""
        read = [one for episode in episodes for fact in episode.facts for one in fact.readings]
        if not read:
            return list(episodes)
        try:
            if not await self._embedder.tells_meaning(parent):
                return list(episodes)
            bank = await self._prototypes()
            # What is said twice is embedded once.
            distinct = list(dict.fromkeys(text for one in read for text in texts_of(one)))
            rows = dict(zip(distinct, await self._embedder.embed(MODEL, distinct), strict=True))
        except PlatformError:
            # Rules alone read less, but remembering must not fail for want of a model.
            return list(episodes)
        return [
            replace(episode, facts=tuple(_with_claims(fact, bank, rows) for fact in episode.facts))
            for episode in episodes
        ]

    async def _prototypes(self) -> Bank:
        async with self._lock:
            if self._bank is None:
                self._bank = Bank(await self._embedder.embed(MODEL, prototypes()))
            return self._bank


def _with_claims(fact: Fact, bank: Bank, rows: Mapping[str, NDArray[np.float32]]) -> Fact:
    if not fact.readings:
        return fact
    found = bank.claims(fact.readings, rows)
    keys = {claim.key for claim in fact.claims}
    more = (claim for claim in found if claim.key not in keys)
    return replace(fact, claims=(*fact.claims, *more)[:MOST], readings=())


class UnderstandingVault:
    """A vault that keeps episodes with what they claim by meaning."""

    def __init__(self, vault: Vault, understanding: Understanding) -> None:
        """Keep in this vault."""
        self._vault, self._understanding = vault, understanding

    async def known(self, parent: str, session: str, *, persona: str) -> Known:
        """Return what the vault holds of a session."""
        return await self._vault.known(parent, session, persona=persona)

    async def keep(
        self, parent: str, episodes: Sequence[Episode], labels: Labels, *, request_id: str
    ) -> tuple[list[Kept], int]:
        """Store episodes with all that they claim."""
        told = await self._understanding.understood(parent, episodes)
        return await self._vault.keep(parent, told, labels, request_id=request_id)

    async def search(
        self, parent: str, queries: Sequence[str], *, limit: int, conditions: Conditions, include_mounts: bool
    ) -> list[Found]:
        """Return the best statements for each query."""
        return await self._vault.search(
            parent, queries, limit=limit, conditions=conditions, include_mounts=include_mounts
        )

    async def meaning(
        self, parent: str, query: str, *, limit: int, conditions: Conditions, include_mounts: bool
    ) -> Found:
        """Return the statements nearest to a query in meaning."""
        return await self._vault.meaning(
            parent, query, limit=limit, conditions=conditions, include_mounts=include_mounts
        )

    async def prospects(
        self, parent: str, cubes: Sequence[str], *, conditions: Conditions
    ) -> list[tuple[str, Prospect]]:
        """Return what cubes of the vault let expect."""
        return await self._vault.prospects(parent, cubes, conditions=conditions)
