"""Forgets for good: rows, versions, units, index entries, blobs and archived payloads go; a signed receipt stays.

The order matters. The transaction removes every row, writes the receipt, and notes which objects are to be deleted;
then the index and the objects. What a crash leaves of the latter is done by the sweep, or by the same call, made again
(`leavings`). Whole vaults: `erasing`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from memporium.vault.v1.cubes_pb2 import FORGET_WHY_ASKED, FORGET_WHY_DERIVED, ForgetCandidate, Receipt
from memporium_platform import audit, idempotency, names
from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_services.vault.app import codec
from memporium_services.vault.app.derivations import lineage_of, lineage_since, made_from, near_duplicates
from memporium_services.vault.app.forget_asked import Chosen, ForgetAsked, Forgotten
from memporium_services.vault.app.forgetting_branches import forget_in_branches, take_out, take_out_of_filling
from memporium_services.vault.app.leavings import Leavings, archived_keys, leaving_of
from memporium_services.vault.app.plans import StaleError
from memporium_services.vault.app.reading import condition_of, find_cubes, reader_of
from memporium_services.vault.app.receipts import FORGET, LICENCE_ENDED, receipt_of, sign
from memporium_services.vault.app.runtime import cube_ids_in, refuse_read_only
from memporium_services.vault.app.subjects import ALL_STATES, find_subject
from memporium_services.vault.app.uses import EXPORTED
from memporium_services.vault.app.writing import fresh_vault
from memporium_services.vault.domain.lifecycle import Trigger, step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_services.vault.app.blobs import Blobs
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.follower import IndexFollower, Waiting
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.app.uses import UseRecorder
    from memporium_services.vault.domain.rows import Removed, VaultRow
    from memporium_services.vault.ports import Store

MAX_FORGET_CUBES = 10_000
# Looks at a vault's branches, where more become whole meanwhile.
_TRIES = 5


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
        lineage = await lineage_of(rt, vault, cipher)

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
            rows = rows[:MAX_FORGET_CUBES]
            whole = lineage_since(store, vault, cipher, lineage)
            parents = made_from(store, vault.uid, [row.cube_id for row in rows], whole)
            derived = list(store.cubes(vault.uid, list(parents)).values())
            if asked.keep_derived:
                return Chosen(rows, kept=[row.cube_id for row in derived], more=more)
            return Chosen(rows + derived, parents, more=more)

        if asked.dry_run:
            found = await rt.db.read(lambda conn: choose(rt.store(conn, cipher.token)))
            return Forgotten(None, vault.revision, self._candidates(vault, found, whys), more=found.more)
        return await self._forget_everywhere(call, vault, cipher, choose, asked)

    async def _forget_everywhere(
        self,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        choose: Callable[[Store], Chosen],
        asked: ForgetAsked,
    ) -> Forgotten:
        """Forget in branches, then in the vault itself."""
        receipts: list[Receipt] = []
        for _ in range(_TRIES):
            try:
                more, known = await forget_in_branches(self._rt, self, call, vault, cipher, choose, asked)
                receipts += more
                return await self.remove(
                    call,
                    vault,
                    cipher,
                    choose,
                    reason=asked.reason,
                    trigger=Trigger.FORGET,
                    branch_receipts=receipts,
                    known=known,
                )
            except StaleError:
                continue  # A branch has become whole since its cubes were looked for.
        raise PlatformError(Reason.CONFLICT, f"{vault.name} is branched too often", metadata={"resource": vault.name})

    def _candidates(self, vault: VaultRow, found: Chosen, whys: Mapping[str, int]) -> list[ForgetCandidate]:
        now_us = self._rt.now_us()
        candidates = []
        for row in found.rows:
            name = f"{vault.name}/cubes/{row.cube_id}"
            candidate = ForgetCandidate(name=name, why=whys.get(row.cube_id, FORGET_WHY_ASKED))  # type: ignore[arg-type]
            if row.cube_id in found.parents:
                candidate.why = FORGET_WHY_DERIVED
                candidate.parent = f"{vault.name}/cubes/{found.parents[row.cube_id]}"
            try:
                step(condition_of(row, now_us), Trigger.FORGET, resource=name)
            except PlatformError as error:
                candidate.refusal = error.reason.name
            candidates.append(candidate)
        return candidates

    async def remove(
        self,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        choose: Callable[[Store], Chosen],
        *,
        reason: str,
        trigger: Trigger,
        branch_receipts: Sequence[Receipt] = (),
        kind: int = FORGET,
        known: frozenset[str] | None = None,
    ) -> Forgotten:
        """Remove the cubes that `choose(store)` returns within the transaction.

        Raises:
            StaleError: There is another branch than those `known`.
        """
        rt = self._rt
        receipt_id = rt.new_id()
        removal = await self.removal(
            call, vault, cipher, choose, reason=reason, trigger=trigger, receipt_id=receipt_id, kind=kind, known=known
        )

        def run(conn: Connection) -> tuple[Forgotten, Removed | None, Waiting | None]:
            told, removed, waiting = removal(rt.store(conn, cipher.token))
            receipt = told.receipt or Receipt()
            details = {"receipt": receipt.name, "cubes": str(receipt.cubes), "reason": reason}
            audit.record_in(conn, call, resource=vault.name, details=details)
            return replace(told, branch_receipts=branch_receipts), removed, waiting

        def remember(done: tuple[Forgotten, Removed | None, Waiting | None]) -> str:
            told = done[0]
            branched = [one.name.rpartition("/")[2] for one in told.branch_receipts]
            return orjson.dumps([receipt_id, told.revision, told.near_duplicates, told.more, branched]).decode()

        def recall(conn: Connection, kept: str) -> tuple[Forgotten, None, None]:
            kept_id, revision, similar, more, branched = orjson.loads(kept)
            receipt, *of_branches = [
                Receipt.FromString(rt.store(conn).receipt(vault.org, one) or b"") for one in (kept_id, *branched)
            ]
            told = Forgotten(receipt, revision, near_duplicates=similar, more=more, branch_receipts=of_branches)
            return told, None, None

        forgotten, removed, waiting = await rt.db.write(
            lambda conn: idempotency.once(conn, call, now=rt.clock.now(), run=run, remember=remember, recall=recall)
        )
        if removed is not None:
            await self.clean(vault, removed)
        else:
            await self.finish([one for one in (forgotten.receipt, *forgotten.branch_receipts) if one is not None])
        if waiting is not None:
            self._follower.offer(vault.uid, forgotten.revision, waiting)
            await self._follower.follow(vault, forgotten.revision)
        await self.scrub()
        return forgotten

    async def removal(
        self,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        choose: Callable[[Store], Chosen],
        *,
        reason: str,
        trigger: Trigger,
        receipt_id: str,
        kind: int = FORGET,
        known: frozenset[str] | None = None,
    ) -> Callable[[Store], tuple[Forgotten, Removed, Waiting | None]]:
        """Return what removes, within a transaction, the cubes that `choose(store)` returns, and writes the receipt."""
        key = await self._rt.keys.org_signing_key(vault.org)
        now_us = self._rt.now_us()
        trainings = await self._end_trainings(vault, cipher, choose)

        def run(store: Store) -> tuple[Forgotten, Removed, Waiting | None]:
            fresh = fresh_vault(store, vault)
            chosen = choose(store)
            rows, prefix = chosen.rows, f"{vault.name}/cubes/"
            # Neither a freeze nor a hold of the licensee outlives the licence.
            for row in rows if kind != LICENCE_ENDED else ():
                step(condition_of(row, now_us), trigger, resource=prefix + row.cube_id)
            digests = [codec.cube_of(vault, row, cipher).content_digest for row in rows]
            similar = [prefix + one for one in near_duplicates(store, vault.uid, [row.cube_id for row in rows])]
            ids = [row.cube_id for row in rows]
            behind = take_out_of_filling(store, vault, ids, known, receipt_id=receipt_id, now_us=now_us)
            archived = archived_keys(store, cipher, vault.uid, ids)
            removed, revision, waiting = take_out(store, fresh, rows, now_us=now_us)
            store.note_leaving(leaving_of(vault, receipt_id, removed, now_us, more=archived))
            removed = replace(removed, branches=behind, receipt_id=receipt_id)
            receipt = receipt_of(vault, kind, receipt_id, call, now_us, removed)
            receipt.derived = len(chosen.parents)
            receipt.training_states = trainings
            receipt.kept_derived.extend(sorted(prefix + cube_id for cube_id in chosen.kept))
            receipt.exported = sum(EXPORTED in orjson.loads(row.uses or "{}") for row in rows)
            sign(receipt, [prefix + row.cube_id for row in rows], digests, reason, key)
            store.insert_receipt(vault.org, receipt_id, receipt.SerializeToString(), now_us)
            return Forgotten(receipt, revision, near_duplicates=similar, more=chosen.more), removed, waiting

        return run

    async def _end_trainings(self, vault: VaultRow, cipher: VaultCipher, choose: Callable[[Store], Chosen]) -> int:
        """Make the states of trainings unreadable that use what is about to go; return how many there were.

        This is done before the transaction, so that no crash comes between: at worst a training begins anew.
        """
        rt = self._rt
        if not await rt.shares.any_of(vault.name):
            return 0
        try:
            rows = (await rt.db.read(lambda conn: choose(rt.store(conn, cipher.token)))).rows
        except PlatformError:
            return 0  # It may have been done already; if not, the transaction says what is wrong.
        return await rt.shares.destroy(vault.name, [f"{vault.name}/cubes/{row.cube_id}" for row in rows])

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
