"""What runs on memory of a peer is cut when its lease is over: who enforces agreements is told as of a suspension."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.domain.agreements import AgreementState
from memporium_services.memstore.domain.peering import names

if TYPE_CHECKING:
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.ports import Transaction

_ALL = 1_000_000


def leased(tx: Transaction, agreement: Agreement, now_us: int) -> bool:
    """Return whether memory under an agreement may be used as far as its provider's platform goes."""
    peer = names.peer_of(agreement.provider)
    return not peer or (now_us < tx.peering.link(peer).lease_us and tx.peering.peer(peer) is not None)


def as_enforced(tx: Transaction, agreement: Agreement, now_us: int) -> Agreement:
    """Return an agreement as those who enforce it must see it: without a lease it is not in force."""
    if agreement.state is not AgreementState.ACTIVE or leased(tx, agreement, now_us):
        return agreement
    silent = f"no word from peers/{names.peer_of(agreement.provider)}"
    return replace(agreement, state=AgreementState.SUSPENDED, reason=silent)


class Lapsing:
    """Notices leases that end, and at start those that are held."""

    def __init__(self, peering: Peering) -> None:
        """Tell through the market."""
        self._peering = peering
        self._held: frozenset[str] = frozenset()

    async def look(self) -> int:
        """Tell those who enforce agreements of peers whose lease has ended or come back; return how many peers."""
        now_us = to_us(self._peering.market.clock.now())
        held = await self._peering.market.store.read(lambda tx: _held(tx, now_us))
        changed = held ^ self._held
        if changed:
            await self._peering.market.store.write(lambda tx: tell(tx, changed))
            self._peering.market.entitlements_changed.fire()
        self._held = held
        return len(changed)


def _held(tx: Transaction, now_us: int) -> frozenset[str]:
    return frozenset(peer.id for peer in tx.peering.peers() if now_us < tx.peering.link(peer.id).lease_us)


def tell(tx: Transaction, peers: frozenset[str]) -> None:
    """Give the agreements of these peers a new revision, so that whoever watches looks at them again."""
    for name in tx.peering.mirrored(after="", limit=_ALL):
        agreement = tx.agreements.get(name)
        if agreement is not None and names.peer_of(agreement.provider) in peers:
            tx.agreements.put(replace(agreement, revision=tx.next_number("entitlements")))
