"""Opens units and what describes their cubes, from memory where they were opened lately."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from memporium_services.vault.app import codec

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence
    from typing import Any

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.search_sources import Source
    from memporium_services.vault.domain.rows import FoundUnit
    from memporium_services.vault.ports import Store


class OpenedUnits(NamedTuple):
    """Units by id, what they say by id, and what describes their cubes by cube id: shared, not to be changed.

    What units say stays in bytes, as messages of `Unit`: it is passed on, and to read it is for others.

    `licensed`: whether one of the cubes came under a licence.
    """

    found: dict[int, FoundUnit]
    units: dict[int, bytes]
    cubes: dict[str, Cube]
    licensed: bool


def open_units(
    rt: Runtime, store: Store, source: Source, unit_ids: Sequence[int], content: Collection[int]
) -> OpenedUnits:
    """Return units of a vault; what they say only of those in `content`."""
    uid = source.vault.uid
    state = rt.opened.state(uid)
    found: dict[int, FoundUnit] = {}
    bodies: dict[int, bytes] = {}
    if unit_ids and content:
        found, bodies = rt.found.with_bodies(store, source.vault, unit_ids)
    elif unit_ids:
        found = rt.found.get(store, source.vault, unit_ids)
    wanted = [unit_id for unit_id in found if unit_id in content]
    versions = {row.cube_id: row.version for row in found.values()}
    kept = rt.opened.get(uid, [*wanted, *versions.items()])
    units: dict[int, bytes] = {unit_id: kept[unit_id] for unit_id in wanted if unit_id in kept}
    cubes: dict[str, Cube] = {place[0]: kept[place] for place in versions.items() if place in kept}
    fresh: dict[Hashable, tuple[Any, int]] = {}
    missing = [unit_id for unit_id in wanted if unit_id not in units]
    unread = [unit_id for unit_id in missing if unit_id not in bodies]
    if unread:
        bodies |= store.unit_bodies(uid, unread)
    for unit_id in missing:
        sealed, row = bodies.get(unit_id), found[unit_id]
        if sealed is None:
            continue
        unit = units[unit_id] = codec.unit_in(sealed, source.cipher, row.cube_id, row.ordinal)
        fresh[unit_id] = unit, len(unit)
    # What came under a licence is never kept: its use is counted as it is now.
    licensed = False
    unopened = [cube_id for cube_id in versions if cube_id not in cubes]
    for told in store.described_cubes(uid, unopened) if unopened else ():
        cube = cubes[told.cube_id] = codec.described(source.vault, told, source.cipher)
        # Of licensed memory the amount that is used is counted, by its bytes: it is read as it is now.
        if cube.governance.licences:
            licensed = True
        else:
            fresh[told.cube_id, told.version] = cube, len(told.meta_sealed)
    if fresh:
        rt.opened.put(uid, fresh, state=state)
    there = found if len(cubes) == len(versions) else {key: row for key, row in found.items() if row.cube_id in cubes}
    return OpenedUnits(there, units, cubes, licensed)
