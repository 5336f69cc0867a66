"""A pure model of a vault's history: what every cube was after each operation, and which may be done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

GENERATED, ACTIVATED, MERGED, ARCHIVED = 1, 2, 3, 4
LIVE = (GENERATED, ACTIVATED, MERGED)


@dataclass(frozen=True)
class CubeThen:
    """What a cube is at some moment; `of`: the cubes that it was made from."""

    text: str
    state: int = GENERATED
    frozen: bool = False
    version: int = 1
    of: tuple[str, ...] = ()


@dataclass
class TimeModel:
    """Every state of the vault that there was, by revision; `texts` holds each cube's content by version."""

    now: dict[str, CubeThen] = field(default_factory=dict)
    past: dict[int, dict[str, CubeThen]] = field(default_factory=lambda: {0: {}})
    texts: dict[str, dict[int, str]] = field(default_factory=dict)

    def may_change(self, cube_id: str) -> bool:
        return self.now[cube_id].state in LIVE and not self.now[cube_id].frozen

    def make(self, cube_id: str, text: str, *, state: int = GENERATED, of: tuple[str, ...] = ()) -> None:
        self.now[cube_id] = CubeThen(text, state, of=of)
        self.texts[cube_id] = {1: text}

    def change(self, cube_id: str, **fields: object) -> None:
        old = self.now[cube_id]
        new = self.now[cube_id] = replace(old, version=old.version + 1, **fields)  # type: ignore[arg-type]
        self.texts[cube_id][new.version] = new.text

    def forget(self, cube_id: str) -> set[str]:
        """Take a cube and what was made of it out of now and of every past; return them."""
        gone = {cube_id}
        while more := {one for one, cube in self.now.items() if gone.intersection(cube.of)} - gone:
            gone |= more
        for moment in (self.now, *self.past.values()):
            for one in gone:
                moment.pop(one, None)
        for one in gone:
            del self.texts[one]
        return gone

    def mark(self, revision: int) -> None:
        """Note that this is how the vault was at a revision."""
        self.past[revision] = dict(self.now)

    def at(self, revision: int) -> dict[str, CubeThen]:
        """Return how the vault was at a revision."""
        return self.past[max(known for known in self.past if known <= revision)]
