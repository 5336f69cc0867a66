"""Cubes as they were, ready to be searched: what the index no longer holds of them is made anew from their versions.

What is made is remembered beside what was opened lately: a version never changes, and all of it goes when anything of
its vault is forgotten. Units are kept sealed; in clear are their vectors, keyed terms, and what filters ask for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from memporium_services.vault.app import codec, content
from memporium_services.vault.app.as_of import row_then, told_of
from memporium_services.vault.app.columns import unit_works
from memporium_services.vault.app.reading import load_payloads
from memporium_services.vault.domain.lifecycle import Condition, State, searchable
from memporium_services.vault.domain.matching import admits
from memporium_services.vault.domain.selection import PRIVATE, ROLE

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence
    from typing import Any

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_services.vault.app.columns import UnitWork
    from memporium_services.vault.app.content import UnitDraft
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.search_sources import Source
    from memporium_services.vault.domain.matching import Told
    from memporium_services.vault.domain.rows import CubeRow, UnitRow
    from memporium_services.vault.domain.selection import Selection

Key = tuple[str, int]

# Cubes that are made at once.
_CHUNK = 256
# About what a keyed term and its count take in memory.
_TERM_BYTES = 100


@dataclass(frozen=True, slots=True)
class PastUnit:
    """A unit as it was: what would be stored and indexed of it, and its terms counted."""

    work: UnitWork
    own: Counter[str]
    context: Counter[str]


@dataclass(frozen=True, slots=True)
class PastCube:
    """A cube as it was.

    Attributes:
        row: As of then, but for how it is used.
        told: What filters ask for.
        private: Whether it was PRIVATE then.
        units: None of one that was archived or expired: such cubes are not searched by text.
    """

    row: CubeRow
    told: Told
    private: bool
    units: tuple[PastUnit, ...]

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        size = len(self.row.meta_sealed)
        for unit in self.units:
            size += len(unit.work.row.body_sealed) + _TERM_BYTES * (len(unit.own) + len(unit.context))
            size += unit.work.vector.nbytes if unit.work.vector is not None else 0
        return size

    def admitted(self, selection: Selection) -> bool:
        """Return whether it may be found."""
        hidden = bool(selection.reader) and self.private and self.row.owner != selection.reader
        return not hidden and admits(selection, self.told)

    def searched(self, selection: Selection, role_tokens: frozenset[str]) -> list[PastUnit]:
        """Return the units that a search by text may find."""
        if not self.admitted(selection):
            return []
        low, high = selection.event_min_us, selection.event_max_us
        found = []
        for unit in self.units:
            row = unit.work.row
            moment = self.row.event_us if row.event_us is None else row.event_us
            if role_tokens and row.role not in role_tokens:
                continue
            if (low is not None or high is not None) and moment is None:
                continue
            if moment is not None and ((low is not None and moment < low) or (high is not None and moment >= high)):
                continue
            found.append(unit)
        return found


class _Made(NamedTuple):
    """A cube on its way: as it was, its units' texts, and which vectors are still missing."""

    row: CubeRow
    cube: Cube
    drafts: list[UnitDraft]
    known: dict[str, NDArray[np.float32]]


async def past_cubes(rt: Runtime, source: Source, keys: Sequence[Key], *, vectors: bool) -> dict[Key, PastCube]:
    """Return cubes as of versions of them, as far as they are there, from memory where they were made lately.

    Args:
        rt: The ports.
        source: The vault.
        keys: Cubes' ids and versions.
        vectors: Whether they will be searched by meaning: texts that have changed since are embedded.

    Raises:
        PlatformError: What the embedder raises.
    """
    uid = source.vault.uid
    state = rt.opened.state(uid)
    # Those with vectors serve as well where none are asked for.
    usable = (True,) if vectors else (True, False)
    kept = rt.opened.get(uid, [_place(key, vectors=which) for key in keys for which in usable])
    found: dict[Key, PastCube] = {place[1:3]: one for place, one in kept.items()}  # type: ignore[index]  # places
    missing = [key for key in keys if key not in found]
    for start in range(0, len(missing), _CHUNK):
        made = await _make(rt, source, missing[start : start + _CHUNK], vectors=vectors)
        fresh: dict[Hashable, tuple[Any, int]] = {
            _place(key, vectors=vectors): (one, one.size) for key, one in made.items()
        }
        rt.opened.put(uid, fresh, state=state)
        found.update(made)
    return found


