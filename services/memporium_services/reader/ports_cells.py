"""What consolidation needs from others: the episodes of a vault, and the cubes that refer to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    import numpy as np
    from numpy.typing import NDArray

    from memporium_services.reader.domain.profiles import Told
    from memporium_services.reader.domain.values import Prospect


@dataclass(frozen=True, slots=True)
class Outline:
    """An episode without what it says.

    Attributes:
        cube: Its cube.
        title: Its title.
        persona: Role stream.
        start: When it began.
        entities: Names in it.
        agreements: Under which it may be used; empty: own memory.
    """

    cube: str
    title: str
    persona: str
    start: datetime
    entities: tuple[str, ...] = ()
    agreements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """An episode with what it says.

    Attributes:
        outline: What it is.
        text: The episode in prose.
        told: Its statements, in order.
        prospects: What it lets expect.
    """

    outline: Outline
    text: str
    told: tuple[Told, ...]
    prospects: tuple[Prospect, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """One episode that a derived cube refers to; `mark` says in one word why."""

    cube: str
    start: datetime
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Derived:
    """A scene's or profile's cube: references and nothing else.

    Attributes:
        cube_id: The last part of its name.
        kind: Number of `memporium.cube.v1.SemanticType`: SCENE or PROFILE.
        persona: Role stream.
        members: The episodes, in order of time.
        name: Its full name; "": not stored.
        etag: As it was read.
        version: Its version.
    """

    cube_id: str
    kind: int
    persona: str
    members: tuple[Reference, ...]
    name: str = ""
    etag: str = ""
    version: int = 0


class SceneSource(Protocol):
    """The vault service, as recollection reads scenes and profiles from it, on behalf of the caller."""

    async def cells(self, parent: str, names: Sequence[str]) -> list[Cell]:
        """Return those of these episodes that are there."""
        ...

    async def derived_named(self, name: str, kind: int) -> Derived | None:
        """Return a derived cube; None where there is none of that kind."""
        ...

    async def scenes_begun(self, parent: str, start: datetime, end: datetime, *, persona: str) -> list[Derived]:
        """Return scenes that began within a time, both ends included, some hundred at most."""
        ...


class CellStore(Protocol):
    """The vault service, as consolidation uses it, on behalf of the caller."""

    async def limits(self, parent: str) -> tuple[float | None, timedelta | None]:
        """Return the threshold and gap of scenes that a vault wants; None: it names none."""
        ...

    async def outlines(self, parent: str, *, persona: str = "", names: Sequence[str] | None = None) -> list[Outline]:
        """Return the episodes of a vault that are there: all, or of these names, or of a persona ("": of all)."""
        ...

    async def cells(self, parent: str, names: Sequence[str]) -> list[Cell]:
        """Return those of these episodes that are there."""
        ...

    async def gone(self, parent: str, names: Sequence[str]) -> frozenset[str]:
        """Return those of these episodes that do not exist; not those that the caller may not see."""
        ...

    async def cell_page(self, parent: str, *, persona: str, size: int, token: str) -> tuple[list[Cell], str]:
        """Return a page of episodes, and the token of the next one."""
        ...

    async def derived(self, parent: str, kind: int, *, persona: str = "") -> list[Derived]:
        """Return all derived cubes of a kind, of a persona ("": of all)."""
        ...

    async def derived_page(
        self, parent: str, kind: int, *, persona: str, size: int, token: str
    ) -> tuple[list[Derived], str]:
        """Return a page of derived cubes, and the token of the next one."""
        ...

    async def derived_named(self, name: str, kind: int) -> Derived | None:
        """Return a derived cube; None where there is none of that kind."""
        ...

    async def make(self, parent: str, cubes: Sequence[Derived]) -> None:
        """Store new derived cubes."""
        ...

    async def change(self, cube: Derived) -> None:
        """Store what a derived cube refers to now.

        Raises:
            PlatformError: ETAG_MISMATCH where it was changed since it was read, and what the vault raises.
        """
        ...

    async def vectors(self, parent: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, d) unit vectors of texts by the vault's embedding model."""
        ...
