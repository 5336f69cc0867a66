"""A marketplace for tests: two organisations, a listing, an agreement, and a sealer that seals nothing."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

from memporium.cube.v1 import cube_pb2
from memporium.memstore.v1 import (
    agreement_calls_pb2,
    agreement_pb2,
    entitlement_calls_pb2,
    listing_calls_pb2,
    listing_pb2,
    negotiation_calls_pb2,
    offer_pb2,
    release_calls_pb2,
    terms_pb2,
)
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium.transfer.v1 import transfer_pb2, transfer_service_pb2
from memporium.transfer.v1.transfer_service_pb2_grpc import (
    TransferServiceServicer,
    add_TransferServiceServicer_to_server,
)
from memporium_platform.call import Principal, PrincipalKind, acting_as, service_principal
from memporium_platform.errors import PlatformError
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from support.platform import Platform

PLAINTEXT = cube_pb2.MEMORY_FORM_PLAINTEXT


def request_id() -> str:
    return str(uuid.uuid4())


def licence(
    *actions: str,
    calls: int | None = 50,
    days: int | None = 30,
    attribution: str = "",
    forms: Sequence[str] = ("PLAINTEXT",),
    duties: Sequence[str] = (),
    **constraints: Any,
) -> terms_pb2.LicenceTerms:
    """Return terms for actions on forms: so many calls in so many days."""
    terms = terms_pb2.LicenceTerms(title="test")
    permission = terms.permissions.add(
        actions=[f"LICENCE_ACTION_{action}" for action in actions or ("READ", "RETRIEVE", "INFER_WITH")],
        forms=[f"MEMORY_FORM_{form}" for form in forms],
        constraints=terms_pb2.LicenceConstraints(**constraints),
    )
    if calls is not None:
        permission.constraints.quotas.add(unit="USE_UNIT_CALLS", limit=calls, period="QUOTA_PERIOD_AGREEMENT")
    if days is not None:
        permission.constraints.window.duration.FromSeconds(days * 86_400)
    if attribution:
        terms.duties.add(kind="DUTY_KIND_ATTRIBUTE", text=attribution)
    for duty in duties:
        terms.duties.add(kind=f"DUTY_KIND_{duty}")
    return terms


class FakeTransfer(TransferServiceServicer):
    """A transfer service that says it sealed, once for each request id."""

    name = "transfer"

    def __init__(self) -> None:
        self.sealed: dict[str, transfer_service_pb2.SealReleaseRequest] = {}
        self.revoked: list[str] = []
        self.refusal: PlatformError | None = None
        self.tracing: Any = None

    def add_to(self, server: Any) -> None:
        add_TransferServiceServicer_to_server(self, server)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def SealRelease(self, request, context):
        if self.refusal is not None:
            raise self.refusal
        self.sealed[request.request_id] = request
        bundle = transfer_pb2.Bundle(
            name=f"{request.parent}/bundles/b{len(self.sealed)}",
            manifest_sha256=f"{len(self.sealed):064x}",
            cube_count=3,
            sealed_bytes=1024,
            tracing=self.tracing,
        )
        return transfer_service_pb2.SealReleaseResponse(bundle=bundle)

    async def RevokeBundle(self, request, context):
        self.revoked.append(request.name)
        return transfer_service_pb2.RevokeBundleResponse(bundle=transfer_pb2.Bundle(name=request.name))


@dataclass
class Market:
    """What a test talks to."""

    platform: Platform
    transfer: FakeTransfer
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def module(self) -> Any:
        return self.platform.running.modules["memstore"]

    async def org(self, name: str) -> None:
        self.keys[name] = (await self.platform.organisation(name)).owner_key

    def stub(self, org: str, **metadata: str) -> MemstoreServiceStub:
        return MemstoreServiceStub(self.platform.channel(self.keys[org], **metadata))

    def internal(self) -> MemstoreServiceStub:
        """Return a stub that calls as the vault service; use it within `on_behalf_of`."""
        return self.platform.running.engines.kernel_for("vault").channels.stub(MemstoreServiceStub)

    @contextmanager
    def on_behalf_of(self, org: str = "", principal: str = "owner") -> Iterator[None]:
        """Let calls of `internal()` be on behalf of a user of `org`; of the vault itself where it is ""."""
        name = f"orgs/{org}/principals/{principal}"
        user = Principal(name, org, PrincipalKind.USER) if org else service_principal("vault")
        with acting_as(user, root_id=request_id()):
            yield

    async def reserve(self, agreement: str, use_id: str, *, org: str = "buyer", action: str = "READ", **fields: Any):
        request = entitlement_calls_pb2.ReserveUseRequest(
            agreement=agreement,
            action=f"LICENCE_ACTION_{action}",
            form=fields.pop("form", PLAINTEXT),
            use_id=use_id,
            **fields,
        )
        with self.on_behalf_of(org):
            return await self.internal().ReserveUse(request)

    async def commit(self, agreement: str, use_id: str, *, org: str = "buyer", **fields: Any):
        with self.on_behalf_of(org):
            return await self.internal().CommitUse(
                entitlement_calls_pb2.CommitUseRequest(agreement=agreement, use_id=use_id, **fields)
            )

    async def release_use(self, agreement: str, use_id: str, *, org: str = "buyer"):
        with self.on_behalf_of(org):
            return await self.internal().ReleaseUse(
                entitlement_calls_pb2.ReleaseUseRequest(agreement=agreement, use_id=use_id)
            )

    async def use(self, agreement: str, use_id: str, **fields: Any) -> None:
        await self.reserve(agreement, use_id, **fields)
        await self.commit(agreement, use_id)

    async def listing(self, listing_id: str = "pack", *, org: str = "seller", scope: str = "PUBLIC", **fields: Any):
        """Make a listing and put it into the catalogue."""
        stub = self.stub(org)
        audience = listing_pb2.Audience(scope=f"SCOPE_{scope}", organisations=fields.pop("organisations", []))
        draft = listing_pb2.Listing(title=fields.pop("title", "A pack"), audience=audience, **fields)
        made = await stub.CreateListing(
            listing_calls_pb2.CreateListingRequest(
                parent=f"orgs/{org}", listing_id=listing_id, listing=draft, request_id=request_id()
            )
        )
        name = made.listing.name
        await stub.SubmitListing(listing_calls_pb2.SubmitListingRequest(name=name))
        return (await stub.PublishListing(listing_calls_pb2.PublishListingRequest(name=name))).listing

    async def offer(self, listing: str, offer_id: str = "standard", *, org: str = "seller", **fields: Any):
        draft = offer_pb2.Offer(title="An offer", terms=fields.pop("terms", licence()), **fields)
        made = await self.stub(org).CreateOffer(
            release_calls_pb2.CreateOfferRequest(
                parent=listing, offer_id=offer_id, offer=draft, request_id=request_id()
            )
        )
        return made.offer

    async def release(self, listing: str, version: str = "1.0.0", *, org: str = "seller", **fields: Any):
        made = await self.stub(org).CreateRelease(
            release_calls_pb2.CreateReleaseRequest(
                parent=listing,
                version=version,
                vault=f"orgs/{org}/vaults/expert",
                changelog=f"release {version}",
                request_id=fields.pop("request_id", request_id()),
                **fields,
            )
        )
        return made.release

    async def request(self, offer: str, *, org: str = "buyer", **fields: Any):
        asked = await self.stub(org).RequestNegotiation(
            negotiation_calls_pb2.RequestNegotiationRequest(offer=offer, request_id=request_id(), **fields)
        )
        return asked.negotiation

    async def step(self, talks: agreement_pb2.Negotiation, trigger: str, *, org: str, **fields: Any):
        """Make one step; `trigger` is for instance `Agree`."""
        method = "CounterOffer" if trigger == "Counter" else f"{trigger}Negotiation"
        request = getattr(negotiation_calls_pb2, f"{method}Request")(
            name=talks.name,
            sequence=fields.pop("sequence", talks.sequence),
            request_id=fields.pop("request_id", request_id()),
            **fields,
        )
        return (await getattr(self.stub(org), method)(request)).negotiation

    async def agreement(self, terms: terms_pb2.LicenceTerms | None = None, listing_id: str = "pack", **fields: Any):
        """Make a listing with an offer that agrees by itself, and an agreement of `buyer` on it."""
        listing = await self.listing(listing_id)
        offer = await self.offer(listing.name, terms=terms or licence(), auto_agree=True, **fields)
        talks = await self.step(await self.request(offer.name), "Verify", org="buyer")
        return await self.get(talks.agreement)

    async def get(self, name: str, *, org: str = "seller") -> agreement_pb2.Agreement:
        return (await self.stub(org).GetAgreement(agreement_calls_pb2.GetAgreementRequest(name=name))).agreement

    async def entitlement(self, name: str, *, org: str = "seller") -> agreement_pb2.Entitlement:
        request = entitlement_calls_pb2.GetEntitlementRequest(name=name)
        return (await self.stub(org).GetEntitlement(request)).entitlement

    async def end(self, name: str, verb: str, *, org: str = "seller", **fields: Any) -> agreement_pb2.Agreement:
        """Move an agreement; `verb` is for instance `Revoke`."""
        request = getattr(agreement_calls_pb2, f"{verb}AgreementRequest")(name=name, reason="test", **fields)
        return (await getattr(self.stub(org), f"{verb}Agreement")(request)).agreement


async def running_market(data_dir: Path, *orgs: str, **options: Any) -> AsyncIterator[Market]:
    """Run the marketplace with a transfer service that seals nothing."""
    transfer = FakeTransfer()
    modules = [transfer, *options.pop("modules", [])]
    async with running_platform(("memstore",), data_dir=data_dir, modules=modules, **options) as platform:
        market = Market(platform, transfer)
        for org in orgs or ("seller", "buyer", "outsider"):
            await market.org(org)
        yield market


@contextmanager
def refused(reason: str) -> Iterator[list[PlatformError]]:
    """Demand that the block is refused for this reason; the error is put into the list."""
    caught: list[PlatformError] = []
    try:
        yield caught
    except grpc.aio.AioRpcError as error:
        caught.append(reason_of(error))
    except PlatformError as error:
        caught.append(error)
    assert caught, f"not refused; {reason} was expected"
    assert caught[0].reason == reason, f"{caught[0].reason}: {caught[0].message}"
