"""Brings the scenes and profiles that the best statements lie in, read from the episodes that are there."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason
from memporium_services.reader.app.consolidating import PROFILE, STATES, is_person, profile_id
from memporium_services.reader.domain.claim_questions import asked_keys
from memporium_services.reader.domain.gists import Gist, fitted, lines_of, narrative
from memporium_services.reader.domain.profiles import facts_of
from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.profiles import Told
    from memporium_services.reader.ports_cells import Cell, Derived, SceneSource

# Statements that scenes are looked for by, scenes of one recollection, and persons.
_BEST, _SCENES, _PERSONS = 10, 2, 2
# How long before a statement its scene may have begun to be found.
_BEFORE = timedelta(days=120)
# Episodes of one scene or profile that are read: the last ones.
_MOST_CELLS = 32
_MAY_LACK = frozenset({Reason.PERMISSION_DENIED, Reason.NOT_FOUND})
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class Gathering:
    """Reads what stands above single statements."""

    def __init__(self, source: SceneSource) -> None:
        """Read from the vault."""
        self._source = source

    async def gists(
        self,
        parent: str,
        query: str,
        best: Sequence[Candidate],
        *,
        names: Sequence[str],
        persona: str,
        scenes: bool,
        profiles: bool,
        known: datetime | None,
        budget_tokens: int,
    ) -> tuple[Gist, ...]:
        """Return the lines that fit into their share of the budget: profiles first, then scenes.

        Args:
            parent: The vault.
            query: The question.
            best: Statements, best first.
            names: Persons that the question names.
            persona: Role stream; "": the principal's own.
            scenes: Whether scenes are wanted.
            profiles: Whether profiles are wanted.
            known: Only what was said before; None: all.
            budget_tokens: Of the whole context.

        Raises:
            PlatformError: What the vault raises; who may not read whole episodes gets none of these lines.
        """
        stems = set(terms(query)) - {stem for name in names for stem in terms(name)}
        found: list[Gist] = []
        try:
            if profiles:
                for name in names[:_PERSONS]:
                    found += await self._profile(parent, name, persona=persona, query=query, stems=stems, known=known)
            if scenes:
                found += await self._scenes(parent, best[:_BEST], persona=persona, stems=stems, known=known)
        except PlatformError as error:
            if error.reason in _MAY_LACK:
                return ()
            raise
        return fitted(found, budget_tokens=budget_tokens)

    async def _profile(
        self, parent: str, name: str, *, persona: str, query: str, stems: set[str], known: datetime | None
    ) -> list[Gist]:
        cube = await self._source.derived_named(f"{parent}/cubes/{profile_id(persona, name)}", PROFILE)
        if cube is None:
            return []
        telling = [one.cube for one in cube.members if one.mark == STATES][-_MOST_CELLS:]
        told = _told(await self._source.cells(parent, telling), known)
        own = [one for one in told if one.span.speaker.casefold() == name.casefold() and is_person(one.role)]
        facts = await asyncio.to_thread(facts_of, own)
        return lines_of(cube.name, cube.version, name, facts, asked=stems, keys=frozenset(asked_keys(query)))

    async def _scenes(
        self, parent: str, best: Sequence[Candidate], *, persona: str, stems: set[str], known: datetime | None
    ) -> list[Gist]:
        own = [one for one in best if not one.mount]
        times = [_time(one) for one in own if _time(one) != _LONG_AGO]
        if not times:
            return []
        near = await self._source.scenes_begun(parent, min(times) - _BEFORE, max(times), persona=persona)
        chosen = _chosen(near, own)
        texts = {one.text for one in best}
        found: list[Gist] = []
        for scene in chosen:
            cells = await self._source.cells(parent, [one.cube for one in scene.members][-_MOST_CELLS:])
            told = _told(cells, known)
            if told:
                gist = await asyncio.to_thread(
                    narrative,
                    scene.name,
                    scene.version,
                    told,
                    episodes=len(scene.members),
                    asked=stems,
                    known=texts,
                )
                found += [gist] if gist is not None else []
        return found


def _chosen(scenes: Sequence[Derived], best: Sequence[Candidate]) -> list[Derived]:
    """Return the scenes that hold at least two of the best statements, or the best, by how good these are."""
    weights: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for scene in scenes:
        members = {one.cube for one in scene.members}
        for place, one in enumerate(best):
            if one.cube in members:
                weights[scene.name] += 1 / (1 + place)
                counts[scene.name] += 1 if place else 2
    holding = [scene for scene in scenes if counts[scene.name] > 1]
    return sorted(holding, key=lambda scene: (-weights[scene.name], scene.name))[:_SCENES]


def _told(cells: Sequence[Cell], known: datetime | None) -> list[Told]:
    return [told for cell in cells for told in cell.told if known is None or told.time < known]


def _time(one: Candidate) -> datetime:
    return one.source_time or one.event_time or _LONG_AGO
