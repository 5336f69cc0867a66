"""Makes results of ranked units: their rows are read where they were ranked, and opened afterwards."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from memporium_services.vault.app import codec
from memporium_services.vault.app.reading import open_payload
from memporium_services.vault.app.search_results import Hit, LegPart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_services.vault.app.ranking import Ranked
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.search_results import SearchAsked
    from memporium_services.vault.app.search_sources import Source
    from memporium_services.vault.domain.rows import CubeRow, FoundUnit, PayloadRow, UnitRow
    from memporium_services.vault.domain.selection import Selection
    from memporium_services.vault.ports import Store


class HitRows(NamedTuple):
    """The rows behind ranked units: by vault's uid and unit id, and by vault's uid and cube id."""

    units: dict[tuple[str, int], UnitRow]
    cubes: dict[tuple[str, str], CubeRow]
    payloads: dict[tuple[str, str], PayloadRow]


def load_rows(store: Store, ranked: Sequence[Ranked], *, full: bool) -> HitRows:
    """Return the rows behind ranked units; with `full`, those of payloads, too."""
    wanted: dict[str, list[int]] = {}
    for one in ranked:
        wanted.setdefault(one.candidates.vault.uid, []).append(one.unit_id)
    rows = HitRows({}, {}, {})
    for uid, unit_ids in wanted.items():
        units = store.units(uid, unit_ids)
        cubes = store.cubes(uid, list({unit.cube_id for unit in units.values()}))
        rows.units.update(((uid, unit_id), unit) for unit_id, unit in units.items())
        rows.cubes.update(((uid, cube_id), cube) for cube_id, cube in cubes.items())
        if full:
            keys = [(cube.cube_id, cube.payload_version) for cube in cubes.values()]
            stored = store.payloads(uid, keys)
            rows.payloads.update(((uid, cube_id), payload) for (cube_id, _), payload in stored.items())
    return rows


async def hits_of(
    rt: Runtime,
    sources: Sequence[Source],
    ranked: Sequence[Ranked],
    rows: HitRows,
    weights: Mapping[str, float],
    asked: SearchAsked,
) -> list[Hit]:
    """Return the results, best first; with `group_by_cube`, one a cube, with its further units."""
    by_vault = {source.vault.uid: source for source in sources}
    cubes: dict[tuple[str, str], Cube] = {}
    hits: list[Hit] = []
    places: dict[tuple[str, str], int] = {}
    for one in ranked:
        uid = one.candidates.vault.uid
        unit_row = rows.units.get((uid, one.unit_id))
        key = (uid, unit_row.cube_id if unit_row is not None else "")
        row = rows.cubes.get(key)
        if unit_row is None or row is None or not may_be_seen(row, asked.selection):
            continue
        seen = places.get(key) if asked.group_by_cube else None
        if seen is None and len(hits) >= asked.limit:
            continue
        source = by_vault[uid]
        unit = codec.open_message(unit_row, source.cipher)
        if seen is not None:
            given = hits[seen].given_bytes + (0 if asked.full else len(unit.text.encode()))
            hits[seen] = replace(hits[seen], more_units=(*hits[seen].more_units, unit), given_bytes=given)
            continue
        cube = cubes.get(key)
        if cube is None:
            payload = rows.payloads.get(key)
            body = None if payload is None else await open_payload(rt, payload, row.uid, source.cipher)
            cube = cubes[key] = codec.cube_of(source.vault, row, source.cipher, payload=body)
        places[key] = len(hits)
        legs = _legs(one, weights) if asked.explain else ()
        size = row.size_bytes if asked.full else len(unit.text.encode())
        hits.append(Hit(cube, unit, one.score, legs, one.candidates.mount, form=row.form, given_bytes=size))
    return hits


def may_be_seen(row: CubeRow | FoundUnit, selection: Selection) -> bool:
    """Return whether a hit may still be shown: it may have changed since the filter was made."""
    over = row.expire_us is not None and row.expire_us <= selection.now_us and not row.frozen
    private = bool(selection.reader) and row.scope == 1 and row.owner != selection.reader
    return not over and not private


def _legs(one: Ranked, weights: Mapping[str, float]) -> tuple[LegPart, ...]:
    candidates, scaled = one.candidates, one.normalised
    parts = []
    for leg in sorted(candidates.scores):
        score = float(candidates.scores[leg][one.place])
        parts.append(
            LegPart(
                leg=leg,
                score=0.0 if math.isnan(score) else score,
                normalised=scaled.get(leg, 0.0),
                weight=weights.get(leg, 0.0),
                rank=int(candidates.ranks[leg][one.place]),
            )
        )
    return tuple(parts)
