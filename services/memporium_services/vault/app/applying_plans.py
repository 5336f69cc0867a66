"""Gets a set of changes ready to be written: one plan a cube, drafts, merges, and what removes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memporium.vault.v1.cubes_pb2 import DERIVED_POLICY_KEEP
from memporium_platform.errors import PlatformError, invalid
from memporium_services.vault.app.changing import Edit
from memporium_services.vault.app.forgetting_branches import InBranch, branches_of, in_branches
from memporium_services.vault.app.made import SUMMARIES, is_made
from memporium_services.vault.app.reach import Reach
from memporium_services.vault.app.reading import find_cubes
from memporium_services.vault.app.relations import check_relation
from memporium_services.vault.app.removing import Part, Why, parts_of
from memporium_services.vault.app.runtime import cube_ids_in
from memporium_services.vault.domain.lifecycle import Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.changes_pb2 import Change, CubeTagging
    from memporium.vault.v1.cubes_pb2 import Relation
    from memporium_platform.call import Call
    from memporium_services.vault.app.changing import Changer
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.creating import Creating
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.app.forget_asked import Chosen
    from memporium_services.vault.app.forgetting import Forgetting
    from memporium_services.vault.app.licensing import Lease
    from memporium_services.vault.app.merging import Merging, PreparedMerge
    from memporium_services.vault.app.plans import Plan
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.updating import Updating
    from memporium_services.vault.domain.rows import VaultRow
    from memporium_services.vault.ports import Store

# The right that each kind of change needs beside that to make changes together.
KIND_ACTIONS: Mapping[str, str] = {
    "create": "vault.cubes.create",
    "update": "vault.cubes.update",
    "tag": "vault.cubes.update",
    "archive": "vault.cubes.archive",
    "merge": "vault.cubes.merge",
    "forget": "vault.cubes.forget",
    "relate": "vault.relations.create",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """The concerns of the vault whose changes can be made together."""

    creating: Creating
    changer: Changer
    updating: Updating
    merging: Merging
    forgetting: Forgetting


@dataclass(slots=True)
class Prepared:
    """Changes ready to be written; keys are places in the request.

    Attributes:
        drafts: New cubes.
        plans: New content, one plan a cube; the places of all changes that it holds.
        merges: Merges.
        relations: Relations with the ids of their ends.
        archivals: Cubes to archive.
        removals: What forgets, of the vault, of its branches, and of the other vaults that each comes to.
        leases: Uses of licensed parents that changes make something of, beside those of merges.
        stands: Cubes that were thought to stand for new ones, by name; None: no cube of the call names a new one.
        failure: Why a plan could not be made; raised unless the request turns out to be done already.
    """

    cipher: VaultCipher
    now_us: int
    drafts: dict[int, Draft] = field(default_factory=dict)
    plans: list[tuple[tuple[int, ...], Plan]] = field(default_factory=list)
    merges: dict[int, PreparedMerge] = field(default_factory=dict)
    relations: dict[int, tuple[Relation, tuple[str, str]]] = field(default_factory=dict)
    archivals: dict[int, str] = field(default_factory=dict)
    removals: dict[int, list[Part]] = field(default_factory=dict)
    leases: list[Lease] = field(default_factory=list)
    stands: dict[str, str] | None = None
    failure: PlatformError | None = None

    async def commit(self) -> None:
        """Count the uses of licensed parents."""
        for lease in (*self.leases, *(merge.lease for merge in self.merges.values())):
            await lease.commit()

    async def release(self) -> None:
        """Give the uses back that were reserved."""
        for lease in (*self.leases, *(merge.lease for merge in self.merges.values())):
            await lease.release()


class Preparing:
    """Prepares changes."""

    def __init__(self, rt: Runtime, parts: Parts) -> None:
        """Work with the concerns of the vault."""
        self._rt, self._parts = rt, parts

    async def prepare(self, call: Call, vault: VaultRow, changes: Sequence[Change], reason: str) -> Prepared:
        """Return the changes, ready to be written.

        Raises:
            PlatformError: What each change's own method raises, with the field within `changes`; where the call has a
                request id, what depends on the state of cubes is kept in `failure` instead.
        """
        rt = self._rt
        prepared = Prepared(await rt.cipher(vault), rt.now_us())
        places: dict[str, list[int]] = {}
        for index, one in enumerate(changes):
            places.setdefault(one.WhichOneof("change") or "", []).append(index)
        _refuse_overlap(vault, changes)
        _refuse_undone(changes)
        for index in places.get("relate", []):
            check_relation(changes[index].relate, f"changes[{index}].relate")
            ends = [changes[index].relate.source, changes[index].relate.target]
            source, target = cube_ids_in(vault, ends, field=f"changes[{index}].relate")
            prepared.relations[index] = (changes[index].relate, (source, target))
        for index in places.get("archive", []):
            [prepared.archivals[index]] = cube_ids_in(vault, [changes[index].archive.name])
        try:
            await self._drafts(call, vault, changes, places.get("create", []), reason, prepared)
        except BaseException:
            await prepared.release()
            raise
        try:
            await self._plans(call, vault, changes, places, reason, prepared)
            for index in places.get("merge", []):
                asked = changes[index].merge
                prepared.merges[index] = await self._parts.merging.prepare(
                    call,
                    vault,
                    prepared.cipher,
                    asked.names,
                    cube_id=asked.cube_id,
                    given=asked.cube if asked.HasField("cube") else None,
                    vectors=(),
                    reason=reason,
                )
            for index in places.get("forget", []):
                prepared.removals[index] = await self._removals(call, vault, changes[index], reason, prepared, index)
        except PlatformError as error:
            await prepared.release()
            if not call.request_id:
                raise
            # The request may have been done already: then its answer is due, not the refusal of a second one.
            return Prepared(prepared.cipher, prepared.now_us, failure=error)
        return prepared

    async def _drafts(
        self,
        call: Call,
        vault: VaultRow,
        changes: Sequence[Change],
        places: Sequence[int],
        reason: str,
        prepared: Prepared,
    ) -> None:
        fields = [f"changes[{index}].create.cube" for index in places]
        news = [changes[index].create for index in places]
        if news:
            prepared.leases.append(await self._parts.creating.lease(call, vault, news))
            made = await self._parts.creating.drafts(
                call, vault, prepared.cipher, news, reason, fields=fields, now_us=prepared.now_us
            )
            prepared.drafts = dict(zip(places, made, strict=True))

    async def _plans(
        self,
        call: Call,
        vault: VaultRow,
        changes: Sequence[Change],
        places: Mapping[str, Sequence[int]],
        reason: str,
        prepared: Prepared,
    ) -> None:
        """Plan one version a cube, whatever number of changes it takes part in."""
        edits: dict[str, tuple[tuple[int, ...], Edit]] = {}
        for index in sorted([*places.get("update", []), *places.get("tag", [])]):
            one = changes[index]
            if one.WhichOneof("change") == "update":
                name, given = one.update.cube.name, one.update
                mask = given.update_mask if given.HasField("update_mask") else None
                lease, licences = await self._parts.updating.lease(call, vault, given.cube, mask)
                prepared.leases.append(lease)
                edit = self._parts.updating.edit(call, given.cube, mask, given.unit_vectors, reason, licences=licences)
            else:
                name, edit = one.tag.name, _tagging(one.tag, reason)
            before = edits.get(name)
            edits[name] = ((index,), edit) if before is None else ((*before[0], index), _both(before[1], edit))
        for name, (indices, edit) in edits.items():
            [cube_id] = cube_ids_in(vault, [name], field=f"changes[{indices[0]}]")
            plan = await self._parts.changer.plan(call, vault, prepared.cipher, cube_id, edit)
            prepared.plans.append((indices, plan))

    async def _removals(
        self, call: Call, vault: VaultRow, change: Change, reason: str, prepared: Prepared, index: int
    ) -> list[Part]:
        rt, cipher = self._rt, prepared.cipher
        ids = list(dict.fromkeys(cube_ids_in(vault, list(change.forget.names), field=f"changes[{index}].forget.names")))
        keep = change.forget.derived == DERIVED_POLICY_KEEP
        reach = Reach(rt, call)

        def choose(store: Store) -> Chosen:
            return reach.choose(store, vault, find_cubes(store, call, vault, ids), keep_derived=keep)

        found = await reach.settle(vault, cipher, choose)
        branches = await rt.db.read(lambda conn: branches_of(rt.store(conn), vault, rt.settings.max_vaults))
        why = Why(reason, Trigger.FORGET, known=frozenset(branch.uid for branch in branches))
        gone = [row.cube_id for row in found.rows]
        work = await in_branches(rt, branches, gone, reach, keep_derived=keep)
        parts: list[Part] = []
        for one in [InBranch(vault, cipher, choose, reach.of(found)), *work]:
            parts += await parts_of(
                rt, call, one.branch, one.cipher, one.choose, why, receipt_id=rt.new_id(), others=one.others
            )
        return parts


def _tagging(asked: CubeTagging, reason: str) -> Edit:
    if not asked.add and not asked.remove:
        raise invalid("tag", "names no label")

    def change(cube: Cube) -> Cube:
        kept = [tag for tag in cube.descriptive.tags if tag not in set(asked.remove)]
        del cube.descriptive.tags[:]
        cube.descriptive.tags.extend(dict.fromkeys([*kept, *asked.add]))
        return cube

    return Edit(Trigger.UPDATE, reason=reason, change=change)


def _both(first: Edit, second: Edit) -> Edit:
    """Return one edit for two of the same cube."""

    def change(cube: Cube) -> Cube:
        once = first.change(cube) if first.change else cube
        return second.change(once) if second.change else once

    return replace(first, etag=first.etag or second.etag, change=change, vectors=second.vectors or first.vectors)


def _refuse_overlap(vault: VaultRow, changes: Sequence[Change]) -> None:
    """Refuse to merge what the same call changes or forgets: what the merged cube would hold is not clear.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    merged: dict[str, int] = {}
    others: set[str] = set()
    for index, one in enumerate(changes):
        match one.WhichOneof("change"):
            case "merge":
                for name in dict.fromkeys(one.merge.names):
                    if merged.setdefault(name, index) != index:
                        raise invalid(f"changes[{index}].merge.names", f"{name} is merged by another change")
            case "update":
                others.add(one.update.cube.name)
            case "tag":
                others.add(one.tag.name)
            case "forget":
                others.update(one.forget.names)
            case _:
                pass
    for name, index in merged.items():
        if name in others:
            raise invalid(f"changes[{index}].merge.names", f"{name} of {vault.name} is changed by the same call")


def _refuse_undone(changes: Sequence[Change]) -> None:
    """Refuse to write what is made of what the same call forgets: it would go with that, unless it is to be kept.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    forgotten = {name for one in changes if one.forget.derived != DERIVED_POLICY_KEEP for name in one.forget.names}
    for index, one in enumerate(changes):
        cube = one.create.cube if one.WhichOneof("change") == "create" else one.update.cube
        # A scene or profile holds no text: it is made anew.
        if is_made(cube) and cube.descriptive.semantic_type not in SUMMARIES:
            for name in sorted(forgotten.intersection(cube.behavioural.lineage.parents)):
                raise invalid(
                    f"changes[{index}]", f"is made of {name}, which the same call forgets; keep what is derived"
                )
