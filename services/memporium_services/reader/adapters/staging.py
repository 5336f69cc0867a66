"""The vault as those see it who change nothing: what would be written is kept as changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask

from memporium.vault.v1 import changes_pb2, cubes_pb2
from memporium_services.reader import convert_cells
from memporium_services.reader import convert_cubes as cubes
from memporium_services.reader.adapters.cells_grpc import CHANGED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.cube.v1 import cube_pb2
    from memporium_services.reader.domain.values import Episode
    from memporium_services.reader.ports import Kept, Labels, Vault
    from memporium_services.reader.ports_cells import Cell, CellStore, Derived, Outline


class StagingVault:
    """`Vault` that keeps episodes as changes; all else is the vault's own."""

    def __init__(self, vault: Vault) -> None:
        """Read from the vault."""
        self._vault = vault
        self.changes: list[changes_pb2.Change] = []

    def __getattr__(self, name: str) -> Any:
        """Return what only reads."""
        return getattr(self._vault, name)

    async def keep(
        self,
        parent: str,
        episodes: Sequence[Episode],
        labels: Labels,
        *,
        request_id: str,  # noqa: ARG002 - nothing is written
    ) -> tuple[list[Kept], int]:
        """Stage the episodes as new cubes."""
        for one in episodes:
            new = cubes_pb2.NewCube(cube_id=one.cube_id, cube=cubes.cube_of(one, labels))
            self.changes.append(changes_pb2.Change(create=new))
        return [cubes.kept_as(f"{parent}/cubes/{one.cube_id}", one, created=True) for one in episodes], 0


class StagingCells:
    """`CellStore` that keeps scenes and profiles as changes, and shows staged episodes as if they were there."""

    def __init__(self, store: CellStore, parent: str, staged: Sequence[cubes_pb2.NewCube]) -> None:
        """Read from the vault; `staged` are episodes of it that are not there yet."""
        self._store = store
        self.changes: list[changes_pb2.Change] = []
        self._staged: dict[str, cube_pb2.Cube] = {}
        for one in staged:
            cube = type(one.cube)()
            cube.CopyFrom(one.cube)
            cube.name = f"{parent}/cubes/{one.cube_id}"
            self._staged[cube.name] = cube

    def __getattr__(self, name: str) -> Any:
        """Return what only reads."""
        return getattr(self._store, name)

    async def outlines(self, parent: str, *, persona: str = "", names: Sequence[str] | None = None) -> list[Outline]:
        """Return the episodes that are there or staged."""
        found = await self._store.outlines(parent, persona=persona, names=names)
        more = [
            convert_cells.outline_in(cube)
            for name, cube in self._staged.items()
            if (names is None or name in names) and (not persona or cube.descriptive.persona == persona)
        ]
        known = {one.cube for one in found}
        return [*found, *(one for one in more if one.cube not in known)]

    async def cells(self, parent: str, names: Sequence[str]) -> list[Cell]:
        """Return those of these episodes that are there or staged."""
        there = [name for name in names if name not in self._staged]
        found = await self._store.cells(parent, there) if there else []
        return [*found, *(convert_cells.cell_in(self._staged[name]) for name in names if name in self._staged)]

    async def make(self, parent: str, cubes_made: Sequence[Derived]) -> None:  # noqa: ARG002 - ids are enough
        """Stage new scenes and profiles."""
        for one in cubes_made:
            new = cubes_pb2.NewCube(cube_id=one.cube_id, cube=convert_cells.derived_out(one))
            self.changes.append(changes_pb2.Change(create=new))

    async def change(self, cube: Derived) -> None:
        """Stage what a scene or profile refers to now."""
        stored = convert_cells.derived_out(cube)
        stored.name, stored.etag = cube.name, cube.etag
        update = changes_pb2.CubeUpdate(cube=stored, update_mask=FieldMask(paths=CHANGED))
        self.changes.append(changes_pb2.Change(update=update))
