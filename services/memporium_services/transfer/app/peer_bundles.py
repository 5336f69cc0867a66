"""Bundles of publishers on other platforms: fetched object by object, verified under the names that were signed.

What has arrived is kept until the import is done, so that a pull that was cut off asks for nothing twice.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from memporium.transfer.v1.bundle_pb2 import Manifest, RootChain
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import MANIFEST_TYPE, Documents, decode, payload
from memporium_platform.bundle.grants import ExpectedAgreement, Recipient
from memporium_platform.bundle.limits import (
    GRANT_MAX,
    MANIFEST_MAX,
    SEGMENT_OBJECT_MAX,
    SIGNED_TIME_MAX,
    SNAPSHOT_MAX,
)
from memporium_platform.bundle.roots import whole
from memporium_platform.bundle.steps import VerificationStep, rejected
from memporium_platform.bundle.verifier import BundleVerifier, Policy
from memporium_platform.errors import PlatformError, Reason, denied
from memporium_platform.names import AGREEMENT, org_of
from memporium_services.transfer.app.admission import Admission, Admitted
from memporium_services.transfer.app.events import Imported, Passed
from memporium_services.transfer.app.importing import Importing
from memporium_services.transfer.app.verification import Opening, Verification
from memporium_services.transfer.domain.bundles import Bundle, BundleKind, BundleState, line_of, listing_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_platform.clock import Clock
    from memporium_services.transfer.app.catalogue import Catalogue
    from memporium_services.transfer.app.intake import Job
    from memporium_services.transfer.ports.peers import PeerMarket, PeerRelease
    from memporium_services.transfer.ports.services import Market, Terms
    from memporium_services.transfer.ports.store import BundleStore

# What a part may weigh at most: it has the shape of a manifest.
_PART_MAX = MANIFEST_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerBundle(Bundle):
    """A bundle of another platform, by the names here; `found` has those that were signed."""

    found: PeerRelease


def is_foreign(name: str) -> bool:
    """Return whether a name is of an organisation of another platform."""
    return "." in org_of(name)


class PeerAdmission(Admission):
    """Asks memstore, which asks the other platform, where an agreement is with one of its organisations."""

    def __init__(self, catalogue: Catalogue, market: Market, *, peers: PeerMarket, clock: Clock) -> None:
        """Wire the parts."""
        super().__init__(catalogue, market)
        self._peers, self._clock = peers, clock

    async def of_release(self, org: str, *, agreement: str, release: str) -> Admitted:
        """Return the bundle of a release; of the newest one that the agreement covers where `release` is empty."""
        if not is_foreign(agreement):
            return await super().of_release(org, agreement=agreement, release=release)
        AGREEMENT.parse(agreement, "agreement")
        terms = await self._market.agreement(agreement, consumer=f"orgs/{org}")
        found = await self._peers.resolve(terms.name, release)
        return Admitted(self._bundle(found, terms), terms, found.release, found.newest)

    async def of_bundle(self, org: str, name: str, *, agreement: str) -> Admitted:
        """Return a bundle by name."""
        if not is_foreign(name):
            return await super().of_bundle(org, name, agreement=agreement)
        admitted = await self.of_release(org, agreement=agreement, release="")
        if admitted.bundle.name != name:
            raise denied("transfer.bundles.verify", name)
        return admitted

    def _bundle(self, found: PeerRelease, terms: Terms) -> PeerBundle:
        owner, _, bundle_id = found.bundle.removeprefix("orgs/").partition("/bundles/")
        if f"orgs/{owner}" != terms.provider or not bundle_id:
            raise denied("transfer.bundles.pull", found.bundle)
        return PeerBundle(
            org=owner,
            bundle_id=bundle_id,
            kind=BundleKind.RELEASE,
            state=BundleState.SEALED,
            vault="",
            # Only an agreement on trial names a release of its own: a sample.
            line=line_of(terms.listing, sample=bool(terms.release)),
            version=found.version,
            number=found.number,
            create_time=self._clock.now(),
            terms_sha256=terms.sha256,
            found=found,
        )


class PeerVerification(Verification):
    """Opens bundles, also those of other platforms."""

    def __init__(self, *parts: Any, peers: PeerMarket, **more: Any) -> None:
        """Wire the parts, those of `Verification` and the market of other platforms."""
        super().__init__(*parts, **more)
        self.peers = peers

    def of(self, bundle: Bundle, org: str, *, terms: Terms | None, newest: bool = False) -> Opening:
        """Return the verification of a bundle for an organisation."""
        if isinstance(bundle, PeerBundle) and terms is not None:
            return PeerOpening(self, bundle, org, terms=terms, newest=newest)
        return super().of(bundle, org, terms=terms, newest=newest)


class _Fetched:
    """The stored objects of a bundle, which are fetched where they are not there yet."""

    def __init__(self, store: BundleStore, peers: PeerMarket) -> None:
        self._store, self._peers = store, peers

    async def segment(self, bundle: Bundle, digest: str) -> bytes:
        """Return a segment, not yet verified."""
        assert isinstance(bundle, PeerBundle)  # noqa: S101 - nothing else is opened this way
        if await self._store.has_segment(bundle, digest):
            return await self._store.segment(bundle, digest)
        data = await self._object(bundle, digest, SEGMENT_OBJECT_MAX, VerificationStep.SEGMENT_DIGEST)
        await self._store.put_segment(bundle, digest, data)
        return data

    async def part_segment(self, bundle: Bundle, _agreement: str, digest: str) -> bytes:
        """Return a segment of the recipient's part, not yet verified."""
        return await self.segment(bundle, digest)

    async def document(self, bundle: PeerBundle, name: str, limit_bytes: int) -> bytes:
        """Return one of the documents, always anew: what is fresh is what counts."""
        return await self._object(bundle, name, limit_bytes, VerificationStep.SIZE_CAPS)

    async def _object(self, bundle: PeerBundle, name: str, limit_bytes: int, step: VerificationStep) -> bytes:
        data = bytearray()
        while True:
            expected, before = 0, len(data)
            try:
                async for size, piece in self._peers.read(bundle.found, name, offset=len(data)):
                    expected = expected or size
                    data += piece
                    if max(len(data), expected) > limit_bytes:
                        raise rejected(step, f"{name[:16]} is above its cap")
            except PlatformError as error:
                # Cut off on the way: it goes on where it was, as long as it gets any further.
                if error.reason is not Reason.UNAVAILABLE or len(data) == before:
                    raise
                continue
            return bytes(data)


