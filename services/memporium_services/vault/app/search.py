"""Search over a vault and its mounts: filter, rank, read only what is returned.

The filter says which units may be found before anything is ranked, so neither scores nor counts tell of others.
A mount that its licence does not permit is left out and named; a licensed vault searched directly refuses instead.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from operator import methodcaller
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform import names
from memporium_platform.errors import PlatformError, invalid, not_found
from memporium_services.vault.app import codec
from memporium_services.vault.app.licensing import RETRIEVE, Lease, agreements_of, asked_for, reserve
from memporium_services.vault.app.ranking import HYBRID, SEMANTIC, TAGS, Candidates, Question, Ranked, Ranking, rank
from memporium_services.vault.app.reading import assemble, reader_of
from memporium_services.vault.app.retention import settings_of, weights_of
from memporium_services.vault.app.runtime import bind
from memporium_services.vault.domain.selection import Selection
from memporium_services.vault.ports import UseAsked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.cubes_pb2 import Unit
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.uses import UseRecorder
    from memporium_services.vault.domain.rows import CubeRow, MountRow, UnitRow, VaultRow
    from memporium_services.vault.ports import GrantedUse

DEFAULT_LIMIT, MAX_LIMIT = 10, 1000
MAX_QUERY_CHARS = 8192
# More candidates a result where several units of a cube become one.
_GROUP_FACTOR = 4


@dataclass(frozen=True, slots=True)
class SearchAsked:
    """What to search for."""

    query: str = ""
    vector: NDArray[np.float32] | None = None
    mode: int = HYBRID
    selection: Selection = field(default_factory=Selection)
    weights: Mapping[str, float] | None = None
    limit: int = DEFAULT_LIMIT
    group_by_cube: bool = False
    include_mounts: bool = True
    full: bool = False


@dataclass(frozen=True, slots=True)
class LegPart:
    """One leg's part in a score."""

    leg: str
    score: float
    normalised: float
    weight: float
    rank: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One result."""

    cube: Cube
    unit: Unit | None
    score: float
    legs: tuple[LegPart, ...]
    mount: str = ""
    agreement: str = ""
    attribution: str = ""
    more_units: tuple[Unit, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A mount that was not searched."""

    mount: str
    vault: str
    agreement: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class SearchFound:
    """Results and what was done."""

    hits: list[Hit]
    refusals: list[Refusal]
    revision: int
    candidates: int
    weights: Mapping[str, float]
    embed_us: int
    index_us: int
    total_us: int
    uses: list[GrantedUse]


@dataclass
class _Source:
    """A vault that is searched; `lease` where its licence was asked."""

    vault: VaultRow
    cipher: VaultCipher
    mount: str = ""
    lease: Lease | None = None


