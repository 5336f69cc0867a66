"""Bundles across platforms: what an agreement opens there, and what it opens here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, denied
from memporium_platform.storage.sql.times import from_us, to_us
from memporium_services.memstore.app.agreements import party_agreement
from memporium_services.memstore.app.entitlements import successor
from memporium_services.memstore.app.market import caller_org, parsed_terms, refuse
from memporium_services.memstore.domain.agreements import require_usable
from memporium_services.memstore.domain.peering import names
from memporium_services.memstore.domain.releases import Release, ReleaseState
from memporium_services.memstore.ports.peering import ObjectOrder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.domain.peering.speech import Said
    from memporium_services.memstore.ports import Transaction
    from memporium_services.memstore.ports.peering import OwnBundles, Wanted

_READ = "memstore.peering.read"


@dataclass(frozen=True, slots=True)
class Opened:
    """A release that an agreement covers."""

    release: Release
    statement: Said
    newest: bool


class OwnGoods:
    """Bundles of organisations here, for consumers on other platforms."""

    def __init__(self, peering: Peering, bundles: OwnBundles) -> None:
        """Read them by the transfer service."""
        self._peering, self._bundles = peering, bundles

    async def open(self, peer: Peer, agreement: str, release: str) -> Opened:
        """Return the release that an agreement covers; the newest where `release` is empty."""

        def fetch(tx: Transaction) -> tuple[Release, bool]:
            agreed = self._agreed(tx, peer, agreement)
            wanted = release or agreed.release
            newest = not wanted
            if newest:
                listing = tx.listings.get(agreed.listing)
                wanted = listing.latest_release if listing is not None else ""
                if not wanted:
                    raise PlatformError(
                        Reason.FAILED_PRECONDITION,
                        f"{agreed.listing} has no release",
                        metadata={"resource": agreed.listing, "state": "without a release"},
                    )
            found = tx.releases.get(wanted)
            if found is None or found.listing != agreed.listing or agreed.release not in {"", wanted}:
                raise denied(_READ, wanted)
            if found.state is not ReleaseState.PUBLISHED:
                raise PlatformError(
                    Reason.FAILED_PRECONDITION,
                    f"{wanted} is {found.state.value}",
                    metadata={"resource": wanted, "state": found.state.value},
                )
            return found, newest

        found, newest = await self._peering.market.store.read(fetch)
        return Opened(found, await self._peering.statement(found.org), newest)

    async def read(self, peer: Peer, wanted: Wanted, statement: Said) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the size of an object, then its bytes, as they are stored; the grant is made for the recipient."""
        keys = await self._peering.learn(peer, statement)

        def fetch(tx: Transaction) -> Agreement:
            agreed = self._agreed(tx, peer, wanted.agreement)
            published = (each for each in tx.versions(agreed.listing) if each.state is ReleaseState.PUBLISHED)
            covered = {each.bundle for each in published if agreed.release in {"", each.name}}
            if wanted.bundle not in covered:
                raise denied(_READ, wanted.bundle)
            return agreed

        agreed = await self._peering.market.store.read(fetch)
        if agreed.consumer != f"{keys.org}.{peer.id}":
            raise denied(_READ, wanted.agreement)
        order = ObjectOrder(
            bundle=wanted.bundle,
            wanted=wanted.object,
            offset=wanted.offset,
            agreement=agreed.name,
            listing=agreed.listing,
            terms_sha256=agreed.terms_sha256,
            recipient=f"orgs/{agreed.consumer}",
            recipient_key=bytes.fromhex(keys.hpke_key),
            recipient_hybrid_key=bytes.fromhex(keys.hybrid_key),
            end_time=from_us(agreed.expire_us) if agreed.expire_us else None,
        )
        async for piece in self._bundles.read(order):
            yield piece

    def _agreed(self, tx: Transaction, peer: Peer, name: str) -> Agreement:
        """Return an agreement of the peer's that is in force and lets memory leave this platform."""
        agreed = tx.agreements.get(name)
        if agreed is None or names.peer_of(agreed.consumer) != peer.id:
            raise denied(_READ, name)
        require_usable(agreed, to_us(self._peering.market.clock.now()))
        terms = parsed_terms(tx.document(agreed.terms_sha256))
        if all(rule.on_platform_only for rule in terms.rules.values()):
            raise PlatformError(
                Reason.LICENCE_NOT_PERMITTED,
                "the licence allows use on the provider's platform only",
                metadata={"agreement": name, "action": "EXPORT_BUNDLE", "term": "on_platform_only"},
            )
        return agreed


@dataclass(frozen=True, slots=True)
class Resolved:
    """A peer's release: by the names here, and by those that were signed."""

    release: str
    version: str
    number: int
    bundle: str
    signed_bundle: str
    signed_publisher: str
    signed_recipient: str
    signed_agreement: str
    signed_listing: str
    publisher_keys: tuple[bytes, ...]
    newest: bool


class PeerGoods:
    """Bundles of providers on other platforms, for consumers here."""

    def __init__(self, peering: Peering) -> None:
        """Ask the peers for them."""
        self._peering = peering

    async def resolve(self, agreement: str, release: str) -> Resolved:
        """Return the release that an agreement of the caller's organisation covers."""
        agreed, peer = await self._agreed(agreement)
        there = self._peering.there
        asked = there(release, peer.id) if release else ""
        response = await self._peering.calls.open_release(peer, there(agreed.name, peer.id), asked)
        found = response
        keys = await self._peering.learn(peer, found.statement)
        if f"{keys.org}.{peer.id}" != agreed.provider:
            raise denied(_READ, agreement)
        return Resolved(
            release=self._peering.here(found.name, peer.id),
            version=found.version,
            number=found.number,
            bundle=self._peering.here(found.bundle, peer.id),
            signed_bundle=found.bundle,
            signed_publisher=there(f"orgs/{agreed.provider}", peer.id),
            signed_recipient=there(f"orgs/{agreed.consumer}", peer.id),
            signed_agreement=there(agreed.name, peer.id),
            signed_listing=there(agreed.listing, peer.id),
            publisher_keys=(bytes.fromhex(keys.signing_key),),
            newest=found.newest,
        )

    async def read(self, wanted: Wanted) -> AsyncIterator[tuple[int, bytes]]:
        """Yield size and bytes of an object of a bundle that an agreement of the caller's organisation covers."""
        agreed, peer = await self._agreed(wanted.agreement)
        statement = await self._peering.statement(agreed.consumer)
        async for piece in self._peering.calls.read_object(
            peer,
            replace(
                wanted,
                agreement=self._peering.there(agreed.name, peer.id),
                bundle=self._peering.there(wanted.bundle, peer.id),
            ),
            statement,
        ):
            yield piece

    async def _agreed(self, name: str) -> tuple[Agreement, Peer]:
        def fetch(tx: Transaction) -> tuple[Agreement, Peer]:
            party_agreement(tx, name)
            agreed = successor(tx, name)
            peer = tx.peering.peer(names.peer_of(agreed.provider)) if agreed is not None else None
            if agreed is None or peer is None or caller_org() not in {"", agreed.consumer}:
                refuse(name)
            require_usable(agreed, to_us(self._peering.market.clock.now()))
            return agreed, peer

        return await self._peering.market.store.read(fetch)