class PeerOpening(Opening):
    """One verification of a bundle of another platform: its documents are as that platform wrote and signed them."""

    def __init__(self, shared: PeerVerification, bundle: PeerBundle, org: str, *, terms: Terms, newest: bool) -> None:
        """Begin."""
        self._fetched = _Fetched(shared.store, shared.peers)
        view = copy(shared)
        view.store = cast("BundleStore", self._fetched)
        super().__init__(view, bundle, org, terms=terms, newest=newest)
        self._peer_bundle, self._peer_terms = bundle, terms

    async def documents(self) -> AsyncIterator[Passed]:
        """Verify the documents and remember their numbers; yield each check that was passed.

        Raises:
            PlatformError: BUNDLE_REJECTED at the check that failed.
        """
        shared, bundle, found = self._shared, self._peer_bundle, self._peer_bundle.found
        certified = dsse.TrustRoot.of([_public(key) for key in found.publisher_keys])
        chain = await self._fetched.document(bundle, "root", MANIFEST_MAX)
        trust = whole(certified, decode(RootChain, chain).roots, publisher=found.signed_publisher)
        publisher = f"orgs/{bundle.org}"
        seen = await shared.database.read(
            lambda conn: shared.rows.seen(conn, self._org, publisher, trust=trust.fingerprint, line=bundle.line)
        )
        own = await shared.signing.recipient(self._org)
        policy = Policy(
            trust=trust,
            publisher=found.signed_publisher,
            now=shared.clock.now(),
            bundle=found.signed_bundle,
            recipient=_named(own, found.signed_recipient),
            agreement=ExpectedAgreement(found.signed_agreement, terms_sha256=self._peer_terms.sha256),
            seen=seen,
            newest=self._newest,
        )
        verifier = BundleVerifier(policy)
        checks = verifier.documents(await self._received())
        began = time.perf_counter()
        while (step := await asyncio.to_thread(next, checks, None)) is not None:
            now = time.perf_counter()
            yield Passed(step, now - began)
            began = now
        if listing_of(verifier.manifest.line) != found.signed_listing:
            raise rejected(VerificationStep.GRANT, "the bundle is of another listing")
        new = verifier.seen
        await shared.database.write(
            lambda conn: shared.rows.remember(
                conn, self._org, publisher, trust=trust.fingerprint, line=bundle.line, new=new
            )
        )
        self._verifier = verifier

    async def _received(self) -> Documents:
        bundle, fetch = self._peer_bundle, self._fetched.document
        manifest = await fetch(bundle, "manifest", MANIFEST_MAX)
        grant = await fetch(bundle, "grant", GRANT_MAX)
        part = None
        if _has_parts(manifest):
            part = await fetch(bundle, "part", _PART_MAX)
        # The snapshot after the grant, whose revocation epoch it must know, and the time after the snapshot; where one
        # was renewed in between, both are asked for once more.
        snapshot = await fetch(bundle, "snapshot", SNAPSHOT_MAX)
        signed_time = await fetch(bundle, "timestamp", SIGNED_TIME_MAX)
        return Documents(manifest, snapshot, signed_time, grant, part)


class PeerImporting(Importing):
    """Fills vaults; what was fetched from another platform is removed once the vault holds it."""

    def keep_in(self, store: BundleStore) -> PeerImporting:
        """Say where fetched objects lie."""
        self._fetched_in = store
        return self

    async def run(self, job: Job) -> AsyncIterator[Passed | Imported]:
        """Fill the vault; yield the last checks, then what was done."""
        async for event in super().run(job):
            yield event
        if isinstance(job.bundle, PeerBundle):
            with suppress(PlatformError):
                async for _ in self._fetched_in.remove_segments(job.bundle, keep=()):
                    pass


def _has_parts(envelope: bytes) -> bool:
    return bool(payload(dsse.parse(envelope), MANIFEST_TYPE, Manifest).part_cube_count)


def _public(key: bytes) -> Any:
    return Ed25519PublicKey.from_public_bytes(key)


def _named(own: Recipient, name: str) -> Recipient:
    """Return an organisation's keys under the name that the other platform has for it."""
    return replace(own, org=name)
