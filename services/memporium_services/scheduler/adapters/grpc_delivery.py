"""Copies memories of a vault into another one: each under an id of its own that stays, so nothing is there twice."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask

from memporium.cube.v1 import cube_pb2
from memporium.vault.v1 import changes_pb2, cubes_pb2, vault_service_pb2
from memporium_services.scheduler.adapters.peer_errors import peer_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from memporium_services.scheduler.domain.jobs import Job
    from memporium_services.scheduler.ports import Report

# Cubes with payloads that one message holds: 1 MiB each at most, 4 MiB a message, and few are large.
_PAGE = 16
# Names of one filter.
_NAMES = 200
_CHANGED = ("payload", "descriptive.title", "descriptive.tags", "descriptive.event_time", "descriptive.entities")


async def deliver(vault: Any, job: Job, report: Report) -> Mapping[str, str]:
    """Copy what a job names, or all that carries its labels, a few at a time; return counts."""
    spec = job.spec
    counts = dict.fromkeys(("delivered", "updated", "unchanged", "skipped"), 0)
    done = 0
    with peer_errors():
        async for cubes in _sources(vault, spec):
            fit = [cube for cube in cubes if _fits(cube)]
            counts["skipped"] += len(cubes) - len(fit)
            await _deliver_some(vault, job, fit, counts)
            done += len(cubes)
            await report(done, len(spec.get("cubes", ())), "delivering")
    return {name: str(count) for name, count in counts.items()}


async def _sources(vault: Any, spec: Mapping[str, Any]) -> AsyncIterator[list[cube_pb2.Cube]]:
    """Yield the cubes that are there, a page at a time."""
    names, tags = list(spec.get("cubes", ())), list(spec.get("tags", ()))
    parts = [names[at : at + _NAMES] for at in range(0, len(names), _NAMES)] or [[]]
    for some in parts:
        token = ""
        while True:
            request = vault_service_pb2.ListCubesRequest(
                parent=spec["vault"],
                page_size=_PAGE,
                page_token=token,
                filter=cubes_pb2.CubeFilter(names=some, tags_any=tags, forms=[cube_pb2.MEMORY_FORM_PLAINTEXT]),
                view=cubes_pb2.CUBE_VIEW_FULL,
            )
            page = await vault.ListCubes(request)
            yield list(page.cubes)
            token = page.next_page_token
            if not token:
                break


def _fits(cube: cube_pb2.Cube) -> bool:
    """Say whether a cube may be copied: what came under a licence stays in the vault that ends with it."""
    return not cube.governance.licences and cube.payload.HasField("plaintext")


async def _deliver_some(vault: Any, job: Job, cubes: list[cube_pb2.Cube], counts: dict[str, int]) -> None:
    if not cubes:
        return
    target = job.spec["target"]
    ids = {cube.name: _id(cube.name) for cube in cubes}
    there = await _there(vault, target, list(ids.values()))
    changes = []
    for cube in cubes:
        known = there.get(ids[cube.name])
        if known is None:
            changes.append(changes_pb2.Change(create=cubes_pb2.NewCube(cube_id=ids[cube.name], cube=_copy(cube))))
            counts["delivered"] += 1
        elif _same(known, cube):
            counts["unchanged"] += 1
        else:
            changed = _copy(cube)
            changed.name, changed.etag = known.name, known.etag
            update = changes_pb2.CubeUpdate(cube=changed, update_mask=FieldMask(paths=_CHANGED))
            changes.append(changes_pb2.Change(update=update))
            counts["updated"] += 1
    if not changes:
        return
    request = changes_pb2.ApplyChangesRequest(
        parent=target, changes=changes, reason=f"delivered from {job.spec['vault']}", require_parents=True
    )
    # What is delivered decides the id: an attempt after a crash that finds the same to do does it once.
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
    request.request_id = str(uuid.UUID(job.request_id(digest)))
    await vault.ApplyChanges(request)


async def _there(vault: Any, target: str, ids: list[str]) -> dict[str, cube_pb2.Cube]:
    states = [
        cube_pb2.CUBE_STATE_GENERATED,
        cube_pb2.CUBE_STATE_ACTIVATED,
        cube_pb2.CUBE_STATE_MERGED,
        cube_pb2.CUBE_STATE_ARCHIVED,
    ]
    names = [f"{target}/cubes/{one}" for one in ids]
    request = vault_service_pb2.ListCubesRequest(
        parent=target,
        page_size=len(names),
        filter=cubes_pb2.CubeFilter(names=names, states=states),
        view=cubes_pb2.CUBE_VIEW_BASIC,
    )
    page = await vault.ListCubes(request)
    return {cube.name.rpartition("/")[2]: cube for cube in page.cubes}


def _id(name: str) -> str:
    return f"sync-{hashlib.sha256(name.encode()).hexdigest()[:40]}"


def _copy(cube: cube_pb2.Cube) -> cube_pb2.Cube:
    made = cube_pb2.Cube(descriptive=cube.descriptive, payload=cube.payload)
    made.descriptive.ClearField("create_time")
    made.descriptive.ClearField("update_time")
    made.governance.sensitivity_labels.extend(cube.governance.sensitivity_labels)
    made.governance.priority = cube.governance.priority
    made.governance.access_scope = cube.governance.access_scope
    made.behavioural.lineage.parents.append(cube.name)
    made.behavioural.lineage.derivation = "deliver"
    return made


def _same(known: cube_pb2.Cube, cube: cube_pb2.Cube) -> bool:
    """Say whether what was delivered still says the same, under the same labels."""
    return (
        known.content_digest == cube.content_digest
        and known.descriptive.title == cube.descriptive.title
        and sorted(known.descriptive.tags) == sorted(cube.descriptive.tags)
    )
