"""Two accounts of one agreement, each proved from its platform's audit log, held against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.errors import denied
from memporium_services.memstore.app.agreements import party_agreement
from memporium_services.memstore.app.market import caller_org, refuse, sees_all
from memporium_services.memstore.app.peering.comparison import Compared, Comparison
from memporium_services.memstore.domain.peering import names

if TYPE_CHECKING:
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.negotiations import Negotiation
    from memporium_services.memstore.domain.peering.peers import Entry, Peer
    from memporium_services.memstore.ports import Transaction
    from memporium_services.memstore.ports.peering import OwnLogs, Proofs


@dataclass(frozen=True, slots=True)
class Account:
    """This platform's account of an agreement, with proofs from its log."""

    entries: list[Entry]
    proofs: Proofs


class Accounts:
    """Shows and compares accounts."""

    def __init__(self, peering: Peering, logs: OwnLogs) -> None:
        """Prove by this platform's logs."""
        self._peering, self._logs = peering, logs

    async def ledger(self, name: str) -> list[Entry]:
        """Return what was exchanged about a negotiation or agreement of the caller's organisation."""

        def fetch(tx: Transaction) -> list[Entry]:
            if "/agreements/" in name:
                agreement = party_agreement(tx, name)
                return tx.peering.account([name, agreement.negotiation])
            talks = _party_talks(tx, name)
            return tx.peering.account([talks.name])

        return await self._peering.market.store.read(fetch)

    async def show(self, peer: Peer, signed_name: str, seen_size: int) -> Account:
        """Return this platform's account for the peer that takes part in an agreement."""

        def fetch(tx: Transaction) -> tuple[Agreement, list[Entry]]:
            own = tx.agreements.get(signed_name)
            agreement = own or tx.agreements.get(self._peering.here(signed_name, peer.id))
            if agreement is None or peer.id not in {
                names.peer_of(agreement.provider),
                names.peer_of(agreement.consumer),
            }:
                raise denied("memstore.peering.ledger", signed_name)
            found = tx.peering.account([agreement.name, agreement.negotiation])
            return agreement, [entry for entry in found if entry.peer == peer.id]

        agreement, entries = await self._peering.market.store.read(fetch)
        decisions = [entry.decision_id for entry in entries]
        return Account(entries, await self._logs.prove(_own(agreement), decisions, seen_size=seen_size))

    async def compare(self, name: str) -> Compared:
        """Hold this platform's account of an agreement against the peer's."""
        store = self._peering.market.store
        agreement = await store.read(lambda tx: party_agreement(tx, name))
        peer_id = names.peer_of(agreement.provider) or names.peer_of(agreement.consumer)
        peer = await store.read(lambda tx: tx.peering.peer(peer_id))
        if peer is None:
            refuse(name)
        theirs_org = agreement.provider if names.is_foreign(agreement.provider) else agreement.consumer
        their_org = theirs_org.partition(".")[0]
        signed_name = self._peering.there(name, peer_id) if names.names_foreign(name) else name
        seen_size, seen_note = await store.read(lambda tx: tx.peering.checkpoint(peer_id, their_org))
        # Theirs first: what comes in between is then in ours alone, and newer than theirs.
        theirs = await self._peering.calls.ledger(peer, signed_name, seen_size)
        entries = await store.read(lambda tx: tx.peering.account([name, agreement.negotiation]))
        own = await self._logs.prove(_own(agreement), [entry.decision_id for entry in entries], seen_size=0)
        keys = await store.read(lambda tx: _keys(tx, peer_id, their_org))
        comparison = Comparison(
            peer=peer,
            their_org=their_org,
            their_keys=keys,
            own_key=(await self._peering.organisations.keys(_own(agreement))).signing_key,
            own_platform_key=self._peering.public_key,
        )
        compared = comparison.run(entries, own, theirs, seen=(seen_size, seen_note))
        if compared.peer_size > seen_size and not compared.log_differs:
            await store.write(
                lambda tx: tx.peering.put_checkpoint(
                    peer_id, their_org, size=compared.peer_size, note=compared.peer_checkpoint
                )
            )
        return compared


def _own(agreement: Agreement) -> str:
    return agreement.consumer if names.is_foreign(agreement.provider) else agreement.provider


def _party_talks(tx: Transaction, name: str) -> Negotiation:
    talks = tx.negotiations.get(name, party="" if sees_all() else caller_org())
    if talks is None:
        refuse(name)
    return talks


def _keys(tx: Transaction, peer: str, org: str) -> tuple[str, ...]:
    newest = tx.peering.keys(peer, org)
    return (newest.signing_key,) if newest is not None else ()
