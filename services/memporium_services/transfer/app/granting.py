"""Grants: the publisher's own one, made with the bundle, and from it those of recipients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import Grant, GrantTerms, Manifest, Suite
from memporium_platform.bundle import dsse, grants
from memporium_platform.bundle.documents import FORMAT, GRANT_TYPE, MANIFEST_TYPE, decode, digest_of, payload, stamp
from memporium_platform.bundle.recipients import recipient_key_id
from memporium_platform.bundle.steps import VerificationStep, require
from memporium_platform.names import new_id

if TYPE_CHECKING:
    from memporium_platform.crypto.keyring import Keyring
    from memporium_platform.kernel import Clock
    from memporium_services.transfer.app.publications import Publications
    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.ports.services import Terms
    from memporium_services.transfer.ports.store import BundleStore

# A publisher may open its own bundles for as long as it has its keys.
_FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)


class Granting:
    """Signs grants with the publishers' keys."""

    def __init__(self, stored: BundleStore, publications: Publications, *, keys: Keyring, clock: Clock) -> None:
        """Use the organisations' keys."""
        self._stored, self._publications, self._keys, self._clock = stored, publications, keys, clock

    async def trust_root(self, org: str) -> dsse.TrustRoot:
        """Return whose signatures count for a publisher."""
        return dsse.TrustRoot.of([(await self._keys.org_signing_key(org)).public_key()])

    async def own(self, bundle: Bundle, manifest: bytes, bundle_key: bytes) -> bytes:
        """Return the envelope of a publisher's grant to itself; `manifest` is the serialised Manifest."""
        terms = await self._terms(bundle, bundle.org, manifest_sha256=digest_of(manifest), end_time=_FOR_EVER)
        return await self._sign(bundle, terms, bundle_key, bundle.org)

    async def for_recipient(self, bundle: Bundle, terms: Terms, *, life_s: int) -> bytes:
        """Return the envelope of a grant of `bundle` to the consumer of an agreement.

        Raises:
            PlatformError: BUNDLE_REJECTED at GRANT or KEY, where what is stored is not what the publisher stored.
        """
        root = await self.trust_root(bundle.org)
        envelope = dsse.parse(await self._stored.manifest(bundle))
        own = dsse.parse(await self._stored.own_grant(bundle))
        dsse.verify(envelope, root)
        dsse.verify(own, root)
        payload(envelope, MANIFEST_TYPE, Manifest)
        grant = payload(own, GRANT_TYPE, Grant)
        digest = digest_of(envelope.payload)
        same = decode(GrantTerms, grant.terms).manifest_sha256 == digest
        require(same and digest.hex() == bundle.manifest_sha256, VerificationStep.GRANT, "the stored grant is another")
        publisher = grants.Recipient(f"orgs/{bundle.org}", await self._keys.org_hpke_key(bundle.org))
        bundle_key, _part_key = grants.open_keys(grant, decode(GrantTerms, grant.terms), publisher)
        end_time = self._clock.now() + timedelta(seconds=life_s)
        if terms.end_time is not None:
            end_time = min(end_time, terms.end_time)
        org = terms.consumer.removeprefix("orgs/")
        granted = await self._terms(bundle, org, manifest_sha256=digest, end_time=end_time, agreed=terms)
        return await self._sign(bundle, granted, bundle_key, org)

    async def _terms(
        self, bundle: Bundle, org: str, *, manifest_sha256: bytes, end_time: datetime, agreed: Terms | None = None
    ) -> GrantTerms:
        key = (await self._keys.org_hpke_key(org)).public_key()
        now = self._clock.now()
        return GrantTerms(
            format=FORMAT,
            suite=Suite.SUITE_MCB1_ED25519_X25519_AES256GCM,
            grant_id=new_id(now),
            manifest_sha256=manifest_sha256,
            publisher=f"orgs/{bundle.org}",
            recipient=f"orgs/{org}",
            recipient_key_id=recipient_key_id(key),
            agreement=agreed.name if agreed else "",
            terms_sha256=agreed.sha256 if agreed else "",
            start_time=stamp(now),
            end_time=stamp(end_time),
            revocation_epoch=await self._publications.revocation_epoch(bundle.org),
        )

    async def _sign(self, bundle: Bundle, terms: GrantTerms, bundle_key: bytes, org: str) -> bytes:
        key = (await self._keys.org_hpke_key(org)).public_key()
        signer = await self._keys.org_signing_key(bundle.org)
        return dsse.sign(grants.seal(terms, bundle_key, key), GRANT_TYPE, [signer])
