"""Consolidates: gathers new episodes into scenes, and notes which episodes tell of whom. Incremental, idempotent.

A scene's or profile's cube holds references and no text, so that nothing in it outlives an episode that was forgotten;
the vault removes such a cube together with a parent that is forgotten, and the next consolidation makes it anew.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.errors import PlatformError, invalid
from memporium_services.reader.domain.profiles import facts_in
from memporium_services.reader.domain.scenes import CENTRE_MEMBERS, Cluster, Member, open_clusters, place, unit
from memporium_services.reader.domain.sentences import pieces
from memporium_services.reader.ports_cells import Derived, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_services.reader.ports_cells import Cell, CellStore
    from memporium_services.reader.settings import ReaderSettings

PROFILE, SCENE = 6, 7  # numbers of memporium.cube.v1.SemanticType
# Of an episode, what is embedded: so many pieces of so many characters.
_PIECES, _PIECE_CHARS = 4, 800
# Episodes that a profile refers to; those that state facts stay, of the others the newest.
MOST_PROFILE_MEMBERS = 256
# References to episodes that are not to be seen, of which one call finds out whether they exist.
_MOST_CHECKED = 256
# Characters of a profile's id by which a scene notes whose profiles an episode belongs to.
_SHORT = 12
STATES, SPEAKS = "states", "speaks"
# Roles of speakers that are no persons.
_NOT_PERSONS = frozenset({"assistant", "system", "tool", "bot"})


@dataclass(frozen=True, slots=True)
class Order:
    """What to consolidate, and how; None: as the vault says, or the settings."""

    parent: str
    persona: str = ""
    threshold: float | None = None
    gap: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """An agreement that does not permit to make something of its memory, and how many episodes that left out."""

    agreement: str
    reason: str
    message: str
    episodes: int


@dataclass(frozen=True, slots=True)
class Consolidated:
    """What consolidation changed."""

    created: int
    updated: int
    scenes: int
    new_episodes: int
    profiles: tuple[str, ...]
    remaining: int = 0
    refused: tuple[Refused, ...] = ()


class Consolidating:
    """Keeps scenes and profiles up to date with the episodes of a vault."""

    def __init__(self, store: CellStore, settings: ReaderSettings) -> None:
        """Work on the vault's cells."""
        self._store, self._settings = store, settings

    async def consolidate(self, order: Order) -> Consolidated:
        """Bring scenes and profiles up to date; a second call changes nothing.

        Episodes whose licence does not permit it are left out; the others are consolidated.

        Raises:
            PlatformError: INVALID_FIELD, ETAG_MISMATCH where another consolidation runs, and what the vault raises.
        """
        refused: dict[str, Refused] = {}
        while True:
            try:
                done = await self._consolidated(order, frozenset(refused))
            except PlatformError as error:
                one = await self._refusal(order, error, refused)
                if one is None:
                    raise
                # What was made until then stays, and is found again.
                refused[one.agreement] = one
                continue
            return replace(done, refused=tuple(refused.values()))

    async def _refusal(self, order: Order, error: PlatformError, refused: Mapping[str, Refused]) -> Refused | None:
        """Return which agreement an error comes from, or None where leaving its episodes out is of no help."""
        agreement = error.metadata.get("agreement", "")
        if not error.reason.startswith("LICENCE_") or not agreement or agreement in refused:
            return None
        outlines = await self._store.outlines(order.parent, persona=order.persona)
        count = sum(agreement in one.agreements for one in outlines)
        return Refused(agreement, error.reason.value, error.message, count) if count else None

    async def _consolidated(self, order: Order, refused: frozenset[str]) -> Consolidated:
        threshold, gap = await self._limits(order)
        if not 0 <= threshold <= 1:
            raise invalid("threshold", "must be 0 to 1")
        if not timedelta(0) < gap <= timedelta(days=36_500):
            raise invalid("gap", "must be above 0, at most 100 years")
        outlines = await self._store.outlines(order.parent, persona=order.persona)
        present = {one.cube: one for one in outlines if refused.isdisjoint(one.agreements)}
        scenes = await self._store.derived(order.parent, SCENE, persona=order.persona)
        profiles = await self._store.derived(order.parent, PROFILE, persona=order.persona)
        held = {member.cube for one in (*scenes, *profiles) for member in one.members}
        # What the caller may not see stays as it is, what does not exist goes.
        gone = await self._store.gone(order.parent, sorted(held - set(present))[:_MOST_CHECKED])
        # What something may no longer be made of leaves the scenes that it was in.
        gone |= {one.cube for one in outlines} - set(present)
        placed = {member.cube for scene in scenes for member in scene.members}
        waiting = sorted((one for one in present.values() if one.cube not in placed), key=lambda one: one.start)
        some_new = [one.cube for one in waiting[: self._settings.consolidate_episodes]]
        cells = {cell.outline.cube: cell for cell in await self._store.cells(order.parent, some_new)}
        new = [present[name] for name in cells]
        clusters = {
            persona: [_cluster(scene, gone) for scene in scenes if scene.persona == persona]
            for persona in {one.persona for one in present.values()} | {one.persona for one in scenes}
        }
        for persona, some in clusters.items():
            members = [Member(one.cube, one.start) for one in new if one.persona == persona]
            if members:
                vectors = await self._vectors(order.parent, members, open_clusters(some, members, gap), cells)
                await asyncio.to_thread(place, members, some, vectors, threshold=threshold, gap=gap)
        # Whose profiles an episode belongs to.
        marks = {member.cube: member.mark for scene in scenes for member in scene.members}
        marks |= {name: _mark(cell) for name, cell in cells.items()}
        created, updated = await self._keep_scenes(order, scenes, clusters, marks)
        # Episodes of a profile that is not there: it went with an episode that was forgotten.
        known = {one.cube_id[-_SHORT:] for one in profiles}
        lost = [name for name in present if name not in cells and set(marks.get(name, "").split()) - known]
        some_lost = lost[: self._settings.consolidate_episodes]
        cells |= {cell.outline.cube: cell for cell in await self._store.cells(order.parent, some_lost)}
        subjects = await self._keep_profiles(order, {one.cube_id: one for one in profiles}, cells, gone)
        shown = sum(
            any(member.cube in present for member in cluster.members) for some in clusters.values() for cluster in some
        )
        remaining = len(waiting) - len(some_new)
        return Consolidated(created, updated, shown, len(new), subjects, remaining)

    async def _limits(self, order: Order) -> tuple[float, timedelta]:
        """Return threshold and gap: those of the order, else of the vault, else of the settings."""
        threshold, gap = order.threshold, order.gap
        if threshold is None or gap is None:
            wanted, wanted_gap = await self._store.limits(order.parent)
            threshold = wanted if threshold is None else threshold
            gap = wanted_gap if gap is None else gap
        return (
            self._settings.scene_threshold if threshold is None else threshold,
            timedelta(days=self._settings.scene_gap_days) if gap is None else gap,
        )

    async def _vectors(
        self, parent: str, new: Sequence[Member], near: Sequence[Cluster], cells: Mapping[str, Cell]
    ) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of new episodes and of the last ones of scenes that they may join."""
        old = [member.cube for cluster in near for member in cluster.members[-CENTRE_MEMBERS:]]
        texts = {name: _said(cells[name]) for name in (member.cube for member in new)}
        texts |= {cell.outline.cube: _said(cell) for cell in await self._store.cells(parent, old)}
        parts = [(name, piece) for name, text in texts.items() for piece in text]
        rows = await self._store.vectors(parent, [piece for _name, piece in parts])
        found: dict[str, list[NDArray[np.float32]]] = {}
        for (name, _piece), row in zip(parts, rows, strict=True):
            found.setdefault(name, []).append(row)
        return {name: unit(np.mean(some, axis=0)) for name, some in found.items()}

    async def _keep_scenes(
        self,
        order: Order,
        scenes: Sequence[Derived],
        clusters: Mapping[str, list[Cluster]],
        marks: Mapping[str, str],
    ) -> tuple[int, int]:
        before = {scene.name: scene for scene in scenes}
        fresh: list[Derived] = []
        updated = 0
        for persona, some in clusters.items():
            for cluster in some:
                members = tuple(Reference(one.cube, one.start, marks[one.cube]) for one in cluster.members)
                if not cluster.name:
                    fresh.append(Derived(_id("scene", members[0].cube), SCENE, persona, members))
                elif members != before[cluster.name].members:
                    await self._store.change(replace(before[cluster.name], members=members))
                    updated += 1
        await self._store.make(order.parent, fresh)
        return len(fresh), updated

    async def _keep_profiles(
        self, order: Order, profiles: Mapping[str, Derived], cells: Mapping[str, Cell], gone: frozenset[str]
    ) -> tuple[str, ...]:
        """Note which episodes tell of whom; return the persons whose profiles changed."""
        gained: dict[str, list[Reference]] = {}
        subjects: dict[str, tuple[str, str]] = {}
        for cell in cells.values():
            for subject, mark in _speakers(cell).items():
                cube_id = profile_id(cell.outline.persona, subject)
                subjects[cube_id] = (subject, cell.outline.persona)
                gained.setdefault(cube_id, []).append(Reference(cell.outline.cube, cell.outline.start, mark))
        changed, fresh = [], []
        for cube_id in sorted({*profiles, *gained}):
            old = profiles.get(cube_id)
            members = _bounded([*(old.members if old else ()), *gained.get(cube_id, ())], gone)
            if old is None:
                fresh.append(Derived(cube_id, PROFILE, subjects[cube_id][1], members))
            elif members != old.members:
                await self._store.change(replace(old, members=members))
            else:
                continue
            changed.append(subjects.get(cube_id, ("", ""))[0])
        await self._store.make(order.parent, fresh)
        return tuple(sorted({subject for subject in changed if subject}))


def profile_id(persona: str, subject: str) -> str:
    """Return the id of a person's profile; it does not tell the name."""
    return _id("profile", f"{persona}\x00{subject.casefold()}")


