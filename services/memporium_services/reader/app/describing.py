"""Describes scenes, profiles and expectations as they are now: all text is read from the episodes that are there."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_services.reader.app.consolidating import PROFILE, SCENE, is_person, profile_id
from memporium_services.reader.domain.profiles import facts_of, traits_of
from memporium_services.reader.domain.scenes import representatives

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from memporium_services.reader.domain.profiles import ProfileFact, Told, Trait
    from memporium_services.reader.domain.values import Prospect
    from memporium_services.reader.ports_cells import CellStore, Derived, Outline

DEFAULT_PAGE, MOST_PAGE = 50, 1_000
_MOST_ENTITIES = 16


@dataclass(frozen=True, slots=True)
class SceneView:
    """A scene as it is now; `summary` empty where it was not asked for."""

    cube: Derived
    members: tuple[Outline, ...]
    entities: tuple[str, ...]
    summary: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A profile as it is now."""

    cube: Derived
    subject: str
    facts: tuple[ProfileFact, ...]
    traits: tuple[Trait, ...]


class Status(StrEnum):
    """Whether an expectation holds; see `ForesightStatus` in the protos."""

    PENDING = "PENDING"
    VALID = "VALID"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Expected:
    """An expectation, where it lies and whether it holds."""

    cube: str
    persona: str
    prospect: Prospect
    status: Status


class Describing:
    """Reads what consolidation made."""

    def __init__(self, store: CellStore) -> None:
        """Work on the vault's cells."""
        self._store = store

    async def scenes(self, parent: str, *, persona: str, size: int, token: str) -> tuple[list[SceneView], str]:
        """Return a page of scenes, without summaries, and the token of the next one; emptied scenes are left out.

        Raises:
            PlatformError: INVALID_FIELD and what the vault raises.
        """
        page, following = await self._store.derived_page(
            parent, SCENE, persona=persona, size=_page_size(size), token=token
        )
        outlines = await self._outlines(parent, page)
        views = [_scene_view(cube, outlines) for cube in page]
        return [view for view in views if view.members], following

    async def scene(self, name: str) -> SceneView:
        """Return a scene with its summary.

        Raises:
            PlatformError: NOT_FOUND where there is none of that name, and what the vault raises.
        """
        cube = await self._store.derived_named(name, SCENE)
        if cube is None:
            raise not_found(name)
        parent = _vault_of(name)
        view = _scene_view(cube, await self._outlines(parent, [cube]))
        if not view.members:
            raise not_found(name)
        cells = await self._store.cells(parent, [one.cube for one in view.members])
        told = [told for cell in sorted(cells, key=lambda one: one.outline.start) for told in cell.told]
        chosen = await asyncio.to_thread(representatives, [one.said for one in told])
        return SceneView(cube, view.members, view.entities, tuple(told[index] for index in chosen))

    async def profile(self, parent: str, subject: str, *, persona: str, now: datetime) -> ProfileView:
        """Return what memory knows of a person.

        Raises:
            PlatformError: NOT_FOUND where there is no profile of that person, and what the vault raises.
        """
        name = f"{parent}/cubes/{profile_id(persona, subject.strip())}"
        cube = await self._store.derived_named(name, PROFILE)
        if cube is None:
            raise _no_profile(name, subject.strip(), persona)
        cells = await self._store.cells(parent, [one.cube for one in cube.members])
        told = [told for cell in cells for told in cell.told if is_person(told.role)]
        wanted = subject.strip().casefold()
        own = [one for one in told if one.span.speaker.casefold() == wanted]
        if not own:
            raise _no_profile(name, subject.strip(), persona)
        others = [one for one in told if one.span.speaker.casefold() != wanted]
        facts = await asyncio.to_thread(facts_of, own)
        traits = await asyncio.to_thread(traits_of, own, others, now)
        return ProfileView(cube, own[0].span.speaker, tuple(facts), tuple(traits))

    async def foresights(
        self, parent: str, *, persona: str, now: datetime, everything: bool, size: int, token: str
    ) -> tuple[list[Expected], str]:
        """Return the expectations of a page of episodes that hold at `now`, or all, and the token of the next page.

        Raises:
            PlatformError: INVALID_FIELD and what the vault raises.
        """
        size, looked, found = _page_size(size), 0, []
        while True:
            # The vault gives few episodes at once, for each may be long; only what they let expect is held.
            cells, token = await self._store.cell_page(parent, persona=persona, size=size - looked, token=token)
            looked += len(cells)
            found += [
                Expected(cell.outline.cube, cell.outline.persona, prospect, status_of(prospect, now))
                for cell in cells
                for prospect in cell.prospects
            ]
            if not token or looked >= size:
                break
        return [one for one in found if everything or one.status is Status.VALID], token

    async def _outlines(self, parent: str, cubes: Iterable[Derived]) -> dict[str, Outline]:
        names = list(dict.fromkeys(member.cube for cube in cubes for member in cube.members))
        found = await self._store.outlines(parent, names=names) if names else []
        return {one.cube: one for one in found}


def status_of(prospect: Prospect, now: datetime) -> Status:
    """Return whether an expectation holds at a time."""
    if now < prospect.start:
        return Status.PENDING
    return Status.EXPIRED if prospect.end is not None and prospect.end < now else Status.VALID


def _page_size(asked: int) -> int:
    if asked < 0:
        raise invalid("page_size", "must not be negative")
    return min(asked or DEFAULT_PAGE, MOST_PAGE)


def _no_profile(name: str, subject: str, persona: str) -> PlatformError:
    """Return that there is no profile: people know a stream by its role, not by the name of a cube."""
    stream = f"the role stream {persona}" if persona else "what belongs to no role stream"
    message = f"there is no profile of {subject} in {stream}; those of other streams are asked for by persona"
    return PlatformError(Reason.NOT_FOUND, message, metadata={"resource": name})


def _vault_of(name: str) -> str:
    return name.rsplit("/cubes/", 1)[0]


def _scene_view(cube: Derived, outlines: Mapping[str, Outline]) -> SceneView:
    members = tuple(outlines[one.cube] for one in cube.members if one.cube in outlines)
    return SceneView(cube, members, _entities(members))


def _entities(members: Sequence[Outline]) -> tuple[str, ...]:
    counts = Counter(name for member in members for name in member.entities)
    return tuple(name for name, _count in counts.most_common(_MOST_ENTITIES))
