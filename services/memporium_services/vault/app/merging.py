"""Merges cubes into a new one; they stay, archived, as its parents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform import audit, idempotency, names
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.vault.app import codec, content
from memporium_services.vault.app.drafting import Origin, Wanted, draft_cubes, matrix
from memporium_services.vault.app.follower import Waiting
from memporium_services.vault.app.licensing import asked_for, reserve
from memporium_services.vault.app.merged_content import merged_cube
from memporium_services.vault.app.reading import assemble, condition_of, find_cubes
from memporium_services.vault.app.runtime import cube_ids_in, refuse_read_only
from memporium_services.vault.app.writing import UPDATED, fresh_vault, insert_drafts, keep_quota
from memporium_services.vault.domain.lifecycle import State, Trigger, searchable, step
from memporium_services.vault.domain.rows import ChangeRow, IndexTask, RelationRow, VersionRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.cubes_pb2 import Vector
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.licensing import Lease
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.writing import WriteOutcome
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store

_MIN_MERGED, _MAX_MERGED = 2, 100
_DERIVED_FROM = 1
_DERIVE_TEXT = 5


@dataclass(frozen=True, slots=True)
class PreparedMerge:
    """A merge ready to be written: the parents as they were read, the merged cube, and the licences' leave."""

    rows: Sequence[CubeRow]
    draft: Draft
    lease: Lease
    now_us: int
    failure: PlatformError | None = None


class Merging:
    """Makes one cube of several."""

    def __init__(self, rt: Runtime, follower: IndexFollower) -> None:
        """Work on these ports."""
        self._rt = rt
        self._follower = follower

    async def merge(
        self,
        call: Call,
        parent: str,
        cube_names: Sequence[str],
        *,
        cube_id: str,
        given: Cube | None,
        vectors: Sequence[Vector],
        reason: str,
    ) -> tuple[Cube, int]:
        """Merge cubes into a new one; they stay, archived, as its parents.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, ILLEGAL_TRANSITION, CUBE_FROZEN, LICENCE_*, CONFLICT.
        """
        rt = self._rt
        vault = await rt.vault(parent, field="parent")
        refuse_read_only(vault)
        cipher = await rt.cipher(vault)
        prepared = await self.prepare(
            call, vault, cipher, cube_names, cube_id=cube_id, given=given, vectors=vectors, reason=reason
        )
        try:
            (row, revision, waiting), ran = await self._write_merge(call, vault, cipher, prepared)
        except BaseException:
            await prepared.lease.release()
            raise
        # What an earlier call of the same request made was counted by that one.
        await (prepared.lease.commit() if ran else prepared.lease.release())
        if waiting is not None:
            self._follower.offer(vault.uid, revision, waiting)
            await self._follower.follow(await rt.vault(parent), revision)
        return codec.cube_of(vault, row, cipher), revision

    async def prepare(
        self,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        cube_names: Sequence[str],
        *,
        cube_id: str,
        given: Cube | None,
        vectors: Sequence[Vector],
        reason: str,
    ) -> PreparedMerge:
        """Make a merge ready to be written; whoever writes it commits its lease, or releases it.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, ILLEGAL_TRANSITION, CUBE_FROZEN, LICENCE_*.
        """
        rt = self._rt
        unique = list(dict.fromkeys(cube_names))
        if not _MIN_MERGED <= len(unique) <= _MAX_MERGED:
            raise invalid("names", f"must be {_MIN_MERGED} to {_MAX_MERGED} different cubes")
        ids = cube_ids_in(vault, unique)
        rows = await rt.db.read(lambda conn: find_cubes(rt.store(conn), call, vault, ids))
        failure = None
        try:
            for row in rows:
                step(condition_of(row, rt.now_us()), Trigger.ABSORB, resource=f"{vault.name}/cubes/{row.cube_id}")
        except PlatformError as error:
            if not call.request_id:
                raise
            # It may have been done already: then its answer is due, not the refusal of a second one.
            failure = error
        parents = await assemble(rt, vault, rows, cipher, full=True)
        lease = await reserve(rt, call, asked_for(parents, _DERIVE_TEXT, always=vault.agreement))
        try:
            cube = merged_cube(parents, given)
            content.check_cube(cube, rt.settings)
            if cube_id:
                names.check_id(cube_id, "cube_id")
            units = len(content.units_of(cube))
            supplied = matrix(vectors, count=units, dimensions=vault.dimensions, field="unit_vectors")
            now_us = rt.now_us()
            origin = Origin(call.principal.name, now_us, change="merge", reason=reason, state=State.MERGED)
            [draft] = await draft_cubes(rt, vault, cipher, [Wanted(cube_id, cube, supplied)], origin)
        except BaseException:
            await lease.release()
            raise
        return PreparedMerge(rows, draft, lease, now_us, failure)

    async def _write_merge(
        self, call: Call, vault: VaultRow, cipher: VaultCipher, prepared: PreparedMerge
    ) -> tuple[tuple[CubeRow, int, Waiting | None], bool]:
        rt, ran = self._rt, False

        def run(conn: Connection) -> tuple[CubeRow, int, Waiting | None]:
            nonlocal ran
            ran = True
            outcome = write_merge(rt, rt.store(conn), call, vault, cipher, prepared)
            details = {"parents": str(len(prepared.rows))}
            audit.record_in(conn, call, resource=f"{vault.name}/cubes/{outcome[0].cube_id}", details=details)
            return outcome

        def recall(conn: Connection, kept: str) -> tuple[CubeRow, int, None]:
            kept_id, _, revision = kept.partition(" ")
            [row] = find_cubes(rt.store(conn), call, vault, [kept_id])
            return row, int(revision), None

        done = await rt.db.write(
            lambda conn: idempotency.once(
                conn,
                call,
                now=rt.clock.now(),
                run=run,
                remember=lambda done: f"{done[0].cube_id} {done[1]}",
                recall=recall,
            )
        )
        return done, ran


