"""Makes cubes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from memporium_platform import audit, idempotency, names
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.vault.app import codec, content
from memporium_services.vault.app.drafting import Origin, Wanted, draft_cubes, matrix
from memporium_services.vault.app.parentage import carry_licences, demand_parents
from memporium_services.vault.app.reading import (
    find_cubes,
    refuse_private,
)
from memporium_services.vault.app.retention import retention_of
from memporium_services.vault.app.runtime import refuse_read_only
from memporium_services.vault.app.siblings import TRIES, StandInError, name_each_other, renamed, stand_ins
from memporium_services.vault.app.writing import WriteOutcome, Written, write_drafts
from memporium_services.vault.domain.lifecycle import State
from memporium_services.vault.domain.lifespan import purge_us

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.cubes_pb2 import NewCube
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.licensing import Lease
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import VaultRow


@dataclass(frozen=True, slots=True)
class Made:
    """A cube that was asked to be made."""

    cube: Cube
    deduplicated: bool
    near: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Making:
    """What a call asks beside its cubes; `fields` name these in errors."""

    call: Call
    vault: VaultRow
    cipher: VaultCipher
    reason: str
    fields: Sequence[str]
    expired: bool
    require_parents: bool


class Creating:
    """New cubes of all vaults."""

    def __init__(self, rt: Runtime, follower: IndexFollower) -> None:
        """Work on these ports."""
        self._rt = rt
        self._follower = follower

    async def create(
        self,
        call: Call,
        parent: str,
        news: Sequence[NewCube],
        reason: str,
        *,
        batch: bool,
        expired: bool = False,
        require_parents: bool = False,
    ) -> tuple[list[Made], int]:
        """Make cubes, all or none, `expired` ones from the first; return what became of them, and the revision.

        With `require_parents`, all cubes of their lineage must be there when they are written.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND (the vault, or a parent), VAULT_READ_ONLY, ALREADY_EXISTS,
                QUOTA_EXCEEDED, BLOB_MISSING, MODEL_MISMATCH and what the embedder raises.
        """
        rt = self._rt
        if len(news) > rt.settings.max_batch_cubes:
            raise invalid("cubes", f"at most {rt.settings.max_batch_cubes} in one batch")
        if require_parents and not call.principal.via:
            # Whether a cube is there is told to services, which have used it for the caller, not to who guesses names.
            raise invalid("require_parents", "is for services")
        vault = await rt.vault(parent, field="parent")
        refuse_read_only(vault)
        cipher = await rt.cipher(vault)
        if expired and any(content.units_of(new.cube) for new in news):
            raise invalid("expired", "is for KV and LoRA memory")
        fields = [f"cubes[{i}].cube" if batch else "cube" for i in range(len(news))]
        making = _Making(call, vault, cipher, reason, fields, expired, require_parents)
        stands: dict[str, str] | None = {} if batch and name_each_other(vault, news) else None
        for _ in range(TRIES):
            try:
                asked = news if stands is None else renamed(vault, news, stands)
                outcome = await self._write(making, asked, stands)
            except StandInError as error:
                stands = error.stands
                continue
            if outcome.waiting is not None:
                self._follower.offer(vault.uid, outcome.revision, outcome.waiting)
                await self._follower.follow(outcome.vault, outcome.revision)
            return [self._made(call, outcome.vault, cipher, one) for one in outcome.written], outcome.revision
        raise PlatformError(Reason.CONFLICT, f"{parent} is changed too often", metadata={"resource": parent})

    async def _write(self, making: _Making, news: Sequence[NewCube], stands: Mapping[str, str] | None) -> WriteOutcome:
        """Make cubes that name each other as `stands` says; None: they do not name each other.

        Raises:
            StandInError: Other cubes stand for some of them.
        """
        rt, call, vault, cipher = self._rt, making.call, making.vault, making.cipher
        now_us = rt.now_us()
        lease = await self.lease(call, vault, news)
        ran = False

        def run(conn: Connection) -> WriteOutcome:
            nonlocal ran
            ran = True
            outcome = write_drafts(rt, rt.store(conn), vault, cipher, drafts, now_us=now_us)
            if stands is not None:
                kept = zip(news, outcome.written, strict=True)
                found = stand_ins(vault, ((new.cube_id, one.row.cube_id) for new, one in kept))
                if found != stands:
                    raise StandInError(found)
            if making.require_parents:
                demand_parents(rt.store(conn), [new.cube for new in news])
            made = [one.row.cube_id for one in outcome.written if not one.deduplicated]
            resource = f"{vault.name}/cubes/{made[0]}" if len(made) == 1 else vault.name
            audit.record_in(conn, call, resource=resource, details={"cubes": str(len(made))})
            return outcome

        def remember(outcome: WriteOutcome) -> str:
            written = [[one.row.cube_id, one.deduplicated, one.near] for one in outcome.written]
            return orjson.dumps({"revision": outcome.revision, "written": written}).decode()

        def recall(conn: Connection, remembered: str) -> WriteOutcome:
            kept = orjson.loads(remembered)
            rows = find_cubes(rt.store(conn), call, vault, [cube_id for cube_id, _, _ in kept["written"]])
            written = [
                Written(row, same, tuple(near)) for row, (_, same, near) in zip(rows, kept["written"], strict=True)
            ]
            return WriteOutcome(vault, kept["revision"], tuple(written))

        def write(conn: Connection) -> WriteOutcome:
            return idempotency.once(conn, call, now=rt.clock.now(), run=run, remember=remember, recall=recall)

        try:
            drafts = await self.drafts(call, vault, cipher, news, making.reason, fields=making.fields, now_us=now_us)
            drafts = [_expired(vault, draft, now_us) for draft in drafts] if making.expired else drafts
            outcome = await rt.db.write(write)
        except BaseException:
            await lease.release()
            raise
        # What an earlier call of the same request made was counted by that one.
        await (lease.commit() if ran else lease.release())
        return outcome

    async def lease(self, call: Call, vault: VaultRow, news: Sequence[NewCube]) -> Lease:
        """Give new cubes the licences of their parents; whoever writes them commits the uses, or releases them.

        Raises:
            PlatformError: INVALID_FIELD, LICENCE_*.
        """
        self._refuse_licences(call, news)
        return await carry_licences(self._rt, call, vault, [new.cube for new in news])

    async def drafts(
        self,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        news: Sequence[NewCube],
        reason: str,
        *,
        fields: Sequence[str],
        now_us: int,
    ) -> list[Draft]:
        """Return the drafts of new cubes; `fields` name them in errors.

        Raises:
            PlatformError: INVALID_FIELD, and what the embedder raises.
        """
        wanted = [self._wanted(vault, new, field) for new, field in zip(news, fields, strict=True)]
        origin = Origin(author=call.principal.name, now_us=now_us, reason=reason)
        return await draft_cubes(self._rt, vault, cipher, wanted, origin)

    def _wanted(self, vault: VaultRow, new: NewCube, field: str) -> Wanted:
        if new.cube_id:
            names.check_id(new.cube_id, field.removesuffix("cube") + "cube_id")
        content.check_cube(new.cube, self._rt.settings, field=field)
        count = len(content.units_of(new.cube))
        given = f"{field.removesuffix('cube')}unit_vectors"
        vectors = matrix(new.unit_vectors, count=count, dimensions=vault.dimensions, field=given)
        return Wanted(cube_id=new.cube_id, cube=new.cube, vectors=vectors, field=field)

    @staticmethod
    def _refuse_licences(call: Call, news: Sequence[NewCube]) -> None:
        """Licences are set by services that carry them over from parents, never by callers for themselves."""
        if call.principal.via:
            return
        if any(new.cube.governance.licences for new in news):
            raise invalid("cube.governance.licences", "is set by the platform alone")

    def _made(self, call: Call, vault: VaultRow, cipher: VaultCipher, one: Written) -> Made:
        refuse_private(call, vault, one.row)
        near = tuple(f"{vault.name}/cubes/{cube_id}" for cube_id in one.near)
        return Made(codec.cube_of(vault, one.row, cipher), one.deduplicated, near)


def _expired(vault: VaultRow, draft: Draft, now_us: int) -> Draft:
    """Return a draft that is EXPIRED before anybody saw it."""
    purge = purge_us(expired_us=now_us, retention=retention_of(vault.settings))
    row = replace(draft.row, state=int(State.EXPIRED), expire_us=now_us, purge_us=purge)
    return replace(draft, row=row)
