"""Search of a vault as it was at an earlier revision or time.

The index holds what is now. Cubes that have not changed since are found in it; those that have are made anew from their
versions and ranked beside it, by the same scores. See docs/adr/0070-search-as-of.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from memporium_platform.errors import PlatformError, Reason, not_found
from memporium_services.vault.app import codec
from memporium_services.vault.app.as_of import moment_of
from memporium_services.vault.app.past_cubes import past_cubes, role_tokens
from memporium_services.vault.app.past_ranking import PastUnits, search_then
from memporium_services.vault.app.ranking import HYBRID, Candidates, legs_of, rank
from memporium_services.vault.app.search_hits import HitRows, load_rows
from memporium_services.vault.app.search_sources import leg_weights
from memporium_services.vault.app.unit_contents import OpenedUnits, open_units
from memporium_services.vault.domain.rows import FoundUnit, VaultRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_services.vault.app.as_of import Moment
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.past_cubes import Key, PastCube
    from memporium_services.vault.app.ranking import Question, Ranked, Ranking
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.search_results import SearchAsked, UnitsAsked
    from memporium_services.vault.app.search_sources import Source
    from memporium_services.vault.domain.rows import CubeRow
    from memporium_services.vault.domain.selection import Selection
    from memporium_services.vault.ports import Store

T = TypeVar("T")
A = TypeVar("A", "SearchAsked", "UnitsAsked")

# Looks at the store: each but the last may find that more has changed meanwhile, or that the index is behind.
_TRIES = 8


class PastHits(NamedTuple):
    """What one question found: the rows behind it, and how many units were made anew to be ranked."""

    candidates: Candidates
    ranked: list[Ranked]
    weights: dict[str, float]
    rows: HitRows
    past_units: int


class PastRankings(NamedTuple):
    """What several questions found: units opened, and how many were made anew to be ranked."""

    candidates: list[Candidates]
    ranked: list[list[Ranked]]
    opened: OpenedUnits
    past_units: int


class _Missing(NamedTuple):
    """Cubes as of versions that have yet to be made."""

    keys: list[Key]


def at_moment(vault: VaultRow, asked: A) -> A:
    """Return what is asked of the past, with the selection for what has not changed since.

    Of states, what was noted then counts: not whether the cube's time was over.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    moment = moment_of(vault, asked.moment, field="read")
    selection = replace(asked.selection, newest_revision=moment.revision, newest_us=moment.time_us, now_us=0)
    return replace(asked, selection=selection)