def write_merge(
    rt: Runtime, store: Store, call: Call, vault: VaultRow, cipher: VaultCipher, prepared: PreparedMerge
) -> tuple[CubeRow, int, Waiting | None]:
    """Write a merge within the transaction.

    Raises:
        PlatformError: INVALID_FIELD, QUOTA_EXCEEDED, CONFLICT, and what forbade the merge when it was prepared.
    """
    if prepared.failure is not None:
        raise prepared.failure
    draft, rows, now_us = prepared.draft, prepared.rows, prepared.now_us
    fresh = fresh_vault(store, vault)
    keep_quota(rt, fresh, cubes=1, size_bytes=draft.row.size_bytes)
    if store.cubes(vault.uid, [draft.row.cube_id], hidden=True):
        raise invalid("cube_id", "is taken")
    outcome = insert_drafts(store, fresh, [draft], now_us=now_us)
    gone = _absorb(store, vault, cipher, rows, call, outcome.revision, now_us)
    waiting = _with_deletes(store, fresh, outcome, gone)
    author = call.principal.name
    relations = [
        RelationRow(rt.new_id(), draft.row.cube_id, _DERIVED_FROM, row.cube_id, 1.0, b"", now_us, author)
        for row in rows
    ]
    store.insert_relations(vault.uid, relations)
    return outcome.written[0].row, outcome.revision, waiting


def _with_deletes(store: Store, vault: VaultRow, outcome: WriteOutcome, gone: Sequence[int]) -> Waiting | None:
    """Let the parents' units leave the index with the same revision by which the merged ones come."""
    if not gone:
        return outcome.waiting
    entries = outcome.waiting.entries if outcome.waiting is not None else ()
    if outcome.waiting is None:
        store.mark_indexed(vault.uid, outcome.revision)
    store.drop_task(vault.uid, outcome.revision)
    store.add_task(vault.uid, IndexTask(outcome.revision, tuple(entry.unit_id for entry in entries), tuple(gone)))
    return Waiting(vault.index_revision, entries, gone)


def _absorb(
    store: Store,
    vault: VaultRow,
    cipher: VaultCipher,
    rows: Sequence[CubeRow],
    call: Call,
    revision: int,
    now_us: int,
) -> list[int]:
    """Archive the parents of a merge in its transaction; their payloads stay where they are. Return unindexed units."""
    gone: list[str] = []
    for row in rows:
        new = replace(row, state=int(State.ARCHIVED), version=row.version + 1, update_us=now_us, revision=revision)
        meta = cipher.seal(cipher.open(row.meta_sealed, "meta", row.uid, row.version), "meta", row.uid, new.version)
        if not store.save_cube(new, expected_version=row.version):
            name = f"{vault.name}/cubes/{row.cube_id}"
            raise PlatformError(Reason.CONFLICT, f"{name} was changed meanwhile", metadata={"resource": name})
        store.insert_version(
            vault.uid,
            VersionRow(
                cube_id=row.cube_id,
                version=new.version,
                parent=row.version,
                payload_version=row.payload_version,
                author=call.principal.name,
                change=Trigger.ABSORB.value,
                create_us=now_us,
                meta_sealed=meta,
                revision=revision,
            ),
        )
        if searchable(condition_of(row, 0)):
            gone.append(row.cube_id)
    store.add_changes(vault.uid, [ChangeRow(revision, row.cube_id, UPDATED, now_us) for row in rows])
    return store.unit_ids(vault.uid, gone)
