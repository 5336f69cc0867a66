"""Which bundle a caller may open, and by which right: its own, or one that an agreement covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, denied, invalid
from memporium_platform.names import AGREEMENT, BUNDLE, LISTING
from memporium_services.transfer.domain.bundles import BundleState, listing_of

if TYPE_CHECKING:
    from memporium_services.transfer.app.catalogue import Catalogue
    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.ports.services import Market, Terms


@dataclass(frozen=True, slots=True)
class Admitted:
    """A bundle, the agreement that covers it (None: an own one), the release, and whether the newest was asked for."""

    bundle: Bundle
    terms: Terms | None = None
    release: str = ""
    newest: bool = False


class Admission:
    """Asks memstore for agreements and releases. What is not covered looks like what does not exist."""

    def __init__(self, catalogue: Catalogue, market: Market) -> None:
        """Wire the parts."""
        self._catalogue, self._market = catalogue, market

    async def of_release(self, org: str, *, agreement: str, release: str) -> Admitted:
        """Return the bundle of a release; of the newest one that the agreement covers where `release` is empty.

        Raises:
            PlatformError: PERMISSION_DENIED, LICENCE_* for an agreement that is not in force.
        """
        AGREEMENT.parse(agreement, "agreement")
        terms = await self._market.agreement(agreement, consumer=f"orgs/{org}")
        found = await self._market.release(terms, release)
        bundle = await self._catalogue.complete(found.bundle)
        if f"orgs/{bundle.org}" != terms.provider or listing_of(bundle.line) != terms.listing:
            raise denied("transfer.bundles.pull", found.bundle)
        newest = not release and not terms.release
        return Admitted(bundle, terms, found.name, newest)

    async def of_bundle(self, org: str, name: str, *, agreement: str) -> Admitted:
        """Return a bundle by name.

        Raises:
            PlatformError: PERMISSION_DENIED, LICENCE_* for an agreement that is not in force.
        """
        owner = BUNDLE.parse(name, "bundle")["org"]
        if owner == org:
            return Admitted(await self._catalogue.complete(name))
        refusal = denied("transfer.bundles.verify", name)
        if not agreement:
            raise refusal
        AGREEMENT.parse(agreement, "agreement")
        terms = await self._market.agreement(agreement, consumer=f"orgs/{org}")
        if terms.provider != f"orgs/{owner}":
            raise refusal
        try:
            bundle = await self._catalogue.complete(name)
        except PlatformError as error:
            raise refusal from error
        covered = listing_of(bundle.line) == terms.listing
        if covered and terms.release:
            covered = (await self._market.release(terms, "")).bundle == name
        if not covered or bundle.state is not BundleState.SEALED:
            raise refusal
        return Admitted(bundle, terms)

    async def of_either(self, org: str, *, bundle: str, agreement: str, release: str) -> Admitted:
        """Return the bundle of this name, or else that of the release."""
        if bundle:
            return await self.of_bundle(org, bundle, agreement=agreement)
        if not agreement:
            raise invalid("bundle", "a bundle or an agreement is required")
        return await self.of_release(org, agreement=agreement, release=release)


def pack_vault_id(listing: str) -> str:
    """Return the id of the pack vault of a listing."""
    return f"pack-{LISTING.parse(listing, 'listing')['listing']}"[:63].rstrip("-")
