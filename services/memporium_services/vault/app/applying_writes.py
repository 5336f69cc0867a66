"""Writes a set of prepared changes within one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memporium.vault.v1.changes_pb2 import ChangeResult
from memporium_platform.errors import PlatformError, Reason, denied, invalid
from memporium_services.vault.app.follower import Waiting
from memporium_services.vault.app.merging import write_merge
from memporium_services.vault.app.parentage import demand_parents
from memporium_services.vault.app.plans import apply_plan
from memporium_services.vault.app.reading import condition_of, find_cubes, reader_of
from memporium_services.vault.app.relations import write_relation
from memporium_services.vault.app.siblings import StandInError, stand_ins
from memporium_services.vault.app.writing import UPDATED, fresh_vault, write_drafts
from memporium_services.vault.domain.lifecycle import State, Trigger, searchable, step
from memporium_services.vault.domain.rows import ChangeRow, IndexTask, VersionRow
from memporium_services.vault.ports import VaultDelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.changes_pb2 import Change
    from memporium_platform.call import Call
    from memporium_services.vault.app.applying_plans import Prepared
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, Removed, VaultRow
    from memporium_services.vault.ports import Store

_READ_ONLY_SCOPE = 3


@dataclass(slots=True)
class Applied:
    """What the transaction did, or an earlier one (`repeated`) of the same request.

    `waiting` is for the indexes, `removed` for the object store.
    """

    results: list[ChangeResult]
    revision: int
    waiting: list[tuple[VaultRow, int, Waiting]] = field(default_factory=list)
    removed: list[tuple[VaultRow, Removed]] = field(default_factory=list)
    repeated: bool = False

    def note(self, vault: VaultRow, revision: int, waiting: Waiting | None) -> None:
        """Note a revision of the vault, and what its index has to do."""
        self.revision = max(self.revision, revision)
        if waiting is not None:
            self.waiting.append((vault, revision, waiting))


def write_all(
    rt: Runtime,
    conn: Connection,
    call: Call,
    vault: VaultRow,
    changes: Sequence[Change],
    prepared: Prepared,
    *,
    demanded: Sequence[Cube] = (),
) -> Applied:
    """Write all changes; what `demanded` cubes name as their parents must be there, or be made by them.

    Raises:
        PlatformError: What forbids any of them.
        StaleError: A cube has moved on since its change was planned.
    """
    if prepared.failure is not None:
        raise prepared.failure
    writing = _Writing(rt, conn, call, vault, prepared)
    applied = Applied([ChangeResult() for _ in changes], fresh_vault(writing.store, vault).revision)
    writing.create(applied)
    writing.check_siblings(applied, changes)
    for step_ in (writing.change, writing.merge):
        step_(applied)
    writing.demand(demanded)
    for step_ in (writing.relate, writing.archive, writing.forget):
        step_(applied)
    writing.refuse_lost(applied)
    return applied


class _Writing:
    """One transaction's changes, kind by kind."""

    def __init__(self, rt: Runtime, conn: Connection, call: Call, vault: VaultRow, prepared: Prepared) -> None:
        self._rt, self._conn, self._call, self._vault, self._prepared = rt, conn, call, vault, prepared
        self.store = rt.store(conn, prepared.cipher.token)
        # By the id that a caller chose for a new cube, the one that stands for it.
        self._stands: dict[str, str] = {}
        self._prefix = f"{vault.name}/cubes/"

    def create(self, applied: Applied) -> None:
        prepared = self._prepared
        if not prepared.drafts:
            return
        drafts = list(prepared.drafts.values())
        outcome = write_drafts(self._rt, self.store, self._vault, prepared.cipher, drafts, now_us=prepared.now_us)
        applied.note(self._vault, outcome.revision, outcome.waiting)
        for (index, draft), written in zip(prepared.drafts.items(), outcome.written, strict=True):
            self._stands[draft.row.cube_id] = written.row.cube_id
            applied.results[index].cube = self._prefix + written.row.cube_id
            applied.results[index].deduplicated = written.deduplicated

    def check_siblings(self, applied: Applied, changes: Sequence[Change]) -> None:
        """Refuse to write what names a new cube otherwise than it is kept.

        Raises:
            StandInError: How they are kept.
        """
        if self._prepared.stands is None:
            return
        kept = ((changes[index].create.cube_id, applied.results[index].cube) for index in self._prepared.drafts)
        found = stand_ins(self._vault, ((asked, name.removeprefix(self._prefix)) for asked, name in kept))
        if found != self._prepared.stands:
            raise StandInError(found)

    def change(self, applied: Applied) -> None:
        for indices, plan in self._prepared.plans:
            _, revision, waiting = apply_plan(self._rt, self.store, self._vault, plan)
            applied.note(self._vault, revision, waiting)
            for index in indices:
                applied.results[index].cube = self._prefix + plan.new.cube_id

    def merge(self, applied: Applied) -> None:
        for index, merge in self._prepared.merges.items():
            row, revision, waiting = write_merge(
                self._rt, self.store, self._call, self._vault, self._prepared.cipher, merge
            )
            applied.note(self._vault, revision, waiting)
            applied.results[index].cube = self._prefix + row.cube_id

    def demand(self, cubes: Sequence[Cube]) -> None:
        """Refuse what was made of memory that is gone since.

        Raises:
            PlatformError: CONFLICT: made anew, it is made of what is there.
        """
        # For what this call makes another cube with the same content may stand.
        try:
            demand_parents(self.store, cubes, but={self._prefix + one for one in self._stands})
        except PlatformError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            gone = error.metadata["resource"]
            raise PlatformError(
                Reason.CONFLICT, f"{gone} is gone, and something was made of it", metadata={"resource": gone}
            ) from error

    def relate(self, applied: Applied) -> None:
        prepared = self._prepared
        for index, (relation, ends) in prepared.relations.items():
            source, target = (self._stands.get(one, one) for one in ends)
            if source == target:
                # Both turned out to be one cube, which says nothing new of itself.
                continue
            made, revision = write_relation(
                self._rt,
                self.store,
                self._call,
                self._vault,
                prepared.cipher,
                relation,
                ends=(source, target),
                now_us=prepared.now_us,
            )
            applied.note(self._vault, revision, None)
            applied.results[index].relation = f"{self._vault.name}/relations/{made.relation_id}"

    def archive(self, applied: Applied) -> None:
        for index, asked in self._prepared.archivals.items():
            cube_id = self._stands.get(asked, asked)
            revision, waiting = _archive(self.store, self._call, self._vault, self._prepared, cube_id)
            applied.note(self._vault, revision, waiting)
            applied.results[index].cube = self._prefix + cube_id

    def forget(self, applied: Applied) -> None:
        for index, removals in self._prepared.removals.items():
            for part in removals:
                where = part.vault
                told, removed, waiting = part.removal(self._rt.store(self._conn, part.cipher.token))
                if where is self._vault:
                    applied.note(where, told.revision, waiting)
                elif waiting is not None:
                    applied.waiting.append((where, told.revision, waiting))
                applied.removed.append((where, removed))
                if told.receipt is not None:
                    applied.results[index].receipts.append(told.receipt)

    def refuse_lost(self, applied: Applied) -> None:
        """Refuse to let a cube stand for a new one that the same call forgets: what was to be kept would be lost.

        Raises:
            PlatformError: INVALID_FIELD.
        """
        if not self._prepared.removals:
            return
        ids = {index: one.cube.removeprefix(self._prefix) for index, one in enumerate(applied.results)}
        stood = [index for index in self._prepared.drafts if applied.results[index].deduplicated]
        there = self.store.cubes(self._vault.uid, [ids[index] for index in stood]) if stood else {}
        for index in stood:
            if ids[index] not in there:
                raise invalid(
                    f"changes[{index}]", f"says what {applied.results[index].cube} says, which the call forgets"
                )


