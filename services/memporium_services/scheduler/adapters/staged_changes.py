"""Changes as messages of the vault: made one by one by steps, put together for the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.cube.v1 import cube_pb2
from memporium.vault.v1 import changes_pb2, cubes_pb2
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.scheduler.ports_pipelines import Drafted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memporium_services.scheduler.ports_pipelines import Written

Change = changes_pb2.Change
_LEAST_MERGED = 2
# Statements of one written memory; a vault takes 4,096 units.
_MOST_FACTS = 1024


def archivals(cubes: Sequence[str]) -> Drafted:
    """Return the changes that archive."""
    return _drafted(Change(archive=changes_pb2.CubeArchival(name=name)) for name in cubes)


def taggings(cubes: Sequence[str], *, add: Sequence[str], remove: Sequence[str]) -> Drafted:
    """Return the changes that label."""
    made = _drafted(Change(tag=changes_pb2.CubeTagging(name=name, add=add, remove=remove)) for name in cubes)
    return Drafted(made.changes, tuple(cubes), len(cubes))


def merging(cubes: Sequence[str], cube_id: str) -> Drafted:
    """Return the change that merges; none for fewer than two."""
    if len(cubes) < _LEAST_MERGED:
        return Drafted()
    change = Change(merge=changes_pb2.CubeMerging(names=cubes, cube_id=cube_id))
    return Drafted((change.SerializeToString(deterministic=True),), (), len(cubes))


def forgetting(cubes: Sequence[str], *, keep_derived: bool) -> Drafted:
    """Return the change that forgets; none for no cubes."""
    if not cubes:
        return Drafted()
    derived = cubes_pb2.DERIVED_POLICY_KEEP if keep_derived else cubes_pb2.DERIVED_POLICY_FORGET
    change = Change(forget=changes_pb2.CubeForgetting(names=cubes, derived=derived))
    return Drafted((change.SerializeToString(deterministic=True),), (), len(cubes))


def creation(wanted: Written, licences: Sequence[cube_pb2.LicenceReference]) -> Drafted:
    """Return the change that writes a new memory."""
    cube = cube_pb2.Cube(
        descriptive=cube_pb2.Descriptive(
            origin=cube_pb2.ORIGIN_INFERENCE_EXTRACTION,
            source=wanted.source,
            semantic_type=cube_pb2.SEMANTIC_TYPE_FACT,
            tags=wanted.tags,
            title=wanted.title,
            persona=wanted.persona,
        ),
        payload=_payload(wanted),
    )
    cube.descriptive.event_time.FromDatetime(wanted.time)
    if wanted.made_of:
        cube.behavioural.lineage.parents.extend(wanted.made_of)
        cube.behavioural.lineage.derivation = "pipeline"
        cube.governance.licences.extend(licences)
    new = cubes_pb2.NewCube(cube_id=wanted.cube_id, cube=cube)
    return _one(Change(create=new), f"{wanted.vault}/cubes/{wanted.cube_id}")


def rewriting(wanted: Written, before: cube_pb2.Cube, licences: Sequence[cube_pb2.LicenceReference]) -> Drafted:
    """Return the change that gives a memory new text.

    Raises:
        PlatformError: FAILED_PRECONDITION, where it would take on licences; INVALID_FIELD, where it holds no text.
    """
    if licences:
        raise PlatformError(
            Reason.FAILED_PRECONDITION,
            f"{before.name} cannot take on the licences of what its text was made from; write a new memory",
            metadata={"resource": before.name, "state": "LICENSED_PARENTS"},
        )
    cube = cube_pb2.Cube(name=before.name, etag=before.etag)
    plain = before.payload.plaintext
    if plain.HasField("document"):
        cube.payload.plaintext.document.CopyFrom(plain.document)
        cube.payload.plaintext.document.text = wanted.text
    elif plain.HasField("mem_cell"):
        cube.payload.CopyFrom(_payload(wanted))
    else:
        raise invalid("update.cube", f"{before.name} holds no text")
    paths = ["payload"]
    if wanted.title:
        cube.descriptive.title = wanted.title
        paths.append("descriptive.title")
    if wanted.made_of:
        # With such an origin it goes when any of these is forgotten.
        cube.descriptive.origin = cube_pb2.ORIGIN_INFERENCE_EXTRACTION
        cube.behavioural.lineage.parents.extend(wanted.made_of)
        cube.behavioural.lineage.derivation = "pipeline"
        paths += ["descriptive.origin", "behavioural.lineage"]
    update = changes_pb2.CubeUpdate(cube=cube)
    update.update_mask.paths.extend(paths)
    return _one(Change(update=update), before.name)


def derived(
    changes: Iterable[Change], parents: Sequence[str], licences: Sequence[cube_pb2.LicenceReference]
) -> list[Change]:
    """Return the changes with the parents and licences of what new cubes were made from."""
    made = []
    for change in changes:
        if change.WhichOneof("change") == "create" and parents:
            cube = change.create.cube
            cube.descriptive.origin = cube_pb2.ORIGIN_INFERENCE_EXTRACTION
            cube.behavioural.lineage.parents.extend(parents)
            cube.behavioural.lineage.derivation = "pipeline"
            cube.governance.licences.extend(licences)
        made.append(change)
    return made


def drafted(vault: str, changes: Sequence[Change], count: int) -> Drafted:
    """Return changes with the cubes that they make."""
    made = [change.create.cube_id for change in changes if change.WhichOneof("change") == "create"]
    names = tuple(f"{vault}/cubes/{cube_id}" for cube_id in made)
    return Drafted(tuple(one.SerializeToString(deterministic=True) for one in changes), names, count)


def together(vault: str, changes: Sequence[bytes]) -> list[Change]:
    """Return the changes of a run as one set: labels of cubes that the run makes go into those."""
    found = [Change.FromString(one) for one in changes]
    new = {f"{vault}/cubes/{one.create.cube_id}": one.create for one in found if one.HasField("create")}
    kept: list[Change] = []
    seen: set[str] = set()
    for one in found:
        kind = one.WhichOneof("change")
        if kind == "tag" and one.tag.name in new:
            told: Any = new[one.tag.name].cube.descriptive
            tags = [tag for tag in dict.fromkeys([*told.tags, *one.tag.add]) if tag not in set(one.tag.remove)]
            del told.tags[:]
            told.tags.extend(tags)
            continue
        if kind == "archive":
            if one.archive.name in seen:
                continue
            seen.add(one.archive.name)
        kept.append(one)
    return kept


def _payload(wanted: Written) -> cube_pb2.Payload:
    lines = [line.strip() for line in wanted.text.splitlines() if line.strip()]
    if not lines:
        raise PlatformError(
            Reason.FAILED_PRECONDITION,
            "a step has no text to write",
            metadata={"resource": wanted.cube or wanted.vault, "state": "NO_TEXT"},
        )
    if len(lines) > _MOST_FACTS:
        lines = [*lines[: _MOST_FACTS - 1], " ".join(lines[_MOST_FACTS - 1 :])]
    span = cube_pb2.SourceSpan(source=wanted.source)
    span.time.FromDatetime(wanted.time)
    facts = [cube_pb2.AtomicFact(text=line, source=span) for line in lines]
    cell = cube_pb2.MemCell(episode=wanted.text, facts=facts, sources=[span])
    return cube_pb2.Payload(plaintext=cube_pb2.Plaintext(mem_cell=cell))


def _one(change: Change, name: str) -> Drafted:
    return Drafted((change.SerializeToString(deterministic=True),), (name,), 1)


def _drafted(changes: Iterable[Change]) -> Drafted:
    made = tuple(one.SerializeToString(deterministic=True) for one in changes)
    return Drafted(made, (), len(made))
