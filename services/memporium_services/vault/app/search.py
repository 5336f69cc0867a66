"""Search over a vault and its mounts: filter, rank, read only what is returned.

The filter says which units may be found before anything is ranked, so neither scores nor counts tell of others.
A mount that its licence does not permit is left out and named; a licensed vault searched directly refuses instead.
"""

from __future__ import annotations

import time
from dataclasses import replace
from operator import methodcaller
from typing import TYPE_CHECKING, NamedTuple

from memporium_services.vault.app.past_search import at_moment
from memporium_services.vault.app.ranking import HYBRID, SEMANTIC, TAGS, Candidates, Question, Ranked, Ranking, rank
from memporium_services.vault.app.reading import assemble, reader_of
from memporium_services.vault.app.runtime import bind
from memporium_services.vault.app.search_hits import HitRows, hits_of, load_rows
from memporium_services.vault.app.search_results import Hit, SearchAsked, SearchFound, check_asked
from memporium_services.vault.app.search_sources import leg_weights, open_sources, release_sources, settle_licences
from memporium_services.vault.domain.rows import VaultRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.past_search import PastSearch
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.search_sources import Source
    from memporium_services.vault.app.uses import UseRecorder

# More candidates a result where several units of a cube become one.
_GROUP_FACTOR = 4


class _Looked(NamedTuple):
    """What one visit to the store and the indexes found."""

    candidates: list[Candidates]
    ranked: list[Ranked]
    weights: Mapping[str, float]
    rows: HitRows
    past_units: int = 0