def _archive(store: Store, call: Call, vault: VaultRow, prepared: Prepared, cube_id: str) -> tuple[int, Waiting | None]:
    """Archive a cube as this transaction sees it; its payload stays where it is, as with the parents of a merge."""
    [row] = find_cubes(store, call, vault, [cube_id])
    fresh = fresh_vault(store, vault)
    if row.state == State.ARCHIVED and not row.frozen:
        return fresh.revision, None
    name = f"{vault.name}/cubes/{cube_id}"
    if row.scope == _READ_ONLY_SCOPE and row.owner != reader_of(call):
        raise denied(call.action, name)
    after = step(condition_of(row, prepared.now_us), Trigger.ARCHIVE, resource=name)
    found = searchable(condition_of(row, 0))
    gone = store.unit_ids(vault.uid, [cube_id]) if found else []
    revision = store.bump(fresh, VaultDelta(), indexed=bool(gone))
    new = _archived(row, int(after.state), prepared, revision)
    if not store.save_cube(new, expected_version=row.version):
        raise PlatformError(Reason.CONFLICT, f"{name} was changed meanwhile", metadata={"resource": name})
    store.insert_version(
        vault.uid,
        VersionRow(
            cube_id=cube_id,
            version=new.version,
            parent=row.version,
            payload_version=row.payload_version,
            author=call.principal.name,
            change=Trigger.ARCHIVE.value,
            create_us=new.update_us,
            meta_sealed=new.meta_sealed,
            revision=revision,
        ),
    )
    store.add_changes(vault.uid, [ChangeRow(revision, cube_id, UPDATED, new.update_us)])
    if not gone:
        return revision, None
    store.add_task(vault.uid, IndexTask(revision, (), tuple(gone)))
    return revision, Waiting(fresh.index_revision, (), gone)


def _archived(row: CubeRow, state: int, prepared: Prepared, revision: int) -> CubeRow:
    cipher, version = prepared.cipher, row.version + 1
    meta = cipher.seal(cipher.open(row.meta_sealed, "meta", row.uid, row.version), "meta", row.uid, version)
    moment = max(prepared.now_us, row.update_us)
    return replace(row, state=state, version=version, update_us=moment, revision=revision, meta_sealed=meta)
