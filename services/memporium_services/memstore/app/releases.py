"""Releases: sealed through the transfer service, published, taken back."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_platform.names import LISTING, RELEASE, VAULT, new_id, org_of
from memporium_platform.paging import page_size
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.listings import own_listing, visible_listing
from memporium_services.memstore.app.market import Page, caller_org, last_part, move_by, refuse, sees_all, sign_step
from memporium_services.memstore.domain.listings import ListingState
from memporium_services.memstore.domain.releases import RELEASE_MACHINE, Release, ReleaseState, parse_version
from memporium_services.memstore.domain.subscriptions import Delivery, EventKind, MarketEvent
from memporium_services.memstore.ports import SealOrder

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.listings import Listing
    from memporium_services.memstore.ports import Sealed, Sealer, Signer, Transaction

_SHOWN = frozenset({ReleaseState.PUBLISHED, ReleaseState.REVOKED})
# After these nothing is known to be wrong with the release: the same request goes on where it was.
_PASSING = frozenset({Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.OVERLOADED, Reason.CANCELLED})


@dataclass(frozen=True, slots=True)
class ReleaseDraft:
    """What a release is made from."""

    version: str
    changelog: str
    vault: str
    cubes: tuple[str, ...]
    any_tags: tuple[str, ...]
    mask_pii: bool
    sample: bool


class Releases:
    """Releases of listings."""

    def __init__(self, market: Market, sealer: Sealer) -> None:
        """Work on the market, seal by `sealer`."""
        self._market = market
        self._sealer = sealer

    async def create(self, parent: str, draft: ReleaseDraft) -> Release:
        """Seal memories as the next release of a listing and publish it.

        A call that was cut off goes on where it was when it is sent again with its request id.
        """
        parse_version(draft.version)
        ids = LISTING.parse(parent, "parent")
        VAULT.parse(draft.vault, "vault")
        if org_of(draft.vault) != ids["org"]:
            raise invalid("vault", "must be a vault of the listing's organisation")
        signer = await self._market.signers.of(caller_org())
        release = await self._market.mutate(
            lambda tx, now: self._begin(tx, now, parent=parent, draft=draft, signer=signer), _own
        )
        if release.state is ReleaseState.FAILED:
            metadata = {"resource": release.name, "state": release.state.value}
            raise PlatformError(Reason.FAILED_PRECONDITION, f"sealing failed: {release.reason}", metadata=metadata)
        if release.state is not ReleaseState.SEALING:
            return release
        try:
            sealed = await self._sealer.seal(_order(release, draft))
        except PlatformError as error:
            message = error.message
            if not (current_call().request_id and error.reason in _PASSING):
                await self._market.store.write(lambda tx: self._fail(tx, release.name, message, signer))
            raise
        published = await self._market.store.write(lambda tx: self._publish(tx, release.name, sealed, signer))
        self._market.events_added.fire()
        self._market.deliveries_added.fire()
        return published

    async def revoke(self, name: str, reason: str) -> Release:
        """Take a release back; its bundle leaves the publisher's snapshot."""
        signer = await self._market.signers.of(caller_org())

        def work(tx: Transaction, now: datetime) -> str:
            before = _own(tx, name)
            after = replace(_moved(tx, before, "revoke", signer, reason, now), revoke_us=to_us(now))
            tx.releases.put(after)
            listing = own_listing(tx, before.listing)
            had = [each for each in tx.versions(listing.name) if each.state is ReleaseState.PUBLISHED]
            latest = next((each for each in had if not each.sample), None)
            tx.listings.put(replace(_showing(listing, latest), revision=listing.revision + 1))
            tx.events.append(_event(EventKind.RELEASE_REVOKED, after, listing, reason, now))
            tx.audit(current_call(), name, {"version": after.version}, now)
            return name

        release = await self._market.mutate(work, _own)
        self._market.events_added.fire()
        request_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/revoke"))
        await self._sealer.revoke(release.bundle, reason, request_id)
        return release

    async def get(self, name: str) -> Release:
        """Return a release of a listing that the caller may see."""

        def fetch(tx: Transaction) -> Release:
            listing = visible_listing(tx, name.partition("/releases/")[0], asked=name)
            release = tx.releases.get(name)
            if release is None:
                refuse(name)
            if release.state not in _SHOWN and caller_org() != listing.org and not sees_all():
                refuse(name)
            return release

        return await self._market.store.read(fetch)

    async def list_visible(self, parent: str, *, size: int, token: str) -> Page[Release]:
        """Return the releases of a listing, newest first; unpublished ones only to its own organisation."""
        limit = page_size(size)
        scope = f"ListReleases/{parent}"
        after = int(self._market.after(scope, token) or 0)

        def fetch(tx: Transaction) -> list[Release]:
            listing = visible_listing(tx, parent)
            every = caller_org() == listing.org or sees_all()
            return [
                each
                for each in tx.versions(parent)
                if (every or each.state in _SHOWN) and (not after or each.number < after)
            ]

        found = await self._market.store.read(fetch)
        return self._market.page(scope, found, limit, lambda release: str(release.number))

    def _begin(self, tx: Transaction, now: datetime, *, parent: str, draft: ReleaseDraft, signer: Signer) -> str:
        listing = own_listing(tx, parent)
        if listing.state in {ListingState.DEPRECATED, ListingState.RETIRED}:
            metadata = {"resource": parent, "state": listing.state.value}
            raise PlatformError(Reason.FAILED_PRECONDITION, f"{parent} takes no new releases", metadata=metadata)
        version = parse_version(draft.version)
        for before in tx.versions(parent):
            if before.state is not ReleaseState.FAILED and parse_version(before.version) >= version:
                raise invalid("version", f"must be higher than {before.version}")
        number = listing.last_number + 1
        uid = new_id(now)
        release = Release(
            name=f"{parent}/releases/{uid}",
            uid=uid,
            listing=parent,
            org=listing.org,
            version=draft.version,
            number=number,
            changelog=draft.changelog,
            sample=draft.sample,
            terms_sha256=listing.terms_sha256,
            create_us=to_us(now),
        )
        tx.releases.put(release)
        tx.listings.put(replace(listing, last_number=number))
        call = current_call()
        move = move_by(call, signer, reason="", now=now)
        sign_step(tx, move, resource=release.name, sequence=1, states=("", release.state.value, "create"))
        tx.audit(call, release.name, {"version": draft.version, "vault": draft.vault}, now)
        return release.name

    def _publish(self, tx: Transaction, name: str, sealed: Sealed, signer: Signer) -> Release:
        before, now = _own(tx, name), self._market.clock.now()
        if before.state is not ReleaseState.SEALING:
            return before
        after = replace(
            _moved(tx, before, "publish", signer, "", now),
            bundle=sealed.bundle,
            manifest_sha256=sealed.manifest_sha256,
            cube_count=sealed.cube_count,
            sealed_bytes=sealed.sealed_bytes,
            tracing=sealed.tracing,
            publish_us=to_us(now),
        )
        tx.releases.put(after)
        listing = own_listing(tx, after.listing)
        if not after.sample:
            tx.listings.put(replace(_showing(listing, after), revision=listing.revision + 1, update_us=to_us(now)))
        event = tx.events.append(_event(EventKind.RELEASE_PUBLISHED, after, listing, after.changelog, now))
        _deliver(tx, after, event, to_us(now))
        details = {"version": after.version, "bundle": after.bundle, "manifest_sha256": after.manifest_sha256}
        tx.audit(current_call(), name, details, now)
        return after

    def _fail(self, tx: Transaction, name: str, reason: str, signer: Signer) -> None:
        before, now = _own(tx, name), self._market.clock.now()
        if before.state is ReleaseState.SEALING:
            tx.releases.put(_moved(tx, before, "fail", signer, reason, now))


