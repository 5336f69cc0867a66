"""Forgets for good: rows, versions, units, index entries, blobs and archived payloads go; a signed receipt stays.

The order matters. The transaction removes every row and writes the receipt; then the index, the objects and, for a
vault, the key. What a crash leaves of the latter is unreachable, and swept.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from memporium.vault.v1.cubes_pb2 import Receipt
from memporium_platform import audit, idempotency, names
from memporium_platform.bundle.dsse import key_id, pre_authentication_encoding
from memporium_platform.errors import PlatformError, Reason, etag_mismatch, invalid, not_found
from memporium_services.vault.app import codec
from memporium_services.vault.app.follower import Waiting
from memporium_services.vault.app.reading import condition_of, find_cubes, reader_of
from memporium_services.vault.app.runtime import cube_ids_in, refuse_read_only
from memporium_services.vault.app.vaults import vault_etag
from memporium_services.vault.app.writing import FORGOTTEN, fresh_vault
from memporium_services.vault.domain.lifecycle import Trigger, step
from memporium_services.vault.domain.rows import ChangeRow, IndexTask
from memporium_services.vault.ports import VaultDelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_services.vault.app.blobs import Blobs
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.follower import IndexFollower
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, Removed, VaultRow
    from memporium_services.vault.domain.selection import Selection
    from memporium_services.vault.ports import Store

PAYLOAD_TYPE = "application/vnd.memporium.receipt+json"
MAX_FORGET_CUBES = 10_000
FORGET, ERASE_VAULT, LICENCE_ENDED = 1, 2, 3
_KINDS = {FORGET: "forget", ERASE_VAULT: "erase-vault", LICENCE_ENDED: "licence-ended"}


class Forgetting:
    """Removes cubes and vaults."""

    def __init__(self, rt: Runtime, follower: IndexFollower, blobs: Blobs) -> None:
        """Work on these ports."""
        self._rt = rt
        self._follower = follower
        self._blobs = blobs

    async def forget(
        self, call: Call, parent: str, cube_names: Sequence[str], selection: Selection | None, reason: str
    ) -> tuple[Receipt, int]:
        """Forget cubes; return the receipt and the revision.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, PERMISSION_DENIED, VAULT_READ_ONLY, LEGAL_HOLD, CUBE_FROZEN.
        """
        rt = self._rt
        if bool(cube_names) == (selection is not None and not selection.unconditional):
            raise invalid("names", "give names, or a filter with one condition at least")
        if len(cube_names) > MAX_FORGET_CUBES:
            raise invalid("names", f"at most {MAX_FORGET_CUBES}")
        vault = await rt.vault(parent, field="parent")
        refuse_read_only(vault)
        cipher = await rt.cipher(vault)
        ids = list(dict.fromkeys(cube_ids_in(vault, list(cube_names))))

        def choose(store: Store) -> list[CubeRow]:
            if selection is None or ids:
                return find_cubes(store, call, vault, ids)
            chosen = replace(selection, reader=reader_of(call), now_us=rt.now_us())
            return store.select(vault.uid, chosen, order="name", after=None, limit=MAX_FORGET_CUBES)

        return await self.remove(call, vault, cipher, choose, reason=reason, trigger=Trigger.FORGET)

    async def remove(
        self, call: Call, vault: VaultRow, cipher: VaultCipher, choose: Any, *, reason: str, trigger: Trigger
    ) -> tuple[Receipt, int]:
        """Remove the cubes that `choose(store)` returns within the transaction."""
        rt = self._rt
        key = await rt.keys.org_signing_key(vault.org)
        now_us, receipt_id = rt.now_us(), rt.new_id()

        def run(conn: Connection) -> tuple[Receipt, int, Removed | None, Waiting | None]:
            store = rt.store(conn, cipher.token)
            fresh = fresh_vault(store, vault)
            rows = choose(store)
            for row in rows:
                step(condition_of(row, now_us), trigger, resource=f"{vault.name}/cubes/{row.cube_id}")
            digests = [codec.cube_of(vault, row, cipher).content_digest for row in rows]
            removed, revision, waiting = take_out(store, fresh, rows, now_us=now_us)
            receipt = _receipt(vault, FORGET, receipt_id, call, now_us, removed)
            _sign(receipt, [f"{vault.name}/cubes/{row.cube_id}" for row in rows], digests, reason, key)
            store.insert_receipt(vault.org, receipt_id, receipt.SerializeToString(), now_us)
            details = {"receipt": receipt.name, "cubes": str(len(rows)), "reason": reason}
            audit.record_in(conn, call, resource=vault.name, details=details)
            return receipt, revision, removed, waiting

        def recall(conn: Connection, kept: str) -> tuple[Receipt, int, None, None]:
            kept_id, _, revision = kept.partition(" ")
            body = rt.store(conn).receipt(vault.org, kept_id)
            return Receipt.FromString(body or b""), int(revision), None, None

        receipt, revision, removed, waiting = await rt.db.write(
            lambda conn: idempotency.once(
                conn,
                call,
                now=rt.clock.now(),
                run=run,
                remember=lambda done: f"{receipt_id} {done[1]}",
                recall=recall,
            )
        )
        if removed is not None:
            await self.clean(vault, removed)
        if waiting is not None:
            self._follower.offer(vault.uid, revision, waiting)
            await self._follower.follow(vault, revision)
        await self._scrub()
        return receipt, revision

    async def clean(self, vault: VaultRow, removed: Removed) -> None:
        """Delete the objects of what was removed."""
        for object_key in removed.object_keys:
            await self._rt.objects.delete(object_key)
        await self._blobs.delete(vault.uid, removed.blobs)

    async def delete_vault(self, call: Call, name: str, etag: str, *, erase: bool, reason: str) -> Receipt:
        """Erase a vault and destroy its key; return the receipt.

        Raises:
            PlatformError: NOT_FOUND, ETAG_MISMATCH, FAILED_PRECONDITION (it holds cubes), LEGAL_HOLD.
        """
        ids = names.VAULT.parse(name)
        rt = self._rt
        vault = await rt.db.read(lambda conn: rt.store(conn).vault(ids["org"], ids["vault"]))
        if vault is None and not call.request_id:
            raise not_found(name)
        if vault is not None and etag and etag != vault_etag(vault):
            raise etag_mismatch(name)
        if vault is not None and vault.cubes and not erase:
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                f"{name} holds {vault.cubes} cubes; say erase to remove them too",
                metadata={"resource": name, "state": "NOT_EMPTY"},
            )
        return await self.erase(call, ids["org"], name, vault, reason=reason, kind=ERASE_VAULT)

    async def erase(
        self, call: Call, org: str, name: str, vault: VaultRow | None, *, reason: str, kind: int
    ) -> Receipt:
        """Erase a vault: rows, index, objects, key."""
        rt = self._rt
        signing = await rt.keys.org_signing_key(org)
        now_us, receipt_id = rt.now_us(), rt.new_id()

        def run(conn: Connection) -> tuple[Receipt, Removed | None]:
            if vault is None:
                raise not_found(name)
            store = rt.store(conn)
            held = [row for row in store.select_held(vault.uid) if kind != LICENCE_ENDED]
            for row in held:
                step(condition_of(row, now_us), Trigger.FORGET, resource=f"{name}/cubes/{row.cube_id}")
            removed = store.delete_vault(vault.uid)
            receipt = _receipt(vault, kind, receipt_id, call, now_us, removed)
            receipt.key_destroyed = True
            _sign(receipt, [f"{name}/cubes/{cube_id}" for cube_id in removed.cube_ids], [], reason, signing)
            store.insert_receipt(org, receipt_id, receipt.SerializeToString(), now_us)
            details = {"receipt": receipt.name, "cubes": str(len(removed.cube_ids)), "reason": reason}
            audit.record_in(conn, call, resource=name, details=details)
            return receipt, removed

        def recall(conn: Connection, kept_id: str) -> tuple[Receipt, None]:
            return Receipt.FromString(rt.store(conn).receipt(org, kept_id) or b""), None

        receipt, removed = await rt.db.write(
            lambda conn: idempotency.once(
                conn, call, now=rt.clock.now(), run=run, remember=lambda _: receipt_id, recall=recall
            )
        )
        if vault is not None and removed is not None:
            await asyncio.to_thread(rt.indexes.destroy, vault.uid)
            self._follower.forget(vault.uid)
            await rt.keys.destroy_vault_key(org, vault.uid)
            rt.forget_cipher(vault.uid)
            await self.clean(vault, removed)
            await self._scrub()
        return receipt

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

    async def _scrub(self) -> None:
        """Have the engine overwrite what deleted rows left behind, where it can."""
        scrub = getattr(self._rt.db, "scrub", None)
        if scrub is not None:
            await scrub()


def take_out(
    store: Store, vault: VaultRow, rows: Sequence[CubeRow], *, now_us: int
) -> tuple[Removed, int, Waiting | None]:
    """Remove cubes within the transaction; return what was removed, the revision, and what the index has to do."""
    removed = store.remove_cubes(vault.uid, [row.cube_id for row in rows])
    if not rows:
        return removed, vault.revision, None
    delta = VaultDelta(
        cubes=-len(rows),
        bytes_used=-removed.bytes_freed,
        units=-len(removed.unit_ids),
        context_units=-removed.context_units,
    )
    revision = store.bump(vault, delta, indexed=bool(removed.unit_ids))
    store.add_changes(vault.uid, [ChangeRow(revision, row.cube_id, FORGOTTEN, now_us) for row in rows])
    if not removed.unit_ids:
        return removed, revision, None
    store.add_task(vault.uid, IndexTask(revision, (), removed.unit_ids))
    return removed, revision, Waiting(vault.index_revision, (), removed.unit_ids)


def _receipt(
    vault: VaultRow,
    kind: int,
    receipt_id: str,
    call: Call,
    now_us: int,
    removed: Removed,
) -> Receipt:
    receipt = Receipt(
        name=f"orgs/{vault.org}/receipts/{receipt_id}",
        kind=kind,  # type: ignore[arg-type]
        vault=vault.name,
        principal=call.principal.name,
        cubes=len(removed.cube_ids),
        versions=removed.versions,
        units=len(removed.unit_ids),
        blobs=len(removed.blobs) + len(removed.object_keys),
    )
    codec.set_time(receipt.create_time, now_us)
    return receipt


def _sign(receipt: Receipt, cube_names: Sequence[str], digests: Sequence[str], reason: str, key: Any) -> None:
    """Write the statement and sign its bytes."""
    statement = {
        "receipt": receipt.name,
        "kind": _KINDS[receipt.kind],
        "vault": receipt.vault,
        "principal": receipt.principal,
        "create_time": receipt.create_time.ToJsonString(),
        "cubes": receipt.cubes,
        "versions": receipt.versions,
        "units": receipt.units,
        "blobs": receipt.blobs,
        "key_destroyed": receipt.key_destroyed,
        "name_sha256": sorted(hashlib.sha256(name.encode()).hexdigest() for name in cube_names),
        # A digest of a digest: the receipt must not let anybody test a guess at the content.
        "reason_sha256": hashlib.sha256(reason.encode()).hexdigest() if reason else "",
        "content_digest_sha256": sorted(hashlib.sha256(digest.encode()).hexdigest() for digest in digests),
    }
    receipt.payload_type = PAYLOAD_TYPE
    receipt.payload = orjson.dumps(statement, option=orjson.OPT_SORT_KEYS)
    receipt.signature = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, receipt.payload))
    receipt.key_id = key_id(key.public_key())