def is_person(role: str) -> bool:
    """Say whether a speaker in this role is a person."""
    return role.casefold() not in _NOT_PERSONS


def _id(kind: str, content: str) -> str:
    return f"{kind}-{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def _cluster(scene: Derived, gone: frozenset[str]) -> Cluster:
    """Return a scene without those of its episodes that do not exist."""
    return Cluster(scene.name, [Member(one.cube, one.start) for one in scene.members if one.cube not in gone])


def _said(cell: Cell) -> list[str]:
    """Return what is embedded of an episode: what was said, without speakers and dates, which all have in common."""
    text = "\n".join(told.said for told in cell.told) or cell.text
    return pieces(text, most_chars=_PIECE_CHARS)[:_PIECES] or [cell.outline.title or cell.outline.cube]


def _speakers(cell: Cell) -> dict[str, str]:
    """Return the persons who speak in an episode, and whether they state something of themselves."""
    found: dict[str, str] = {}
    for told in cell.told:
        speaker = told.span.speaker
        if speaker and is_person(told.role) and found.get(speaker) != STATES:
            found[speaker] = STATES if facts_in(told) else SPEAKS
    return found


def _mark(cell: Cell) -> str:
    """Return in short whose profiles an episode belongs to."""
    return " ".join(sorted(profile_id(cell.outline.persona, speaker)[-_SHORT:] for speaker in _speakers(cell)))


def _bounded(members: Sequence[Reference], gone: frozenset[str]) -> tuple[Reference, ...]:
    """Return the references that hold, each once, in order of time; where they are too many, the most telling."""
    known = {one.cube: one for one in members if one.cube not in gone}
    best = sorted(known.values(), key=lambda one: (one.mark == STATES, one.start, one.cube), reverse=True)
    return tuple(sorted(best[:MOST_PROFILE_MEMBERS], key=lambda one: (one.start, one.cube)))