def _showing(listing: Listing, latest: Release | None) -> Listing:
    """Return a listing with this newest release, or none."""
    if latest is None:
        return replace(listing, latest_release="", tracing=None)
    return replace(listing, latest_release=latest.name, tracing=latest.tracing)


def _own(tx: Transaction, name: str) -> Release:
    RELEASE.parse(name)
    release = tx.releases.get(name)
    if release is None:
        raise not_found(name)
    return release


def _moved(tx: Transaction, before: Release, trigger: str, signer: Signer, reason: str, now: datetime) -> Release:
    state = RELEASE_MACHINE.move(before.name, before.state, trigger)
    after = replace(before, state=state, sequence=before.sequence + 1, reason=reason)
    move = move_by(current_call(), signer, reason=reason, now=now)
    states = (before.state.value, state.value, trigger)
    sign_step(tx, move, resource=before.name, sequence=after.sequence, states=states)
    return after


def _order(release: Release, draft: ReleaseDraft) -> SealOrder:
    return SealOrder(
        org=release.org,
        vault=draft.vault,
        cubes=draft.cubes,
        any_tags=draft.any_tags,
        listing=release.listing,
        version=release.version,
        number=release.number,
        terms_sha256=release.terms_sha256,
        mask_pii=draft.mask_pii,
        sample=release.sample,
        # The same for each attempt at this release, so that it is sealed once.
        request_id=str(uuid.uuid5(uuid.NAMESPACE_URL, release.name)),
    )


def _event(kind: EventKind, release: Release, listing: Listing, text: str, now: datetime) -> MarketEvent:
    return MarketEvent(
        event_id=new_id(now),
        kind=kind,
        listing=listing.name,
        org=listing.org,
        release=release.name,
        version=release.version,
        tags=listing.tags,
        text=text,
        time_us=to_us(now),
    )


def _deliver(tx: Transaction, release: Release, event: MarketEvent, now_us: int) -> None:
    """Queue a release for the push subscriptions that want it and have an agreement that covers it."""
    for subscription in tx.events.pushes():
        if not subscription.wants(event):
            continue
        agreement = tx.active_agreement(release.listing, subscription.org)
        if agreement is None or agreement.release not in {"" if not release.sample else release.name, release.name}:
            continue
        tx.events.put_delivery(
            Delivery(
                uid=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{release.name} to {subscription.name}")),
                subscription=subscription.name,
                org=subscription.org,
                owner=subscription.owner,
                vault=last_part(subscription.vault),
                agreement=agreement.name,
                release=release.name,
                next_us=now_us,
            )
        )