class PastSearch:
    """Searches one vault's past."""

    def __init__(self, rt: Runtime, ranking: Ranking, follower: IndexFollower) -> None:
        """Work on these ports."""
        self._rt, self._ranking, self._follower = rt, ranking, follower

    async def cubes(
        self,
        source: Source,
        moment: Moment,
        asked: Question,
        *,
        limit: int,
        weights: Mapping[str, float] | None,
        full: bool,
    ) -> PastHits:
        """Return what ranking finds, with the rows behind it; with `full`, those of payloads, too.

        Raises:
            PlatformError: FAILED_PRECONDITION (too much has changed since), CONFLICT, and what the embedder raises.
        """

        def look(store: Store, now: Source, past: PastUnits) -> PastHits | None:
            found = self._candidates(store, now, past, asked)
            if found is None:
                return None
            ranked, used = rank([found], weights, limit)
            rows = load_rows(store, [one for one in ranked if one.unit_id > 0], full=full)
            _add_rows(store, rows, now, past, ranked, full=full)
            return PastHits(found, ranked, used, rows, len(past.units))

        return await self._look(source, moment, asked, look)

    async def units(
        self, source: Source, moment: Moment, asked: Sequence[tuple[Question, bool]], *, limit: int
    ) -> PastRankings:
        """Return what ranking finds for each question, the units opened but for those asked for scores alone.

        Raises:
            PlatformError: As `cubes`.
        """
        rt = self._rt

        def look(store: Store, now: Source, past: PastUnits) -> PastRankings | None:
            every: list[Candidates] = []
            ranked: list[list[Ranked]] = []
            wanted: dict[int, bool] = {}
            for question, scores_only in asked:
                found = self._candidates(store, now, past, question)
                if found is None:
                    return None
                every.append(found)
                given = leg_weights(source, None) if question.mode == HYBRID else None
                ranked.append(rank([found], given, limit)[0])
                for one in ranked[-1]:
                    wanted[one.unit_id] = wanted.get(one.unit_id, False) or not scores_only
            content = {unit_id for unit_id, is_wanted in wanted.items() if is_wanted}
            present = open_units(rt, store, now, [one for one in wanted if one > 0], content)
            return PastRankings(every, ranked, _opened(present, now, past, wanted, content), len(past.units))

        # They differ in what they ask; which one may find which unit is the same for all.
        embedded = [question for question, _ in asked if question.vector is not None]
        return await self._look(source, moment, embedded[0] if embedded else asked[0][0], look)

    async def listed(self, source: Source, moment: Moment, selection: Selection, *, limit: int) -> list[CubeRow]:
        """Return the rows of cubes that a filter admits, the newest first.

        Raises:
            PlatformError: FAILED_PRECONDITION (too much has changed since), CONFLICT.
        """

        def look(store: Store, now: Source, cubes: Sequence[PastCube]) -> list[CubeRow]:
            same = store.select(now.vault.uid, selection, order="create_time", after=None, limit=limit)
            rows = [*same, *(one.row for one in cubes if one.admitted(selection))]
            return sorted(rows, key=lambda row: row.create_us, reverse=True)[:limit]

        return await self._at(source, moment, selection.reader, vectors=False, look=look)

    async def _look(
        self,
        source: Source,
        moment: Moment,
        asked: Question,
        look: Callable[[Store, Source, PastUnits], T | None],
    ) -> T:
        roles = role_tokens(source, asked.selection)

        def with_units(store: Store, now: Source, cubes: Sequence[PastCube]) -> T | None:
            pairs = [(one, unit) for one in cubes for unit in one.searched(asked.selection, roles)]
            past = PastUnits(tuple(unit for _, unit in pairs), tuple(one for one, _ in pairs))
            return look(store, now, past)

        return await self._at(source, moment, asked.selection.reader, vectors=asked.vector is not None, look=with_units)

    async def _at(
        self,
        source: Source,
        moment: Moment,
        reader: str,
        *,
        vectors: bool,
        look: Callable[[Store, Source, Sequence[PastCube]], T | None],
    ) -> T:
        """Look at the store with all that has changed since a moment as it was then, all of one snapshot."""
        rt = self._rt
        made: dict[Key, PastCube] = {}

        def run(conn: Connection) -> T | _Missing | VaultRow:
            store = rt.store(conn, source.cipher.token)
            vault = store.vault_by_uid(source.vault.uid)
            if vault is None:
                raise not_found(source.vault.name)
            keys = store.changed_since(vault, revision=moment.revision, moment_us=moment.time_us, reader=reader)
            if len(keys) > rt.settings.max_past_cubes:
                raise _too_many(vault, len(keys))
            missing = [key for key in keys if key not in made]
            if missing:
                return _Missing(missing)
            found = look(store, replace(source, vault=vault), [made[key] for key in keys])
            return vault if found is None else found

        for _ in range(_TRIES):
            done = await rt.db.read(run)
            if isinstance(done, _Missing):
                made.update(await past_cubes(rt, source, done.keys, vectors=vectors))
            elif isinstance(done, VaultRow):
                await self._follower.repair(done)
            else:
                return done
        message = f"{source.vault.name} changes too fast"
        raise PlatformError(Reason.CONFLICT, message, metadata={"resource": source.vault.name})

    def _candidates(self, store: Store, source: Source, past: PastUnits, asked: Question) -> Candidates | None:
        vault = source.vault
        empty = Candidates(vault, source.mount, np.zeros(0, np.int64), {}, {})
        if vault.dimensions == 0:
            return empty
        index = self._ranking.index_of(vault)
        if index is None:
            return None
        allowed = self._ranking.allowed(store, vault, asked.selection)
        if allowed is None or (not len(allowed) and not past.units):
            return empty
        if past.has_context:
            vault = replace(vault, context_units=max(1, vault.context_units))
        legs, terms = legs_of(vault, source.cipher, asked)
        found = search_then(index, past, legs, terms, asked.vector, count=asked.count, allowed=allowed)
        return Candidates(source.vault, source.mount, *found)


def _too_many(vault: VaultRow, count: int) -> PlatformError:
    text = f"{count} memories of {vault.name} have changed since; branch off from it as of then, and search the branch"
    return PlatformError(Reason.FAILED_PRECONDITION, text, metadata={"resource": vault.name, "changed": str(count)})


def _add_rows(
    store: Store, rows: HitRows, source: Source, past: PastUnits, ranked: Sequence[Ranked], *, full: bool
) -> None:
    """Add the rows behind units that were made anew."""
    uid = source.vault.uid
    for one in ranked:
        if one.unit_id < 0:
            cube, unit = past.at(one.unit_id)
            rows.units[uid, one.unit_id] = unit.work.row
            rows.cubes[uid, cube.row.cube_id] = cube.row
    if full:
        missing = [row for row in rows.cubes.values() if (uid, row.cube_id) not in rows.payloads]
        stored = store.payloads(uid, [(row.cube_id, row.payload_version) for row in missing])
        rows.payloads.update(((uid, cube_id), payload) for (cube_id, _), payload in stored.items())


def _opened(
    present: OpenedUnits, source: Source, past: PastUnits, wanted: Collection[int], content: Collection[int]
) -> OpenedUnits:
    """Return what was opened of now, with the units of then."""
    found, units, cubes = dict(present.found), dict(present.units), dict[str, "Cube"](present.cubes)
    for unit_id in wanted:
        if unit_id > 0:
            continue
        cube, unit = past.at(unit_id)
        row = cube.row
        found[unit_id] = FoundUnit(
            unit_id,
            row.cube_id,
            unit.work.row.ordinal,
            row.uid,
            row.version,
            row.form,
            row.scope,
            row.owner,
            row.expire_us,
            row.frozen,
        )
        if unit_id in content:
            work = unit.work.row
            units[unit_id] = codec.unit_in(work.body_sealed, source.cipher, work.cube_id, work.ordinal)
        if row.cube_id not in cubes:
            cubes[row.cube_id] = codec.cube_of(source.vault, row, source.cipher)
    return OpenedUnits(found, units, cubes, any(cube.governance.licences for cube in cubes.values()))
