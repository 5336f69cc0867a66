"""What removes, within one transaction: a vault's part, and those of the other vaults that lineage leads to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from memporium.vault.v1.cubes_pb2 import ForgottenElsewhere
from memporium_platform import audit
from memporium_platform.errors import PlatformError, Reason
from memporium_services.vault.app import codec
from memporium_services.vault.app.derivations import near_duplicates
from memporium_services.vault.app.forget_asked import Chosen, Forgotten
from memporium_services.vault.app.forgetting_branches import take_out, take_out_of_filling
from memporium_services.vault.app.leavings import archived_keys, leaving_of
from memporium_services.vault.app.plans import StaleError
from memporium_services.vault.app.reach import UnknownVaultsError
from memporium_services.vault.app.reading import condition_of
from memporium_services.vault.app.receipts import FORGET, LICENCE_ENDED, receipt_of, sign
from memporium_services.vault.app.writing import fresh_vault
from memporium_services.vault.domain.lifecycle import Trigger, step
from memporium_services.vault.domain.rows import Removed
from memporium_services.vault.domain.use_kinds import EXPORTED, listings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from sqlalchemy import Connection

    from memporium.vault.v1.cubes_pb2 import Receipt
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.follower import Waiting
    from memporium_services.vault.app.reach import Place
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import VaultRow
    from memporium_services.vault.ports import Store

    Removal = Callable[[Store], tuple[Forgotten, Removed, Waiting | None]]


@dataclass(frozen=True, slots=True)
class Part:
    """What removes cubes of one vault within a transaction."""

    vault: VaultRow
    cipher: VaultCipher
    removal: Removal


@dataclass(frozen=True, slots=True)
class Why:
    """Why something is removed.

    Attributes:
        known: The uids of branches that were seen to; None: all need not be.
    """

    reason: str
    trigger: Trigger
    kind: int = FORGET
    known: frozenset[str] | None = None


async def parts_of(
    rt: Runtime,
    call: Call,
    vault: VaultRow,
    cipher: VaultCipher,
    choose: Callable[[Store], Chosen],
    why: Why,
    *,
    receipt_id: str,
    others: Sequence[Place] = (),
) -> list[Part]:
    """Return what removes, within one transaction and in this order, what `choose(store)` finds.

    The first part is the vault's own, and does the choosing; `others` are all vaults that more may go from.
    """
    key = await rt.keys.org_signing_key(vault.org)
    ids = {place.vault.uid: rt.new_id() for place in others}
    held: dict[str, Chosen] = {}

    def first(store: Store) -> Chosen:
        chosen = choose(store)
        if strangers := chosen.elsewhere.keys() - ids.keys():
            raise UnknownVaultsError(strangers)
        held.clear()
        held.update(chosen.elsewhere)
        return chosen

    def became(chosen: Chosen) -> list[ForgottenElsewhere]:
        found = [
            ForgottenElsewhere(
                vault=place.vault.name,
                cubes=len(chosen.elsewhere[uid].rows),
                receipt=f"orgs/{vault.org}/receipts/{ids[uid]}",
            )
            for place in others
            if (uid := place.vault.uid) in chosen.elsewhere and chosen.elsewhere[uid].rows
        ]
        return sorted([*found, *staying(chosen)], key=lambda one: (one.vault, one.refusal))

    trained = [name for name in (vault.name, *(place.vault.name for place in others)) if await rt.shares.any_of(name)]
    seen = await _look(rt, cipher, choose) if trained else None
    own = _Removing(rt, call, vault, cipher, why, receipt_id, key)
    own.trainings = await own.end_trainings(seen)
    parts = [Part(vault, cipher, lambda store: own.run(store, first(store), became))]
    # The branches of another vault are among the others.
    quiet = replace(why, known=None)
    for place in others:
        of = _Removing(rt, call, place.vault, place.cipher, quiet, ids[place.vault.uid], key)
        of.part_of = f"orgs/{vault.org}/receipts/{receipt_id}"
        of.trainings = await of.end_trainings(seen.elsewhere.get(place.vault.uid) if seen else None)

        def more(store: Store, of: _Removing = of) -> tuple[Forgotten, Removed, Waiting | None]:
            return of.run(store, held.get(of.vault.uid) or Chosen([]), None)

        parts.append(Part(place.vault, place.cipher, more))
    return parts


async def _look(rt: Runtime, cipher: VaultCipher, choose: Callable[[Store], Chosen]) -> Chosen | None:
    """Return what would go now; None: it may be gone already, and if it is not, the transaction says what is wrong."""
    try:
        return await rt.db.read(lambda conn: choose(rt.store(conn, cipher.token)))
    except (PlatformError, StaleError):
        return None


class _Removing:
    """Removes cubes of one vault."""

    def __init__(
        self,
        rt: Runtime,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        why: Why,
        receipt_id: str,
        key: Ed25519PrivateKey,
    ) -> None:
        self._rt, self._call, self.vault, self._cipher, self._why = rt, call, vault, cipher, why
        self._receipt_id, self._key = receipt_id, key
        self.part_of, self.trainings = "", 0

    async def end_trainings(self, chosen: Chosen | None) -> int:
        """Make the states of trainings unreadable that use what is about to go; return how many there were.

        This is done before the transaction, so that no crash comes between: at worst a training begins anew.
        """
        if chosen is None or not chosen.rows:
            return 0
        name = self.vault.name
        return await self._rt.shares.destroy(name, [f"{name}/cubes/{row.cube_id}" for row in chosen.rows])

    def run(
        self, store: Store, chosen: Chosen, became: Callable[[Chosen], list[ForgottenElsewhere]] | None
    ) -> tuple[Forgotten, Removed, Waiting | None]:
        """Remove what was chosen, and write the receipt."""
        vault, why, now_us = self.vault, self._why, self._rt.now_us()
        if self.part_of and not chosen.rows and not chosen.hidden:
            return Forgotten(None, vault.revision), Removed(), None
        fresh = fresh_vault(store, vault)
        rows, prefix = chosen.rows, f"{vault.name}/cubes/"
        # Neither a freeze nor a hold of the licensee outlives the licence.
        for row in rows if why.kind != LICENCE_ENDED else ():
            step(condition_of(row, now_us), why.trigger, resource=prefix + row.cube_id)
        digests = [codec.cube_of(vault, row, self._cipher).content_digest for row in rows]
        ids = [row.cube_id for row in rows]
        similar = [prefix + one for one in near_duplicates(store, vault.uid, ids)]
        behind = take_out_of_filling(store, vault, ids, why.known, receipt_id=self._receipt_id, now_us=now_us)
        archived = archived_keys(store, self._cipher, vault.uid, ids)
        if chosen.hidden:
            # The import that they are part of finds them gone, and begins anew.
            unseen = store.remove_cubes(vault.uid, chosen.hidden)
            store.note_leaving(leaving_of(vault, f"{self._receipt_id}.hidden", unseen, now_us))
        removed, revision, waiting = take_out(store, fresh, rows, now_us=now_us)
        store.note_leaving(leaving_of(vault, self._receipt_id, removed, now_us, more=archived))
        removed = replace(removed, branches=behind, receipt_id=self._receipt_id)
        if self.part_of and not rows:
            return Forgotten(None, revision), removed, waiting
        receipt = receipt_of(vault, why.kind, self._receipt_id, self._call, now_us, removed)
        receipt.derived = len(chosen.parents)
        receipt.training_states = self.trainings
        receipt.kept_derived.extend(sorted(chosen.kept))
        uses = [orjson.loads(row.uses or "{}") for row in rows]
        receipt.exported = sum(EXPORTED in kinds for kinds in uses)
        receipt.exported_listings.extend(sorted(set[str]().union(*map(listings_in, uses))))
        receipt.elsewhere.extend(became(chosen) if became is not None else ())
        receipt.part_of = self.part_of
        sign(receipt, [prefix + row.cube_id for row in rows], digests, why.reason, self._key)
        store.insert_receipt(vault.org, self._receipt_id, receipt.SerializeToString(), now_us)
        return Forgotten(receipt, revision, near_duplicates=similar, more=chosen.more), removed, waiting


def staying(chosen: Chosen) -> list[ForgottenElsewhere]:
    """Return how much stays of other vaults, by what forbids it."""
    return [
        ForgottenElsewhere(vault=vault, cubes=count, refusal=refusal)
        for (vault, refusal), count in sorted(chosen.stay.items())
    ]


def record_elsewhere(conn: Connection, call: Call, receipts: Iterable[Receipt], *, reason: str) -> None:
    """Write the audit records of what was done in other vaults, and of what was refused there."""
    for receipt in receipts:
        if receipt.part_of:
            details = {"receipt": receipt.name, "cubes": str(receipt.cubes), "reason": reason}
            audit.record_in(conn, call, resource=receipt.vault, details=details | {"part_of": receipt.part_of})
        for one in receipt.elsewhere:
            if one.refusal:
                details = {"refusal": one.refusal, "cubes": str(one.cubes), "receipt": receipt.name}
                effect = "DENY" if one.refusal == Reason.PERMISSION_DENIED.name else "ERROR"
                audit.record_in(conn, call, effect=effect, resource=one.vault, details=details)
