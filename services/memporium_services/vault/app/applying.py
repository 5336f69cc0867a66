"""Makes several changes of a vault in one transaction, all or none (docs/adr/0012).

Everything that takes time or reaches other services (embedding, sealing, licences, keys) is done before; what is
planned from a cube is written only if the cube is still as it was read, else it is planned anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from memporium.vault.v1.changes_pb2 import ChangeResult
from memporium.vault.v1.cubes_pb2 import Receipt
from memporium_platform import audit, idempotency
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.vault.app.applying_plans import KIND_ACTIONS, Preparing
from memporium_services.vault.app.applying_writes import Applied, write_all
from memporium_services.vault.app.made import SUMMARIES
from memporium_services.vault.app.plans import StaleError
from memporium_services.vault.app.removing import record_elsewhere
from memporium_services.vault.app.runtime import refuse_read_only
from memporium_services.vault.app.siblings import StandInError, changes_name_each_other, renamed_changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.changes_pb2 import Change
    from memporium_platform.call import Call
    from memporium_services.vault.app.applying_plans import Parts, Prepared
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import VaultRow

_TRIES = 8


class Applying:
    """Sets of changes of all vaults."""

    def __init__(self, rt: Runtime, follower: IndexFollower, parts: Parts) -> None:
        """Work on these ports."""
        self._rt, self._follower, self._parts = rt, follower, parts
        self._preparing = Preparing(rt, parts)

    async def apply(
        self, call: Call, parent: str, changes: Sequence[Change], reason: str, *, require_parents: bool = False
    ) -> tuple[list[ChangeResult], int]:
        """Make changes, all or none; return what became of each, and the revision.

        With `require_parents`, all that text is made from must be there when it is written.

        Raises:
            PlatformError: INVALID_FIELD, CONFLICT (a parent is gone), and what the method of each single change raises.
        """
        rt = self._rt
        if len(changes) > rt.settings.max_batch_cubes:
            raise invalid("changes", f"at most {rt.settings.max_batch_cubes} in one call")
        self._refuse_without_right(call, parent, changes)
        if require_parents and not call.principal.via:
            # Whether a cube is there is not told to who guesses names.
            raise invalid("require_parents", "is for services")
        stands: dict[str, str] | None = None
        asked = changes
        for _ in range(_TRIES):
            vault = await rt.vault(parent, field="parent")
            refuse_read_only(vault)
            if stands is not None or changes_name_each_other(vault, changes):
                stands = stands or {}
                asked = renamed_changes(vault, changes, stands)
            demanded = list(_with_text(asked)) if require_parents else []
            prepared = await self._preparing.prepare(call, vault, asked, reason)
            prepared.stands = stands
            try:
                applied = await self._write(call, vault, asked, prepared, demanded, reason)
            except StaleError as error:
                await prepared.release()
                stands = error.stands if isinstance(error, StandInError) else stands
                continue
            except BaseException:
                await prepared.release()
                raise
            # What an earlier call of the same request made was counted by that one.
            await (prepared.release() if applied.repeated else prepared.commit())
            await self._after(applied)
            return applied.results, applied.revision
        raise PlatformError(Reason.CONFLICT, f"{parent} is changed too often", metadata={"resource": parent})

    def _refuse_without_right(self, call: Call, parent: str, changes: Sequence[Change]) -> None:
        """Demand of the caller the right to each change, as its own method would."""
        wanted = set()
        for index, one in enumerate(changes):
            kind = one.WhichOneof("change")
            if kind is None:
                raise invalid(f"changes[{index}]", "says no change")
            subject = one.update.cube.name if kind == "update" else getattr(getattr(one, kind), "name", "")
            about = subject if kind in {"update", "tag", "archive"} and subject else parent
            wanted.add((KIND_ACTIONS[kind], about))
        for action, about in sorted(wanted):
            self._rt.authz.require(call, action, about)

    async def _write(
        self,
        call: Call,
        vault: VaultRow,
        changes: Sequence[Change],
        prepared: Prepared,
        demanded: Sequence[Cube],
        reason: str,
    ) -> Applied:
        rt = self._rt

        def run(conn: Connection) -> Applied:
            applied = write_all(rt, conn, call, vault, changes, prepared, demanded=demanded)
            counts: dict[str, int] = {}
            for one in changes:
                kind = one.WhichOneof("change") or ""
                counts[kind] = counts.get(kind, 0) + 1
            audit.record_in(conn, call, resource=vault.name, details={kind: str(n) for kind, n in counts.items()})
            receipts = [receipt for result in applied.results for receipt in result.receipts]
            record_elsewhere(conn, call, receipts, reason=reason)
            return applied

        def remember(applied: Applied) -> str:
            kept = [
                [one.cube, one.deduplicated, one.relation, [receipt.name for receipt in one.receipts]]
                for one in applied.results
            ]
            return orjson.dumps([applied.revision, kept]).decode()

        def recall(conn: Connection, kept: str) -> Applied:
            revision, results = orjson.loads(kept)
            store = rt.store(conn)
            found = []
            for cube, same, relation, names in results:
                receipts = [store.receipt(vault.org, name.rpartition("/")[2]) or b"" for name in names]
                read = [Receipt.FromString(one) for one in receipts]
                found.append(ChangeResult(cube=cube, deduplicated=same, relation=relation, receipts=read))
            return Applied(found, revision, repeated=True)

        return await rt.db.write(
            lambda conn: idempotency.once(conn, call, now=rt.clock.now(), run=run, remember=remember, recall=recall)
        )

    async def _after(self, applied: Applied) -> None:
        """Bring the indexes up to the changes, and delete the objects of what was forgotten."""
        rt = self._rt
        if applied.repeated:
            await self._parts.forgetting.finish([one for result in applied.results for one in result.receipts])
        last: dict[str, tuple[VaultRow, int]] = {}
        for vault, revision, waiting in applied.waiting:
            self._follower.offer(vault.uid, revision, waiting)
            last[vault.uid] = (vault, revision)
        for vault, revision in last.values():
            await self._follower.follow(await rt.vault(vault.name), revision)
        for vault, removed in applied.removed:
            await self._parts.forgetting.clean(vault, removed)
        if applied.removed:
            await self._parts.forgetting.scrub()


def _with_text(changes: Sequence[Change]) -> Iterator[Cube]:
    """Yield what is made or rewritten, but for scenes and profiles: those refer to others and hold no text of them."""
    for one in changes:
        cube = {"create": one.create.cube, "update": one.update.cube}.get(one.WhichOneof("change") or "")
        if cube is not None and cube.descriptive.semantic_type not in SUMMARIES:
            yield cube
