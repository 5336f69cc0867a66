"""What cubes hold once they are merged: facts and episodes in order of time, and all that must not get lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.cube.v1.cube_pb2 import Cube, LicenceReference, MemCell, Payload
from memporium_platform.errors import invalid
from memporium_services.vault.app import content

if TYPE_CHECKING:
    from collections.abc import Sequence


_ORIGIN_MERGE = 6


def merged_cube(parents: Sequence[Cube], given: Cube | None) -> Cube:
    """Return the merged cube: the caller's, or facts and episodes united in order of time; lineage and licences of all.

    Raises:
        PlatformError: INVALID_FIELD, where there is nothing given and the parents are not all MemCells.
    """
    cube = Cube()
    if given is not None:
        cube.CopyFrom(given)
    if content.form_of(cube.payload) == 0:
        cube.payload.CopyFrom(_united(parents))
    told = cube.descriptive
    if not told.tags:
        told.tags.extend(sorted({tag for one in parents for tag in one.descriptive.tags})[: content.MAX_TAGS])
    if not told.entities:
        entities = sorted({entity for one in parents for entity in one.descriptive.entities})
        told.entities.extend(entities[: content.MAX_ENTITIES])
    told.origin = _ORIGIN_MERGE  # type: ignore[assignment]
    told.semantic_type = told.semantic_type or parents[0].descriptive.semantic_type
    told.language = told.language or parents[0].descriptive.language
    if not told.HasField("event_time"):
        times = [one.descriptive.event_time for one in parents if one.descriptive.HasField("event_time")]
        if times:
            told.event_time.CopyFrom(max(times, key=content.moment_us))
    governed = cube.governance
    # The strictest scope and every label of the parents: a merge opens nothing.
    governed.access_scope = min(one.governance.access_scope or 2 for one in parents)  # type: ignore[assignment]
    labels = {label for one in parents for label in one.governance.sensitivity_labels}
    governed.sensitivity_labels[:] = sorted(labels | set(governed.sensitivity_labels))[: content.MAX_LABELS]
    del governed.licences[:]
    governed.licences.extend(licences_of(parents))
    lineage = cube.behavioural.lineage
    lineage.parents[:] = [one.name for one in parents]
    lineage.derivation = "merge"
    return cube


def licences_of(parents: Sequence[Cube]) -> list[LicenceReference]:
    """Return the licences of all parents, one an agreement."""
    found = {licence.agreement: licence for one in parents for licence in one.governance.licences}
    return [found[agreement] for agreement in sorted(found)]


def _united(parents: Sequence[Cube]) -> Payload:
    cells = []
    for index, one in enumerate(parents):
        if one.payload.plaintext.WhichOneof("content") != "mem_cell":
            raise invalid(f"names[{index}]", "is no MemCell: give the merged payload")
        cells.append(one)
    cells.sort(key=lambda one: content.event_us_of(one) or content.moment_us(one.descriptive.create_time))
    merged = MemCell(episode="\n\n".join(one.payload.plaintext.mem_cell.episode for one in cells).strip())
    seen: set[str] = set()
    for one in cells:
        cell = one.payload.plaintext.mem_cell
        for fact in cell.facts:
            if fact.text not in seen:
                seen.add(fact.text)
                merged.facts.append(fact)
        merged.foresight.extend(item for item in cell.foresight if item not in merged.foresight)
        merged.sources.extend(item for item in cell.sources if item not in merged.sources)
    payload = Payload()
    payload.plaintext.mem_cell.CopyFrom(merged)
    return payload
