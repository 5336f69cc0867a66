"""Erases vaults for good, and their keys with them; a signed receipt stays.

The order matters. The transaction removes every row, writes the receipt, and notes that all else is to be deleted; then
the index, the key and the objects go. What a crash leaves of the latter is done by the sweep, or by the same call, made
again (`leavings`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium.vault.v1.cubes_pb2 import Receipt
from memporium_platform import audit, idempotency, names
from memporium_platform.errors import PlatformError, Reason, etag_mismatch, not_found
from memporium_services.vault.app.forgetting_branches import any_vault, refuse_branched
from memporium_services.vault.app.leavings import leaving_of
from memporium_services.vault.app.reading import condition_of
from memporium_services.vault.app.receipts import ERASE_VAULT, LICENCE_ENDED, receipt_of, sign
from memporium_services.vault.app.vaults import vault_etag
from memporium_services.vault.domain.lifecycle import Trigger, step

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.forgetting import Forgetting
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import EndedPack, Removed, VaultRow


class Erasing:
    """Removes vaults."""

    def __init__(self, rt: Runtime, follower: IndexFollower, forgetting: Forgetting) -> None:
        """Work on these ports; what is left of a vault's cubes is removed by `forgetting`."""
        self._rt = rt
        self._follower = follower
        self._forgetting = forgetting

    async def delete_vault(self, call: Call, name: str, etag: str, *, erase: bool, reason: str) -> Receipt:
        """Erase a vault and destroy its key; return the receipt.

        Raises:
            PlatformError: NOT_FOUND, ETAG_MISMATCH, FAILED_PRECONDITION (it holds cubes), LEGAL_HOLD.
        """
        ids = names.VAULT.parse(name)
        rt = self._rt
        vault = await rt.db.read(lambda conn: any_vault(rt.store(conn), ids["org"], ids["vault"]))
        if vault is None and not call.request_id:
            raise not_found(name)
        if vault is not None and etag and etag != vault_etag(vault):
            raise etag_mismatch(name)
        if vault is not None and vault.cubes and not erase and not vault.filling:
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                f"{name} holds {vault.cubes} cubes; say erase to remove them too",
                metadata={"resource": name, "state": "NOT_EMPTY"},
            )
        return await self.erase(call, ids["org"], name, vault, reason=reason, kind=ERASE_VAULT)

    async def drop_unfilled(self, vault: VaultRow, *, idle_since_us: int | None = None) -> None:
        """Remove a branch that came to nothing before anybody was told of it, unless it was gone on with since."""
        rt, leaving_id = self._rt, self._rt.new_id()

        def run(conn: Connection) -> Removed | None:
            store = rt.store(conn)
            row, at = store.vault_by_uid(vault.uid), store.branch(vault.uid)
            if row is None or not row.filling or (at and idle_since_us is not None and at.update_us > idle_since_us):
                return None
            # The same request again begins anew.
            idempotency.forget(conn, vault.uid)
            removed = store.delete_vault(vault.uid)
            store.note_leaving(leaving_of(vault, leaving_id, removed, rt.now_us(), whole=True))
            return replace(removed, receipt_id=leaving_id)

        removed = await rt.db.write(run)
        if removed is not None:
            await self._destroy(vault, removed)

    async def erase(
        self,
        call: Call,
        org: str,
        name: str,
        vault: VaultRow | None,
        *,
        reason: str,
        kind: int,
        ended: EndedPack | None = None,
    ) -> Receipt:
        """Erase a vault: rows, index, objects, key; `ended` is what is remembered of a licensed pack."""
        rt = self._rt
        signing = await rt.keys.org_signing_key(org)
        now_us, receipt_id = rt.now_us(), rt.new_id()
        trainings = await rt.shares.destroy(name, None) if vault is not None else 0

        def run(conn: Connection) -> tuple[Receipt, list[tuple[VaultRow, Removed]]]:
            if vault is None:
                raise not_found(name)
            store = rt.store(conn)
            if kind == ERASE_VAULT:
                refuse_branched(store, vault, rt.settings.max_vaults)
            unfilled = [(one, store.delete_vault(one.uid)) for one in store.branches_from(vault.uid, filling=True)]
            for one, removed in unfilled:
                store.note_leaving(leaving_of(one, f"{receipt_id}.{one.uid}", removed, now_us, whole=True))
            held = [row for row in store.select_held(vault.uid) if kind != LICENCE_ENDED]
            for row in held:
                step(condition_of(row, now_us), Trigger.FORGET, resource=f"{name}/cubes/{row.cube_id}")
            if ended is not None:
                store.end_pack(replace(ended, receipt=f"orgs/{org}/receipts/{receipt_id}"), vault.uid)
            removed = store.delete_vault(vault.uid)
            store.note_leaving(leaving_of(vault, receipt_id, removed, now_us, whole=True))
            receipt = receipt_of(vault, kind, receipt_id, call, now_us, removed)
            receipt.key_destroyed = True
            receipt.training_states = trainings
            sign(receipt, [f"{name}/cubes/{cube_id}" for cube_id in removed.cube_ids], [], reason, signing)
            store.insert_receipt(org, receipt_id, receipt.SerializeToString(), now_us)
            details = {"receipt": receipt.name, "cubes": str(len(removed.cube_ids)), "reason": reason}
            audit.record_in(conn, call, resource=name, details=details)
            gone = [*unfilled, (vault, removed)]
            return receipt, [(one, replace(its, receipt_id=receipt_id)) for one, its in gone]

        def recall(conn: Connection, kept_id: str) -> tuple[Receipt, list[tuple[VaultRow, Removed]]]:
            return Receipt.FromString(rt.store(conn).receipt(org, kept_id) or b""), []

        receipt, gone = await rt.db.write(
            lambda conn: idempotency.once(
                conn, call, now=rt.clock.now(), run=run, remember=lambda _: receipt_id, recall=recall
            )
        )
        for one, removed in gone:
            await self._destroy(one, removed)
        if gone:
            await self._forgetting.scrub()
        else:
            await self._forgetting.finish([receipt])
        return receipt

    async def _destroy(self, vault: VaultRow, removed: Removed) -> None:
        """Remove what is left of a vault whose rows are gone."""
        self._follower.forget(vault.uid)
        await self._forgetting.clean(vault, removed)
