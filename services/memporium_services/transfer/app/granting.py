"""Grants: the publisher's own one, made with the bundle, and from it those of recipients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import Grant, GrantTerms, Manifest
from memporium_platform.bundle import dsse, grants
from memporium_platform.bundle.documents import FORMAT, GRANT_TYPE, MANIFEST_TYPE, decode, digest_of, payload, stamp
from memporium_platform.bundle.recipients import recipient_key_id, suite_of
from memporium_platform.bundle.steps import VerificationStep, require
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.names import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.bundle.recipients import PublicKey
    from memporium_platform.clock import Clock
    from memporium_services.transfer.app.deliveries import Delivered
    from memporium_services.transfer.app.publications import Publications
    from memporium_services.transfer.app.signers import Signers, SigningKeys
    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.ports.services import Terms
    from memporium_services.transfer.ports.store import BundleStore

# A publisher may open its own bundles for as long as it has its keys.
_FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)


class Granting:
    """Signs grants with the publishers' keys."""

    def __init__(self, stored: BundleStore, publications: Publications, *, signing: SigningKeys, clock: Clock) -> None:
        """Use the organisations' keys."""
        self._stored, self._publications, self._signing, self._clock = stored, publications, signing, clock

    async def trust_root(self, org: str) -> dsse.TrustRoot:
        """Return whose signatures count for a publisher."""
        return (await self._signing.of(org)).trust

    async def own(self, bundle: Bundle, manifest: bytes, keys: bytes, *, signers: Signers, part: bytes = b"") -> bytes:
        """Return the envelope of a publisher's grant to itself.

        Args:
            bundle: The bundle.
            manifest: The serialised Manifest.
            keys: The bundle's key, and behind it the source part's if there is one.
            signers: With what it is signed.
            part: The serialised source part; b"": none.
        """
        terms = self._terms(bundle, digest_of(manifest), signers, end_time=_FOR_EVER)
        terms.recipient = f"orgs/{bundle.org}"
        terms.revocation_epoch = await self._publications.revocation_epoch(bundle.org)
        terms.part_sha256 = digest_of(part) if part else b""
        key = await self._signing.public_key(bundle.org, signers.suite)
        return self._signed(terms, keys, key, signers)

    async def for_recipient(
        self,
        bundle: Bundle,
        terms: Terms,
        *,
        life_s: int,
        delivered: Delivered | None = None,
        keys: Sequence[PublicKey] = (),
    ) -> bytes:
        """Return the envelope of a grant of `bundle` to the consumer of an agreement.

        Args:
            bundle: The bundle.
            terms: The agreement.
            life_s: How long the grant lives, in seconds; at most as long as the agreement.
            delivered: The consumer's part; None where the bundle has no parts.
            keys: The consumer's keys, of which that of the bundle's suite is taken; none: those of the organisation of
                this platform.

        Raises:
            PlatformError: BUNDLE_REJECTED at GRANT or KEY, where what is stored is not what the publisher stored;
                FAILED_PRECONDITION, where the consumer has no key of the bundle's suite: it gets no weaker one.
        """
        signers = await self._signing.of(bundle.org)
        envelope = dsse.parse(await self._stored.manifest(bundle))
        own = dsse.parse(await self._stored.own_grant(bundle))
        dsse.verify(envelope, signers.trust)
        dsse.verify(own, signers.trust)
        manifest = payload(envelope, MANIFEST_TYPE, Manifest)
        grant = payload(own, GRANT_TYPE, Grant)
        digest = digest_of(envelope.payload)
        own_terms = decode(GrantTerms, grant.terms)
        same = own_terms.manifest_sha256 == digest and digest.hex() == bundle.manifest_sha256
        require(same, VerificationStep.GRANT, "the stored grant is another")
        bundle_key, _ = grants.open_keys(grant, own_terms, await self._signing.recipient(bundle.org))
        end_time = self._clock.now() + timedelta(seconds=life_s)
        if terms.end_time is not None:
            end_time = min(end_time, terms.end_time)
        granted = self._terms(bundle, digest, signers, end_time=end_time)
        granted.suite = manifest.suite
        granted.recipient = terms.consumer
        granted.agreement, granted.terms_sha256 = terms.name, terms.sha256
        granted.revocation_epoch = await self._publications.revocation_epoch(bundle.org)
        opening = bundle_key
        if delivered is not None:
            granted.part_sha256 = digest_of(dsse.parse(delivered.envelope).payload)
            opening += delivered.key
        fits = next((key for key in keys if suite_of(key) == manifest.suite), None)
        if keys and fits is None:
            text = f"{terms.consumer} has published no key of the suite that the bundle is sealed in"
            raise PlatformError(Reason.FAILED_PRECONDITION, text, metadata={"resource": bundle.name})
        key = fits or await self._signing.public_key(terms.consumer.removeprefix("orgs/"), manifest.suite)
        return self._signed(granted, opening, key, signers)

    def _terms(self, bundle: Bundle, manifest_sha256: bytes, signers: Signers, *, end_time: datetime) -> GrantTerms:
        now = self._clock.now()
        return GrantTerms(
            format=FORMAT,
            suite=signers.suite,
            grant_id=new_id(now),
            manifest_sha256=manifest_sha256,
            publisher=f"orgs/{bundle.org}",
            start_time=stamp(now),
            end_time=stamp(end_time),
        )

    def _signed(self, terms: GrantTerms, keys: bytes, key: PublicKey, signers: Signers) -> bytes:
        terms.recipient_key_id = recipient_key_id(key)
        return dsse.sign(grants.seal(terms, keys, key), GRANT_TYPE, signers.keys)