class Search:
    """Finds cubes."""

    def __init__(self, rt: Runtime, follower: IndexFollower, uses: UseRecorder) -> None:
        """Work on these ports."""
        self._rt = rt
        self._ranking = Ranking(rt.indexes)
        self._follower = follower
        self._uses = uses

    async def search(self, call: Call, parent: str, asked: SearchAsked) -> SearchFound:
        """Search a vault and its mounts.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, LICENCE_* (a licensed vault searched directly), and what the
                embedder raises.
        """
        started = time.perf_counter_ns()
        _check(asked)
        sources, refusals = await self._sources(call, parent, include_mounts=asked.include_mounts)
        try:
            selection = replace(asked.selection, reader=reader_of(call), now_us=self._rt.now_us())
            asked = replace(asked, selection=selection)
            if asked.mode == TAGS:
                hits, count = await self._by_filter(sources, asked), 0
                weights: Mapping[str, float] = {}
                embed_us = index_us = 0
            else:
                hits, count, weights, embed_us, index_us = await self._ranked(sources, asked)
            hits, uses = await self._licensed(call, sources, hits, refusals)
        except BaseException:
            for source in sources:
                if source.lease is not None:
                    await source.lease.release()
            raise
        self._note(sources, hits)
        return SearchFound(
            hits=hits,
            refusals=refusals,
            revision=sources[0].vault.revision if sources else 0,
            candidates=count,
            weights=weights,
            embed_us=embed_us,
            index_us=index_us,
            total_us=(time.perf_counter_ns() - started) // 1000,
            uses=uses,
        )

    async def _sources(self, call: Call, parent: str, *, include_mounts: bool) -> tuple[list[_Source], list[Refusal]]:
        """Return the vaults to search, the own one first, and the mounts that are refused."""
        rt = self._rt
        ids = names.VAULT.parse(parent, "parent")

        def load(conn: Connection) -> tuple[VaultRow | None, list[tuple[MountRow, VaultRow]]]:
            store = rt.store(conn)
            vault = store.vault(ids["org"], ids["vault"])
            mounts = store.mounts(vault.uid) if vault is not None and include_mounts else []
            found = [(mount, store.vault_by_uid(mount.target_uid)) for mount in mounts]
            return vault, [(mount, target) for mount, target in found if target is not None]

        own, mounted = await rt.db.read(load)
        if own is None:
            raise not_found(parent)
        lease = await reserve(rt, call, [UseAsked(own.agreement, RETRIEVE)]) if own.agreement else None
        sources = [_Source(own, await rt.cipher(own), lease=lease)]
        refusals: list[Refusal] = []
        for mount, target in mounted:
            name = f"{own.name}/mounts/{mount.mount_id}"
            try:
                rt.authz.require(call, "vault.cubes.search", target.name)
                asked = [UseAsked(target.agreement, RETRIEVE)] if target.agreement else []
                lease = await reserve(rt, call, asked)
            except PlatformError as error:
                refusals.append(Refusal(name, target.name, target.agreement, error.reason.value, error.message))
                continue
            sources.append(_Source(target, await rt.cipher(target), name, lease))
        return sources, refusals

    async def _ranked(
        self, sources: Sequence[_Source], asked: SearchAsked
    ) -> tuple[list[Hit], int, Mapping[str, float], int, int]:
        rt = self._rt
        vectors, embed_us = await self._query_vectors(sources, asked)
        wanted = asked.limit * (_GROUP_FACTOR if asked.group_by_cube else 1)
        count = max(rt.settings.leg_candidates, 2 * wanted)
        found = [
            await self._candidates(
                source,
                Question(
                    mode=asked.mode,
                    query=asked.query,
                    vector=vectors.get(source.vault.embedding_model),
                    selection=asked.selection,
                    count=count,
                ),
            )
            for source in sources
        ]
        given = asked.weights
        if given is None and settings_of(sources[0].vault.settings).HasField("leg_weights"):
            given = weights_of(settings_of(sources[0].vault.settings).leg_weights)
        ranked, weights = rank(found, given if asked.mode == HYBRID else None, wanted)
        hits = await self._hits(sources, ranked, weights, asked)
        index_us = sum(one.index_us for one in found)
        return hits, sum(len(one.unit_ids) for one in found), weights, embed_us, index_us

    async def _candidates(self, source: _Source, asked: Question) -> Candidates:
        """Return the candidates of one vault, in one visit to a reader's thread unless its index is behind."""
        rt, vault = self._rt, source.vault

        def look(conn: Connection) -> Candidates | None:
            store = rt.store(conn, source.cipher.token)
            return self._ranking.candidates(store, vault, source.cipher, mount=source.mount, asked=asked)

        found = await rt.db.read(look)
        while found is None:
            await self._follower.repair(vault)
            found = await rt.db.read(look)
        return found

    async def _query_vectors(
        self, sources: Sequence[_Source], asked: SearchAsked
    ) -> tuple[dict[str, NDArray[np.float32]], int]:
        """Return the query's vector for each model in play; the caller's is for the own vault's model."""
        own_model = sources[0].vault.embedding_model
        vectors: dict[str, NDArray[np.float32]] = {}
        spent_us = 0
        models = {source.vault.embedding_model for source in sources if source.vault.units}
        if asked.mode not in {SEMANTIC, HYBRID}:
            return {}, 0
        if asked.vector is not None:
            vectors[own_model] = asked.vector
        for model in sorted(models - set(vectors)):
            if not asked.query:
                continue
            started = time.perf_counter_ns()
            vectors[model] = (await self._rt.embedder.embed(model, [asked.query]))[0]
            spent_us += (time.perf_counter_ns() - started) // 1000
        return vectors, spent_us

    async def _hits(
        self, sources: Sequence[_Source], ranked: Sequence[Ranked], weights: Mapping[str, float], asked: SearchAsked
    ) -> list[Hit]:
        """Read what is returned: one query a vault."""
        by_vault = {source.vault.uid: source for source in sources}
        wanted: dict[str, list[int]] = {}
        for one in ranked:
            wanted.setdefault(one.candidates.vault.uid, []).append(one.unit_id)
        units: dict[tuple[str, int], UnitRow] = {}
        cubes: dict[tuple[str, str], Cube] = {}
        for uid, unit_ids in wanted.items():
            rows, found = await self._read(by_vault[uid], unit_ids, asked)
            units.update(((uid, unit_id), row) for unit_id, row in rows.items())
            cubes.update(((uid, cube_id), cube) for cube_id, cube in found.items())
        hits: list[Hit] = []
        places: dict[tuple[str, str], int] = {}
        for one in ranked:
            uid = one.candidates.vault.uid
            row = units.get((uid, one.unit_id))
            cube = cubes.get((uid, row.cube_id)) if row is not None else None
            if row is None or cube is None:
                continue
            key = (uid, row.cube_id)
            seen = places.get(key) if asked.group_by_cube else None
            if seen is None and len(hits) >= asked.limit:
                continue
            unit = codec.open_unit(row, by_vault[uid].cipher).unit
            if seen is not None:
                hits[seen] = replace(hits[seen], more_units=(*hits[seen].more_units, unit))
                continue
            places[key] = len(hits)
            hits.append(Hit(cube, unit, one.score, _legs(one, weights), one.candidates.mount))
        return hits

    async def _read(
        self, source: _Source, unit_ids: Sequence[int], asked: SearchAsked
    ) -> tuple[dict[int, UnitRow], dict[str, Cube]]:
        rt, vault = self._rt, source.vault

        def load(conn: Connection) -> tuple[dict[int, UnitRow], dict[str, CubeRow]]:
            store = rt.store(conn)
            rows = store.units(vault.uid, unit_ids)
            return rows, store.cubes(vault.uid, list({row.cube_id for row in rows.values()}))

        units, rows = await rt.db.read(load)
        seen = [row for row in rows.values() if _may_be_seen(row, asked.selection)]
        cubes = await assemble(rt, vault, seen, source.cipher, full=asked.full)
        return units, {row.cube_id: cube for row, cube in zip(seen, cubes, strict=True)}

    async def _by_filter(self, sources: Sequence[_Source], asked: SearchAsked) -> list[Hit]:
        rt = self._rt
        hits: list[Hit] = []
        for source in sources:
            rows = await rt.db.read(
                bind(
                    rt,
                    methodcaller(
                        "select",
                        source.vault.uid,
                        asked.selection,
                        order="create_time",
                        after=None,
                        limit=asked.limit,
                    ),
                    source.cipher.token,
                )
            )
            cubes = await assemble(rt, source.vault, rows, source.cipher, full=asked.full)
            hits += [Hit(cube, None, 1.0, (), source.mount) for cube in cubes]
        hits.sort(key=lambda hit: hit.cube.descriptive.create_time.ToNanoseconds(), reverse=True)
        return hits[: asked.limit]

    async def _licensed(
        self, call: Call, sources: Sequence[_Source], hits: list[Hit], refusals: list[Refusal]
    ) -> tuple[list[Hit], list[GrantedUse]]:
        """Commit the uses of mounts that gave results, ask for single licensed cubes, and drop what is refused."""
        granted: dict[str, GrantedUse] = {}
        asked_already = {source.vault.agreement for source in sources if source.vault.agreement}
        found = {agreement for hit in hits for agreement in agreements_of(hit.cube)}
        for source in sources:
            if source.lease is None or not source.lease.held:
                continue
            used = any(hit.mount == source.mount for hit in hits)
            await source.lease.commit(None if used else [])
            granted.update((use.agreement, use) for use in source.lease.uses if used)
        refused: set[str] = set()
        for one in asked_for([hit.cube for hit in hits], RETRIEVE):
            if one.agreement in asked_already or one.agreement not in found:
                continue
            try:
                lease = await reserve(self._rt, call, [one])
            except PlatformError as error:
                refused.add(one.agreement)
                refusals.append(Refusal("", "", one.agreement, error.reason.value, error.message))
                continue
            await lease.commit()
            granted.update((use.agreement, use) for use in lease.uses)
        kept = [hit for hit in hits if not refused.intersection(agreements_of(hit.cube))]
        by_mount = {source.mount: source.vault.agreement for source in sources}
        return [_attributed(hit, by_mount[hit.mount], granted) for hit in kept], list(granted.values())

    def _note(self, sources: Sequence[_Source], hits: Sequence[Hit]) -> None:
        by_name = {source.vault.name: source.vault.uid for source in sources}
        for hit in hits:
            vault_name, _, cube_id = hit.cube.name.partition("/cubes/")
            self._uses.note(by_name[vault_name], [cube_id], "retrieve")


