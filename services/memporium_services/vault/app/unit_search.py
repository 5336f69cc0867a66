"""Search for callers that rank many results themselves: several questions at once, units and scores alone.

It finds what `Search` finds: the same filter, ranking and licences. But of cubes it gives only what describes them,
takes what was opened lately from memory, and writes scores as columns.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from memporium.vault.v1.cubes_pb2 import Unit
from memporium_platform.errors import invalid
from memporium_services.vault.app.past_search import at_moment
from memporium_services.vault.app.ranking import HYBRID, SEMANTIC, TAGS, Candidates, Question, Ranked, Ranking, rank
from memporium_services.vault.app.reading import reader_of
from memporium_services.vault.app.search_hits import may_be_seen
from memporium_services.vault.app.search_results import Hit, SearchAsked, UnitsAsked, check_asked
from memporium_services.vault.app.search_sources import leg_weights, open_sources, release_sources, settle_licences
from memporium_services.vault.app.unit_contents import open_units
from memporium_services.vault.domain.rows import VaultRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.call import Call
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.past_search import PastSearch
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.search_results import Refusal
    from memporium_services.vault.app.search_sources import Source
    from memporium_services.vault.app.unit_contents import OpenedUnits
    from memporium_services.vault.app.uses import UseRecorder
    from memporium_services.vault.domain.rows import FoundUnit
    from memporium_services.vault.ports import GrantedUse

MAX_QUERIES = 8


class UnitHit(NamedTuple):
    """One result: `unit` is the bytes of a `Unit`, None where only scores are wanted."""

    found: FoundUnit
    ranked: Ranked
    cube: Cube
    unit: bytes | None

    @property
    def place(self) -> tuple[int, str]:
        """Tells its cube from others: cubes are shared, and a vault may be mounted twice."""
        return id(self.cube), self.ranked.candidates.mount


@dataclass(frozen=True, slots=True)
class UnitsFound:
    """Results by question, and what was done; `licensed` is by hits' places, None where no licence is in play."""

    rankings: list[list[UnitHit]]
    refusals: list[Refusal]
    revision: int
    candidates: int
    embed_us: int
    index_us: int
    total_us: int
    licensed: Mapping[tuple[int, str], Hit] | None
    uses: list[GrantedUse]
    past_units: int = 0


class _Looked(NamedTuple):
    candidates: list[Candidates]
    ranked: list[list[Ranked]]
    opened: dict[str, OpenedUnits]
    past_units: int = 0


