"""Forgets for good: rows, versions, units, index entries, blobs and archived payloads go; a signed receipt stays.

The order matters. The transaction removes every row, writes the receipt, and notes which objects are to be deleted;
then the index and the objects. What a crash leaves of the latter is done by the sweep, or by the same call, made again
(`leavings`). Whole vaults: `erasing`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import orjson

from memporium.vault.v1.cubes_pb2 import Receipt
from memporium_platform import audit, idempotency, names
from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_services.vault.app.candidates import candidates_of, would_become
from memporium_services.vault.app.forget_asked import Chosen, ForgetAsked, Forgotten
from memporium_services.vault.app.forgetting_branches import forget_in_branches
from memporium_services.vault.app.leavings import Leavings
from memporium_services.vault.app.plans import StaleError
from memporium_services.vault.app.reach import Reach
from memporium_services.vault.app.reading import find_cubes, reader_of
from memporium_services.vault.app.receipts import FORGET
from memporium_services.vault.app.removing import Why, parts_of, record_elsewhere
from memporium_services.vault.app.runtime import cube_ids_in, refuse_read_only
from memporium_services.vault.app.subjects import ALL_STATES, find_subject
from memporium_services.vault.domain.lifecycle import Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_services.vault.app.blobs import Blobs
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.follower import IndexFollower, Waiting
    from memporium_services.vault.app.reach import Place
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.uses import UseRecorder
    from memporium_services.vault.domain.rows import Removed, VaultRow
    from memporium_services.vault.ports import Store

MAX_FORGET_CUBES = 10_000
# Looks at a vault's branches, where more become whole meanwhile.
_TRIES = 5


class NothingError(Exception):
    """Nothing was found that is to be forgotten."""


class _Done(NamedTuple):
    """What the transaction did to one vault."""

    vault: VaultRow
    told: Forgotten
    removed: Removed
    waiting: Waiting | None


class Forgetting:
    """Removes cubes."""

    def __init__(self, rt: Runtime, follower: IndexFollower, blobs: Blobs, uses: UseRecorder) -> None:
        """Work on these ports."""
        self._rt = rt
        self._follower = follower
        self._leavings = Leavings(rt, blobs)
        self._uses = uses

    async def forget(self, call: Call, parent: str, asked: ForgetAsked) -> Forgotten:
        """Forget cubes, or, in a dry run, say which would go.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, PERMISSION_DENIED, VAULT_READ_ONLY, LEGAL_HOLD, CUBE_FROZEN.
        """
        rt = self._rt
        chosen = asked.selection
        by_filter = chosen is not None and not chosen.unconditional
        if bool(asked.cube_names) == (by_filter or asked.subject is not None):
            raise invalid("names", "give names, or a filter with one condition at least, or a subject")
        if len(asked.cube_names) > MAX_FORGET_CUBES:
            raise invalid("names", f"at most {MAX_FORGET_CUBES}")
        vault = await rt.vault(parent, field="parent")
        refuse_read_only(vault)
        cipher = await rt.cipher(vault)
        ids = list(dict.fromkeys(cube_ids_in(vault, list(asked.cube_names))))
        if not asked.dry_run:
            # What bundles took is counted in the background: the receipt tells of it.
            await self._uses.flush()
        whys: dict[str, int] = {}
        if asked.subject is not None:
            whys = await find_subject(rt, call, vault, cipher, asked.subject, chosen)
        reach = Reach(rt, call)

        def choose(store: Store) -> Chosen:
            if asked.subject is not None:
                present = store.cubes(vault.uid, list(whys))
                rows = [present[cube_id] for cube_id in whys if cube_id in present]
            elif by_filter and chosen is not None:
                states = chosen.states or ALL_STATES
                narrowed = replace(chosen, states=states, reader=reader_of(call), now_us=rt.now_us())
                rows = store.select(vault.uid, narrowed, order="name", after=None, limit=MAX_FORGET_CUBES + 1)
            else:
                rows = find_cubes(store, call, vault, ids)
            more = len(rows) > MAX_FORGET_CUBES
            found = reach.choose(
                store, vault, rows[:MAX_FORGET_CUBES], keep_derived=asked.keep_derived, lenient=asked.lenient
            )
            return replace(found, more=more)

        if asked.dry_run:
            found = await reach.settle(vault, cipher, choose)
            candidates = candidates_of(vault, found, whys, reach, now_us=rt.now_us())
            return Forgotten(None, vault.revision, candidates, more=found.more, elsewhere=would_become(found, reach))
        return await self._forget_everywhere(call, vault, cipher, choose, asked, reach)

    async def _forget_everywhere(
        self,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        choose: Callable[[Store], Chosen],
        asked: ForgetAsked,
        reach: Reach,
    ) -> Forgotten:
        """Forget in branches, then in the vault itself; with each, in the other vaults that it comes to."""
        before: list[Forgotten] = []
        for _ in range(_TRIES):
            try:
                others = await self._others(call, vault, cipher, choose, reach)
                more, known = await forget_in_branches(self._rt, self, call, vault, cipher, choose, asked, reach)
                before += more
                return await self.remove(
                    call,
                    vault,
                    cipher,
                    choose,
                    reason=asked.reason,
                    trigger=Trigger.FORGET,
                    before=before,
                    known=known,
                    others=others,
                    lenient=asked.lenient,
                )
            except NothingError:
                return Forgotten(None, vault.revision)
            except StaleError:
                continue  # A branch has become whole since its cubes were looked for, or lineage leads further.
        raise PlatformError(Reason.CONFLICT, f"{vault.name} is branched too often", metadata={"resource": vault.name})

    async def _others(
        self, call: Call, vault: VaultRow, cipher: VaultCipher, choose: Callable[[Store], Chosen], reach: Reach
    ) -> list[Place]:
        try:
            return reach.of(await reach.settle(vault, cipher, choose))
        except PlatformError:
            if call.request_id:
                return []  # It may have been done already; if not, the removal says what is wrong.
            raise

    async def remove(
        self,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        choose: Callable[[Store], Chosen],
        *,
        reason: str,
        trigger: Trigger,
        before: Sequence[Forgotten] = (),
        kind: int = FORGET,
        known: frozenset[str] | None = None,
        others: Sequence[Place] = (),
        lenient: bool = False,
    ) -> Forgotten:
        """Remove the cubes that `choose(store)` returns within the transaction; `before` is what went of branches.

        Raises:
            NothingError: There is nothing to be removed, and that is to leave no trace, since `lenient`.
            StaleError: There is another branch than those `known`, or more goes from other vaults than `others`.
        """
        rt = self._rt
        receipt_id, why = rt.new_id(), Why(reason, trigger, kind, known)
        parts = await parts_of(rt, call, vault, cipher, choose, why, receipt_id=receipt_id, others=others)
        branches = [one.receipt for one in before if one.receipt is not None]
        earlier = [receipt for one in before for receipt in one.other_receipts]

        def run(conn: Connection) -> tuple[Forgotten, list[_Done]]:
            done = [_Done(part.vault, *part.removal(rt.store(conn, part.cipher.token))) for part in parts]
            told = done[0].told
            receipt = told.receipt or Receipt()
            if lenient and not (receipt.cubes or receipt.elsewhere or branches):
                raise NothingError
            details = {"receipt": receipt.name, "cubes": str(receipt.cubes), "reason": reason}
            audit.record_in(conn, call, resource=vault.name, details=details)
            more = [one.told.receipt for one in done[1:] if one.told.receipt is not None]
            record_elsewhere(conn, call, [receipt, *more], reason=reason)
            return replace(told, branch_receipts=branches, other_receipts=[*earlier, *more]), done

        def remember(done: tuple[Forgotten, list[_Done]]) -> str:
            told = done[0]
            lists = [[_id(one) for one in some] for some in (told.branch_receipts, told.other_receipts)]
            return orjson.dumps([receipt_id, told.revision, told.near_duplicates, told.more, *lists]).decode()

        def recall(conn: Connection, kept: str) -> tuple[Forgotten, list[_Done]]:
            # What was kept before other vaults were reached has no list of theirs.
            kept_id, revision, similar, more, branched, *rest = orjson.loads(kept)
            others = list(chain.from_iterable(rest))
            found = {one: rt.store(conn).receipt(vault.org, one) for one in (kept_id, *branched, *others)}
            told = {one: Receipt.FromString(body or b"") for one, body in found.items()}
            return Forgotten(
                told[kept_id],
                revision,
                near_duplicates=similar,
                more=more,
                branch_receipts=[told[one] for one in branched],
                other_receipts=[told[one] for one in others],
            ), []

        forgotten, done = await rt.db.write(
            lambda conn: idempotency.once(conn, call, now=rt.clock.now(), run=run, remember=remember, recall=recall)
        )
        for one in done:
            await self.clean(one.vault, one.removed)
        if not done:
            receipts = (forgotten.receipt, *forgotten.branch_receipts, *forgotten.other_receipts)
            await self.finish([one for one in receipts if one is not None])
        for one in done:
            if one.waiting is not None:
                self._follower.offer(one.vault.uid, one.told.revision, one.waiting)
                await self._follower.follow(one.vault, one.told.revision)
        await self.scrub()
        return forgotten

    async def clean(self, vault: VaultRow, removed: Removed) -> None:
        """Drop what is in memory of what was removed, and delete its objects."""
        self._rt.forget_opened(vault.uid)
        # Once more: a training may have begun just before the transaction.
        await self._rt.shares.destroy(vault.name, [f"{vault.name}/cubes/{one}" for one in removed.cube_ids])
        await self._leavings.finish(removed.receipt_id)
        for branch in removed.branches:
            # It may have been given up since.
            with suppress(PlatformError):
                await self._follower.repair(branch)

    async def finish(self, receipts: Sequence[Receipt]) -> None:
        """Delete what receipts tell of, as far as a crash left it."""
        for receipt in receipts:
            await self._leavings.finish(receipt.name.rpartition("/")[2])

    async def finish_old(self) -> None:
        """Delete what a crash left, long ago."""
        if await self._leavings.finish_old():
            await self.scrub()

    async def receipt(self, name: str) -> Receipt:
        """Return a receipt.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND.
        """
        ids = names.Pattern("orgs/{org}/receipts/{receipt}").parse(name)
        body = await self._rt.db.read(lambda conn: self._rt.store(conn).receipt(ids["org"], ids["receipt"]))
        if body is None:
            raise not_found(name)
        return Receipt.FromString(body)

    async def scrub(self) -> None:
        """Have the engine overwrite what deleted rows left behind, where it can."""
        scrub = getattr(self._rt.db, "scrub", None)
        if scrub is not None:
            await scrub()


def _id(receipt: Receipt) -> str:
    return receipt.name.rpartition("/")[2]