def _check(asked: SearchAsked) -> None:
    if len(asked.query) > MAX_QUERY_CHARS:
        raise invalid("query", f"at most {MAX_QUERY_CHARS} characters")
    if asked.vector is not None and not np.isfinite(asked.vector).all():
        raise invalid("query_vector", "must be finite")
    if asked.mode != TAGS and not asked.query.strip() and (asked.mode != SEMANTIC or asked.vector is None):
        raise invalid("query", "must be given")
    if asked.weights is not None and (min(asked.weights.values()) < 0 or max(asked.weights.values()) <= 0):
        raise invalid("weights", "must be 0 or more, at least one above 0")


def _may_be_seen(row: CubeRow, selection: Selection) -> bool:
    """Return whether a hit may still be shown: it may have changed since the filter was made."""
    over = row.expire_us is not None and row.expire_us <= selection.now_us and not row.frozen
    private = bool(selection.reader) and row.scope == 1 and row.owner != selection.reader
    return not over and not private


def _legs(one: Ranked, weights: Mapping[str, float]) -> tuple[LegPart, ...]:
    candidates = one.candidates
    return tuple(
        LegPart(
            leg=leg,
            score=float(np.nan_to_num(candidates.scores[leg][one.place])),
            normalised=one.normalised.get(leg, 0.0),
            weight=weights.get(leg, 0.0),
            rank=candidates.ranks[leg].get(one.unit_id, 0),
        )
        for leg in sorted(candidates.scores)
    )


def _attributed(hit: Hit, agreement: str, granted: Mapping[str, GrantedUse]) -> Hit:
    agreement = agreement or next(iter(agreements_of(hit.cube)), "")
    use = granted.get(agreement)
    own = next((one.attribution for one in hit.cube.governance.licences if one.agreement == agreement), "")
    return replace(hit, agreement=agreement, attribution=(use.attribution if use else "") or own)
