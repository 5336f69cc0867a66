"""Consolidates: gathers new episodes into scenes, and notes which episodes tell of whom. Incremental, idempotent.

A scene's or profile's cube holds references and no text, so that nothing in it outlives an episode that was forgotten;
the vault removes such a cube together with a parent that is forgotten, and the next consolidation makes it anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.errors import invalid
from memporium_services.reader.domain.profiles import facts_in
from memporium_services.reader.domain.scenes import CENTRE_MEMBERS, Cluster, Member, open_clusters, place, unit
from memporium_services.reader.domain.sentences import pieces
from memporium_services.reader.ports_cells import Derived, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_services.reader.ports_cells import Cell, CellStore, Outline
    from memporium_services.reader.settings import ReaderSettings

PROFILE, SCENE = 6, 7  # numbers of memporium.cube.v1.SemanticType
# Of an episode, what is embedded: so many pieces of so many characters.
_PIECES, _PIECE_CHARS = 4, 800
# Episodes that a profile refers to; those that state facts stay, of the others the newest.
MOST_PROFILE_MEMBERS = 256
# Characters of a profile's id by which a scene notes whose profiles an episode belongs to.
_SHORT = 12
STATES, SPEAKS = "states", "speaks"
# Roles of speakers that are no persons.
_NOT_PERSONS = frozenset({"assistant", "system", "tool", "bot"})


@dataclass(frozen=True, slots=True)
class Order:
    """What to consolidate, and how; None: as the settings say."""

    parent: str
    persona: str = ""
    request_id: str = ""
    threshold: float | None = None
    gap: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Consolidated:
    """What consolidation changed."""

    created: int
    updated: int
    scenes: int
    new_episodes: int
    profiles: tuple[str, ...]


class Consolidating:
    """Keeps scenes and profiles up to date with the episodes of a vault."""

    def __init__(self, store: CellStore, settings: ReaderSettings) -> None:
        """Work on the vault's cells."""
        self._store, self._settings = store, settings

    async def consolidate(self, order: Order) -> Consolidated:
        """Bring scenes and profiles up to date; a second call changes nothing.

        Raises:
            PlatformError: INVALID_FIELD, ETAG_MISMATCH where another consolidation runs, and what the vault raises.
        """
        threshold = self._settings.scene_threshold if order.threshold is None else order.threshold
        gap = timedelta(days=self._settings.scene_gap_days) if order.gap is None else order.gap
        if not 0 <= threshold <= 1:
            raise invalid("threshold", "must be 0 to 1")
        if not timedelta(0) < gap <= timedelta(days=36_500):
            raise invalid("gap", "must be above 0, at most 100 years")
        present = {one.cube: one for one in await self._store.outlines(order.parent, persona=order.persona)}
        scenes = await self._store.derived(order.parent, SCENE, persona=order.persona)
        placed = {member.cube for scene in scenes for member in scene.members}
        cells = {
            cell.outline.cube: cell
            for cell in await self._store.cells(order.parent, [name for name in present if name not in placed])
        }
        new = [present[name] for name in cells]
        clusters = {
            persona: [_cluster(scene, present) for scene in scenes if scene.persona == persona]
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
        subjects = await self._keep_profiles(order, present, cells, marks)
        held = sum(bool(cluster.members) for some in clusters.values() for cluster in some)
        return Consolidated(created, updated, held, len(new), subjects)

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
                    await self._change(order, replace(before[cluster.name], members=members))
                    updated += 1
        await self._store.make(order.parent, fresh, request_id=_request(order, "scenes"))
        return len(fresh), updated

    async def _keep_profiles(
        self, order: Order, present: Mapping[str, Outline], cells: Mapping[str, Cell], marks: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Note which episodes tell of whom; return the persons whose profiles changed."""
        profiles = {one.cube_id: one for one in await self._store.derived(order.parent, PROFILE, persona=order.persona)}
        known = {cube_id[-_SHORT:] for cube_id in profiles}
        # Episodes of a profile that is not there: it went with an episode that was forgotten.
        lost = [name for name in present if name not in cells and set(marks.get(name, "").split()) - known]
        cells = dict(cells) | {cell.outline.cube: cell for cell in await self._store.cells(order.parent, lost)}
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
            members = _bounded([*(old.members if old else ()), *gained.get(cube_id, ())], present)
            if old is None:
                fresh.append(Derived(cube_id, PROFILE, subjects[cube_id][1], members))
            elif members != old.members:
                await self._change(order, replace(old, members=members))
            else:
                continue
            changed.append(subjects.get(cube_id, ("", ""))[0])
        await self._store.make(order.parent, fresh, request_id=_request(order, "profiles"))
        return tuple(sorted({subject for subject in changed if subject}))

    async def _change(self, order: Order, cube: Derived) -> None:
        await self._store.change(cube, request_id=_request(order, cube.name))


def profile_id(persona: str, subject: str) -> str:
    """Return the id of a person's profile; it does not tell the name."""
    return _id("profile", f"{persona}\x00{subject.casefold()}")


def is_person(role: str) -> bool:
    """Say whether a speaker in this role is a person."""
    return role.casefold() not in _NOT_PERSONS


def _id(kind: str, content: str) -> str:
    return f"{kind}-{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def _request(order: Order, what: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{order.request_id}\x00{what}")) if order.request_id else ""


def _cluster(scene: Derived, present: Mapping[str, Outline]) -> Cluster:
    """Return a scene with those of its episodes that are still there."""
    return Cluster(scene.name, [Member(one.cube, one.start) for one in scene.members if one.cube in present])


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


def _bounded(members: Sequence[Reference], present: Mapping[str, Outline]) -> tuple[Reference, ...]:
    """Return the references that hold, each once, in order of time; where they are too many, the most telling."""
    known = {one.cube: one for one in members if one.cube in present}
    best = sorted(known.values(), key=lambda one: (one.mark == STATES, one.start, one.cube), reverse=True)
    return tuple(sorted(best[:MOST_PROFILE_MEMBERS], key=lambda one: (one.start, one.cube)))