def role_tokens(source: Source, selection: Selection) -> frozenset[str]:
    """Return the keyed forms of the roles that a selection asks for."""
    return frozenset(source.cipher.token(ROLE, role) for role in selection.roles)


def _place(key: Key, *, vectors: bool) -> tuple[str, str, int, bool]:
    return ("past", *key, vectors)


async def _make(rt: Runtime, source: Source, keys: Sequence[Key], *, vectors: bool) -> dict[Key, PastCube]:
    vault, cipher = source.vault, source.cipher

    def load(conn: Connection) -> tuple[list[CubeRow], list[UnitRow]]:
        store = rt.store(conn)
        present = store.cubes(vault.uid, [cube_id for cube_id, _ in keys])
        stamps = store.versions_of(vault.uid, keys)
        pairs = [(present[stamp.cube_id], stamp) for stamp in stamps if stamp.cube_id in present]
        units = store.units_of(vault.uid, list(present)) if vectors and vault.dimensions else []
        return row_then(store, vault.uid, pairs), units

    rows, units = await rt.db.read(load)
    payloads = await load_payloads(rt, vault, rows, cipher)
    made = []
    stored: dict[str, list[UnitRow]] = {}
    for unit in units:
        stored.setdefault(unit.cube_id, []).append(unit)
    for row in rows:
        cube = codec.cube_of(vault, row, cipher, payload=payloads.get(row.cube_id))
        drafts = content.units_of(cube) if searchable(Condition(State(row.state))) else []
        opened = [codec.open_unit(unit, cipher) for unit in (stored.get(row.cube_id, ()) if drafts else ())]
        known = {one.indexed: one.vector for one in opened if one.vector is not None}
        made.append(_Made(row, cube, drafts, known))
    if vectors and vault.dimensions:
        await _embed(rt, source, made)
    return await asyncio.to_thread(_finish, source, made)


async def _embed(rt: Runtime, source: Source, made: Sequence[_Made]) -> None:
    """Give each text that has no vector any more one of the vault's model."""
    texts = dict.fromkeys(draft.indexed for one in made for draft in one.drafts if draft.indexed not in one.known)
    if not texts:
        return
    rows = codec.unit_vectors(await rt.embedder.embed(source.vault.embedding_model, list(texts)))
    # Where callers gave vectors of another length, what they gave for a text that is gone is gone with it.
    if rows.shape[1] != source.vault.dimensions:
        return
    by_text = dict(zip(texts, rows.astype(np.float32), strict=True))
    for one in made:
        for draft in one.drafts:
            if draft.indexed not in one.known:
                one.known[draft.indexed] = by_text[draft.indexed]


def _finish(source: Source, made: Iterable[_Made]) -> dict[Key, PastCube]:
    found = {}
    for row, cube, drafts, known in made:
        works, _ = unit_works(source.cipher, row.cube_id, cube.descriptive.language, drafts, None)
        units = []
        for work, draft in zip(works, drafts, strict=True):
            vector = known.get(draft.indexed)
            whole = replace(work, vector=vector)
            units.append(PastUnit(whole, Counter(work.terms), Counter(work.context_terms)))
        then = replace(row, event_us=content.event_us_of(cube))
        private = cube.governance.access_scope == PRIVATE
        found[row.cube_id, row.version] = PastCube(then, told_of(row, cube), private, tuple(units))
    return found