class UnitSearch:
    """Finds units."""

    def __init__(
        self, rt: Runtime, ranking: Ranking, follower: IndexFollower, uses: UseRecorder, *, past: PastSearch
    ) -> None:
        """Work on these ports; `past` searches earlier moments."""
        self._rt, self._ranking, self._follower, self._uses, self._past = rt, ranking, follower, uses, past

    async def search(self, call: Call, parent: str, asked: UnitsAsked) -> UnitsFound:
        """Search a vault and its mounts.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, LICENCE_* (a licensed vault searched directly), of the past
                FAILED_PRECONDITION and CONFLICT, and what the embedder raises.
        """
        started = time.perf_counter_ns()
        _check(asked)
        sources, refusals = await open_sources(self._rt, call, parent, include_mounts=asked.include_mounts)
        try:
            selection = replace(asked.selection, reader=reader_of(call), now_us=self._rt.now_us())
            asked = replace(asked, selection=selection)
            if asked.moment.given:
                asked = at_moment(sources[0].vault, asked)
            vectors, embed_us = await self._vectors(sources, asked)
            looked = await self._look(sources, asked, vectors)
            rankings = _rankings(looked, asked)
            plain = not any(one.licensed for one in looked.opened.values())
            licensed, uses = await self._settle(call, sources, rankings, refusals, plain=plain)
        except BaseException:
            await release_sources(sources)
            raise
        if licensed is not None:
            rankings = [[hit for hit in hits if hit.place in licensed] for hits in rankings]
        self._note(rankings)
        return UnitsFound(
            rankings=rankings,
            refusals=refusals,
            revision=asked.moment.revision if asked.moment.given else sources[0].vault.revision,
            candidates=sum(len(one.unit_ids) for one in looked.candidates),
            embed_us=embed_us,
            index_us=sum(one.index_us for one in looked.candidates),
            total_us=(time.perf_counter_ns() - started) // 1000,
            licensed=licensed,
            uses=uses,
            past_units=looked.past_units,
        )

    async def _vectors(
        self, sources: Sequence[Source], asked: UnitsAsked
    ) -> tuple[list[dict[str, NDArray[np.float32]]], int]:
        """Return each question's vector by model, and the time that took; a caller's is for the own vault's model."""
        own_model = sources[0].vault.embedding_model
        vectors: list[dict[str, NDArray[np.float32]]] = [
            {own_model: one.vector} if one.vector is not None else {} for one in asked.queries
        ]
        started = time.perf_counter_ns()
        for model in sorted(
            {source.vault.embedding_model for source in sources if source.vault.units or asked.moment.given}
        ):
            missing = [
                place
                for place, one in enumerate(asked.queries)
                if one.mode in {SEMANTIC, HYBRID} and one.query and model not in vectors[place]
            ]
            texts = list(dict.fromkeys(asked.queries[place].query for place in missing))
            if texts:
                found = await self._rt.embedder.embed(model, texts, questions=True)
                rows = dict(zip(texts, found, strict=True))
                for place in missing:
                    vectors[place][model] = rows[asked.queries[place].query]
        return vectors, (time.perf_counter_ns() - started) // 1000

    async def _look(
        self, sources: Sequence[Source], asked: UnitsAsked, vectors: Sequence[Mapping[str, NDArray[np.float32]]]
    ) -> _Looked:
        """Rank, read and open in one visit to a reader's thread, unless an index is behind."""
        rt = self._rt
        if asked.moment.given:
            return await self._look_back(sources[0], asked, vectors)

        def look(conn: Connection) -> _Looked | VaultRow:
            every: list[Candidates] = []
            ranked: list[list[Ranked]] = []
            for one, of_model in zip(asked.queries, vectors, strict=True):
                found = []
                for source in sources:
                    store, vault = rt.store(conn, source.cipher.token), source.vault
                    question = Question(
                        mode=one.mode,
                        query=one.query,
                        vector=of_model.get(vault.embedding_model),
                        selection=asked.selection,
                        count=max(rt.settings.leg_candidates, 2 * asked.limit),
                    )
                    candidates = self._ranking.candidates(
                        store, vault, source.cipher, mount=source.mount, asked=question
                    )
                    if candidates is None:
                        return vault
                    found.append(candidates)
                every += found
                given = leg_weights(sources[0], None) if one.mode == HYBRID else None
                ranked.append(rank(found, given, asked.limit)[0])
            opened = {
                source.vault.uid: open_units(rt, rt.store(conn), source, *_wanted(ranked, asked, source.vault.uid))
                for source in sources
            }
            return _Looked(every, ranked, opened)

        looked = await rt.db.read(look)
        while isinstance(looked, VaultRow):
            await self._follower.repair(looked)
            looked = await rt.db.read(look)
        return looked

    async def _look_back(
        self, source: Source, asked: UnitsAsked, vectors: Sequence[Mapping[str, NDArray[np.float32]]]
    ) -> _Looked:
        questions = [
            (
                Question(
                    mode=one.mode,
                    query=one.query,
                    vector=of_model.get(source.vault.embedding_model),
                    selection=asked.selection,
                    count=max(self._rt.settings.leg_candidates, 2 * asked.limit),
                ),
                one.scores_only,
            )
            for one, of_model in zip(asked.queries, vectors, strict=True)
        ]
        past = await self._past.units(source, asked.moment, questions, limit=asked.limit)
        return _Looked(past.candidates, past.ranked, {source.vault.uid: past.opened}, past.past_units)

    async def _settle(
        self,
        call: Call,
        sources: Sequence[Source],
        rankings: Sequence[Sequence[UnitHit]],
        refusals: list[Refusal],
        *,
        plain: bool,
    ) -> tuple[dict[tuple[int, str], Hit] | None, list[GrantedUse]]:
        """Return which cubes may be shown under which licence, by hits' places; None where no licence is in play.

        `plain`: no cube that was opened came under a licence.
        """
        leased = any(source.lease.held for source in sources)
        if plain and not leased:
            return None, []
        hits = [hit for some in rankings for hit in some]
        if not leased and not any(hit.cube.governance.licences for hit in hits):
            return None, []
        # What several questions found is shown once.
        shown = [
            _shown(hit) for hit in {(hit.place, hit.found.unit_id, hit.unit is None): hit for hit in hits}.values()
        ]
        kept, uses = await settle_licences(self._rt, call, sources, shown, refusals)
        return {(id(hit.cube), hit.mount): hit for hit in kept}, uses

    def _note(self, rankings: Sequence[Sequence[UnitHit]]) -> None:
        used: dict[str, list[str]] = {}
        for hits in rankings:
            for found, ranked, _cube, unit in hits:
                if unit is not None:
                    used.setdefault(ranked.candidates.vault.uid, []).append(found.cube_id)
        for uid, cube_ids in used.items():
            self._uses.note(uid, cube_ids, "retrieve")


def _shown(hit: UnitHit) -> Hit:
    unit = Unit.FromString(hit.unit) if hit.unit is not None else None
    size = len(unit.text.encode()) if unit is not None else 0
    mount = hit.ranked.candidates.mount
    return Hit(hit.cube, unit, hit.ranked.score, mount=mount, form=hit.found.form, given_bytes=size)


def _check(asked: UnitsAsked) -> None:
    if not 1 <= len(asked.queries) <= MAX_QUERIES:
        raise invalid("queries", f"must be 1 to {MAX_QUERIES}")
    for place, one in enumerate(asked.queries):
        if one.mode == TAGS:
            raise invalid(f"queries[{place}].mode", "must search by text or meaning")
        check_asked(SearchAsked(query=one.query, vector=one.vector, mode=one.mode), field=f"queries[{place}].")


def _wanted(ranked: Sequence[Sequence[Ranked]], asked: UnitsAsked, vault_uid: str) -> tuple[list[int], set[int]]:
    """Return the ids of a vault's units that were found, and those of them whose content is wanted."""
    ids: dict[int, None] = {}
    content: set[int] = set()
    for one, found in zip(asked.queries, ranked, strict=True):
        mine = [hit.unit_id for hit in found if hit.candidates.vault.uid == vault_uid]
        ids.update(dict.fromkeys(mine))
        if not one.scores_only:
            content.update(mine)
    return list(ids), content


def _rankings(looked: _Looked, asked: UnitsAsked) -> list[list[UnitHit]]:
    rankings = []
    for one, found in zip(asked.queries, looked.ranked, strict=True):
        hits = []
        for ranked in found:
            opened = looked.opened[ranked.candidates.vault.uid]
            unit_id = ranked.unit_id
            row = opened.found.get(unit_id)
            if row is None or not may_be_seen(row, asked.selection):
                continue
            unit = None if one.scores_only else opened.units.get(unit_id)
            if unit is not None or one.scores_only:
                hits.append(UnitHit(row, ranked, opened.cubes[row.cube_id], unit))
        rankings.append(hits)
    return rankings
