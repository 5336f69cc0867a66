"""The transfers that callers ask for: each ties admission, verification, sealing and import together."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, denied
from memporium_platform.names import LISTING, VAULT, check_id
from memporium_services.transfer.app.admission import pack_vault_id
from memporium_services.transfer.app.drafts import Plan
from memporium_services.transfer.app.events import Sealed
from memporium_services.transfer.app.intake import Job
from memporium_services.transfer.app.screening import PiiProfile, Screen
from memporium_services.transfer.app.sealing import Selection
from memporium_services.transfer.domain.bundles import BundleKind, BundleState, check_version, listing_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from memporium_services.transfer.app.admission import Admission
    from memporium_services.transfer.app.drafts import Drafts
    from memporium_services.transfer.app.events import Advanced, Imported, Passed
    from memporium_services.transfer.app.importing import Importing
    from memporium_services.transfer.app.sealing import Sealing
    from memporium_services.transfer.app.verification import Opening, Verification
    from memporium_services.transfer.ports.services import PiiScanner


class Transfers:
    """Seals, pulls, verifies, dumps and loads."""

    def __init__(
        self,
        *,
        admission: Admission,
        drafts: Drafts,
        sealing: Sealing,
        verification: Verification,
        importing: Importing,
        scanner: PiiScanner,
    ) -> None:
        """Wire the parts."""
        self._admission, self._drafts, self._sealing = admission, drafts, sealing
        self._verification, self._importing, self._scanner = verification, importing, scanner

    async def seal_release(self, plan: Plan, selection: Selection, profile: PiiProfile) -> Sealed:
        """Seal cubes as the bundle of a release; vault and listing are of the publisher.

        Raises:
            PlatformError: LICENCE_* where cubes of others may not be passed on, PII_UNMASKED, INVALID_FIELD.
        """
        check_version(plan.version)
        _own(plan.org, VAULT.parse(plan.vault, "vault")["org"], plan.vault)
        _own(plan.org, LISTING.parse(listing_of(plan.line), "listing")["org"], plan.line)
        sealed = None
        async for event in self._seal(plan, selection, profile):
            if isinstance(event, Sealed):
                sealed = event
        if sealed is None:
            raise PlatformError(Reason.INTERNAL, "the sealing ended without a bundle")
        return sealed

    async def dump(self, vault: str, bundle_id: str) -> AsyncIterator[Advanced | Sealed]:
        """Seal a whole vault for its own organisation; licences of others must permit it."""
        org = VAULT.parse(vault, "vault")["org"]
        plan = Plan(org=org, kind=BundleKind.DUMP, vault=vault, line=vault, bundle_id=bundle_id)
        async for event in self._seal(plan, Selection(), PiiProfile.ALLOW):
            yield event

    async def _seal(self, plan: Plan, selection: Selection, profile: PiiProfile) -> AsyncIterator[Advanced | Sealed]:
        draft = await self._drafts.begin(plan)
        if draft.state is not BundleState.SEALING:
            yield Sealed(draft)
            return
        failed = True
        try:
            async for event in self._sealing.seal(draft, selection, Screen(self._scanner, profile)):
                failed = failed and not isinstance(event, Sealed)
                yield event
        finally:
            await self._drafts.end(draft, failed=failed)

    async def pull(
        self, org: str, *, agreement: str, release: str, vault_id: str, mount_into: str
    ) -> AsyncIterator[Passed | Advanced | Imported]:
        """Verify the bundle of a release and import it into a pack vault; yield every step.

        Raises:
            PlatformError: BUNDLE_REJECTED at the check that failed, PERMISSION_DENIED, LICENCE_*.
        """
        if mount_into:
            _own(org, VAULT.parse(mount_into, "mount_into")["org"], mount_into)
        if vault_id:
            check_id(vault_id, "vault_id")
        admitted = await self._admission.of_release(org, agreement=agreement, release=release)
        opening = self._verification.of(admitted.bundle, org, terms=admitted.terms, newest=admitted.newest)
        listing = admitted.terms.listing if admitted.terms else ""
        job = Job(
            bundle=admitted.bundle,
            opening=opening,
            vault=VAULT.format(org=org, vault=vault_id or pack_vault_id(listing)),
            terms=admitted.terms,
            release=admitted.release,
            mount_into=mount_into,
        )
        async with aclosing(self._taken_in(job)) as events:
            async for event in events:
                yield event

    async def verify(self, org: str, *, bundle: str, agreement: str, release: str) -> AsyncIterator[Passed | Advanced]:
        """Verify a bundle and import nothing; yield every step."""
        admitted = await self._admission.of_either(org, bundle=bundle, agreement=agreement, release=release)
        opening = self._verification.of(admitted.bundle, org, terms=admitted.terms, newest=admitted.newest)
        async for event in _verified(opening, keep=False):
            yield event

    async def load(self, org: str, bundle: str, vault_id: str) -> AsyncIterator[Passed | Advanced | Imported]:
        """Restore an own dump into a vault; yield every step."""
        check_id(vault_id, "vault_id")
        admitted = await self._admission.of_bundle(org, bundle, agreement="")
        if admitted.bundle.kind is not BundleKind.DUMP:
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                f"{bundle} is no dump; a release is pulled",
                metadata={"resource": bundle, "state": str(admitted.bundle.kind)},
            )
        opening = self._verification.of(replace(admitted.bundle), org, terms=None)
        job = Job(bundle=admitted.bundle, opening=opening, vault=VAULT.format(org=org, vault=vault_id))
        async with aclosing(self._taken_in(job)) as events:
            async for event in events:
                yield event

    async def _taken_in(self, job: Job) -> AsyncGenerator[Passed | Advanced | Imported]:
        """Verify all of a bundle, then import it."""
        try:
            async for event in _verified(job.opening, keep=True):
                yield event
            async for done in self._importing.run(job):
                yield done
        finally:
            job.opening.close()


async def _verified(opening: Opening, *, keep: bool) -> AsyncIterator[Passed | Advanced]:
    async for passed in opening.documents():
        yield passed
    async for event in opening.contents(keep=keep):
        yield event


def _own(org: str, owner: str, resource: str) -> None:
    if owner != org:
        raise denied("transfer.bundles.seal", resource)