class Search:
    """Finds cubes."""

    def __init__(
        self, rt: Runtime, ranking: Ranking, follower: IndexFollower, uses: UseRecorder, *, past: PastSearch
    ) -> None:
        """Work on these ports; `past` searches earlier moments."""
        self._rt = rt
        self._past = past
        self._ranking = ranking
        self._follower = follower
        self._uses = uses

    async def search(self, call: Call, parent: str, asked: SearchAsked) -> SearchFound:
        """Search a vault and its mounts.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, LICENCE_* (a licensed vault searched directly), of the past
                FAILED_PRECONDITION and CONFLICT, and what the embedder raises.
        """
        started = time.perf_counter_ns()
        check_asked(asked)
        sources, refusals = await open_sources(self._rt, call, parent, include_mounts=asked.include_mounts)
        try:
            selection = replace(asked.selection, reader=reader_of(call), now_us=self._rt.now_us())
            past = 0
            asked = replace(asked, selection=selection)
            if asked.moment.given:
                asked = at_moment(sources[0].vault, asked)
            if asked.mode == TAGS:
                hits, count = await self._by_filter(sources, asked), 0
                weights: Mapping[str, float] = {}
                embed_us = index_us = 0
            else:
                hits, count, weights, embed_us, index_us, past = await self._ranked(sources, asked)
            hits, uses = await settle_licences(self._rt, call, sources, hits, refusals)
        except BaseException:
            await release_sources(sources)
            raise
        self._note(sources, hits)
        return SearchFound(
            hits=hits,
            refusals=refusals,
            revision=asked.moment.revision if asked.moment.given else sources[0].vault.revision,
            candidates=count,
            weights=weights,
            embed_us=embed_us,
            index_us=index_us,
            total_us=(time.perf_counter_ns() - started) // 1000,
            uses=uses,
            past_units=past,
        )

    async def _ranked(
        self, sources: Sequence[Source], asked: SearchAsked
    ) -> tuple[list[Hit], int, Mapping[str, float], int, int, int]:
        vectors, embed_us = await self._query_vectors(sources, asked)
        looked = await self._look(sources, asked, vectors)
        hits = await hits_of(self._rt, sources, looked.ranked, looked.rows, looked.weights, asked)
        index_us = sum(one.index_us for one in looked.candidates)
        count = sum(len(one.unit_ids) for one in looked.candidates)
        return hits, count, looked.weights, embed_us, index_us, looked.past_units

    async def _look(
        self, sources: Sequence[Source], asked: SearchAsked, vectors: Mapping[str, NDArray[np.float32]]
    ) -> _Looked:
        """Rank and read in one visit to a reader's thread, unless an index is behind."""
        rt = self._rt
        wanted = asked.limit * (_GROUP_FACTOR if asked.group_by_cube else 1)
        given = leg_weights(sources[0], asked.weights) if asked.mode == HYBRID else None
        question = Question(
            mode=asked.mode,
            query=asked.query,
            vector=None,
            selection=asked.selection,
            count=max(rt.settings.leg_candidates, 2 * wanted),
        )
        if asked.moment.given:
            mine = replace(question, vector=vectors.get(sources[0].vault.embedding_model))
            past = await self._past.cubes(sources[0], asked.moment, mine, limit=wanted, weights=given, full=asked.full)
            return _Looked([past.candidates], past.ranked, past.weights, past.rows, past.past_units)

        def look(conn: Connection) -> _Looked | VaultRow:
            found = []
            for source in sources:
                store, vault = rt.store(conn, source.cipher.token), source.vault
                mine = replace(question, vector=vectors.get(vault.embedding_model))
                one = self._ranking.candidates(store, vault, source.cipher, mount=source.mount, asked=mine)
                if one is None:
                    return vault
                found.append(one)
            ranked, weights = rank(found, given, wanted)
            return _Looked(found, ranked, weights, load_rows(rt.store(conn), ranked, full=asked.full))

        looked = await rt.db.read(look)
        while isinstance(looked, VaultRow):
            await self._follower.repair(looked)
            looked = await rt.db.read(look)
        return looked

    async def _query_vectors(
        self, sources: Sequence[Source], asked: SearchAsked
    ) -> tuple[dict[str, NDArray[np.float32]], int]:
        """Return the query's vector for each model in play; the caller's is for the own vault's model."""
        own_model = sources[0].vault.embedding_model
        vectors: dict[str, NDArray[np.float32]] = {}
        spent_us = 0
        models = {source.vault.embedding_model for source in sources if source.vault.units or asked.moment.given}
        if asked.mode not in {SEMANTIC, HYBRID}:
            return {}, 0
        if asked.vector is not None:
            vectors[own_model] = asked.vector
        for model in sorted(models - set(vectors)):
            if not asked.query:
                continue
            started = time.perf_counter_ns()
            vectors[model] = (await self._rt.embedder.embed(model, [asked.query], questions=True))[0]
            spent_us += (time.perf_counter_ns() - started) // 1000
        return vectors, spent_us

    async def _by_filter(self, sources: Sequence[Source], asked: SearchAsked) -> list[Hit]:
        rt = self._rt
        hits: list[Hit] = []
        for source in sources:
            if asked.moment.given:
                rows = await self._past.listed(source, asked.moment, asked.selection, limit=asked.limit)
            else:
                select = methodcaller(
                    "select", source.vault.uid, asked.selection, order="create_time", after=None, limit=asked.limit
                )
                rows = await rt.db.read(bind(rt, select, source.cipher.token))
            cubes = await assemble(rt, source.vault, rows, source.cipher, full=asked.full)
            hits += [
                Hit(cube, None, 1.0, mount=source.mount, form=row.form, given_bytes=row.size_bytes if asked.full else 0)
                for cube, row in zip(cubes, rows, strict=True)
            ]
        hits.sort(key=lambda hit: hit.cube.descriptive.create_time.ToNanoseconds(), reverse=True)
        return hits[: asked.limit]

    def _note(self, sources: Sequence[Source], hits: Sequence[Hit]) -> None:
        by_name = {source.vault.name: source.vault.uid for source in sources}
        used: dict[str, list[str]] = {}
        for hit in hits:
            vault_name, _, cube_id = hit.cube.name.partition("/cubes/")
            used.setdefault(by_name[vault_name], []).append(cube_id)
        for uid, cube_ids in used.items():
            self._uses.note(uid, cube_ids, "retrieve")
