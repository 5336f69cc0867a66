"""The gRPC face of the marketplace: convert, call, convert back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceServicer
from memporium_services.memstore.servicer.contracts import ContractMethods
from memporium_services.memstore.servicer.entitlements import EntitlementMethods
from memporium_services.memstore.servicer.licences import LicenceMethods
from memporium_services.memstore.servicer.peering import PeerMethods
from memporium_services.memstore.servicer.seats import SeatMethods
from memporium_services.memstore.servicer.statements import StatementMethods
from memporium_services.memstore.servicer.subscriptions import SubscriptionMethods

if TYPE_CHECKING:
    from memporium_services.memstore.app.agreements import Agreements
    from memporium_services.memstore.app.consents import Consents
    from memporium_services.memstore.app.entitlements import Entitlements
    from memporium_services.memstore.app.explaining import Explaining
    from memporium_services.memstore.app.listings import Listings
    from memporium_services.memstore.app.metering import Metering
    from memporium_services.memstore.app.negotiations import Negotiations
    from memporium_services.memstore.app.offers import Offers
    from memporium_services.memstore.app.peering.trade import Trade
    from memporium_services.memstore.app.releases import Releases
    from memporium_services.memstore.app.seats import Seats
    from memporium_services.memstore.app.statements import Statements
    from memporium_services.memstore.app.subscriptions import Subscriptions
    from memporium_services.memstore.app.usage import UsageReports
    from memporium_services.memstore.app.watch import Watch


class MemstoreServicer(
    PeerMethods,
    ContractMethods,
    EntitlementMethods,
    LicenceMethods,
    SeatMethods,
    StatementMethods,
    SubscriptionMethods,
    MemstoreServiceServicer,
):
    """Serves `memporium.memstore.v1.MemstoreService`."""

    def __init__(
        self,
        *,
        listings: Listings,
        releases: Releases,
        offers: Offers,
        negotiations: Negotiations,
        agreements: Agreements,
        entitlements: Entitlements,
        metering: Metering,
        usage: UsageReports,
        subscriptions: Subscriptions,
        watch: Watch,
        consents: Consents,
        explaining: Explaining,
        statements: Statements,
        seats: Seats,
        trade: Trade,
    ) -> None:
        """Serve these concerns."""
        self._listings, self._releases, self._offers = listings, releases, offers
        self._negotiations, self._agreements, self._entitlements = negotiations, agreements, entitlements
        self._metering, self._consents, self._explaining = metering, consents, explaining
        self._statements, self._seats = statements, seats
        self._usage, self._subscriptions, self._watch = usage, subscriptions, watch
        self._trade = trade
