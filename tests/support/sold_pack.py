"""A pack of one memory, published under terms by `seller` and pulled by `buyer`."""

from __future__ import annotations

import uuid
from typing import Any

from memporium.cube.v1.cube_pb2 import Cube
from memporium.memstore.v1 import (
    listing_calls_pb2,
    listing_pb2,
    negotiation_calls_pb2,
    offer_pb2,
    release_calls_pb2,
)
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium.transfer.v1 import transfer_service_pb2
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub

LISTING = "orgs/seller/listings/pack"
TEXT = "The bridge over the strait is repainted every seven years."


async def drained(stream: Any) -> list[Any]:
    """Return all of a stream."""
    return [item async for item in stream]


async def published(platform: Any, seller: str, terms: Any) -> str:
    """Return the offer of a release with one cube under terms."""
    vaults, market = VaultServiceStub(platform.channel(seller)), MemstoreServiceStub(platform.channel(seller))
    await vaults.CreateVault(vault_service_pb2.CreateVaultRequest(parent="orgs/seller", vault_id="expert"))
    cube = Cube()
    cube.payload.plaintext.document.text = TEXT
    await vaults.CreateCube(vault_service_pb2.CreateCubeRequest(parent="orgs/seller/vaults/expert", cube=cube))
    listing = listing_pb2.Listing(title="Pack", audience=listing_pb2.Audience(scope="SCOPE_PUBLIC"), terms=terms)
    await market.CreateListing(
        listing_calls_pb2.CreateListingRequest(parent="orgs/seller", listing_id="pack", listing=listing)
    )
    await market.SubmitListing(listing_calls_pb2.SubmitListingRequest(name=LISTING))
    await market.PublishListing(listing_calls_pb2.PublishListingRequest(name=LISTING))
    await market.CreateRelease(
        release_calls_pb2.CreateReleaseRequest(
            parent=LISTING, version="1.0.0", vault="orgs/seller/vaults/expert", request_id=str(uuid.uuid4())
        )
    )
    offer = offer_pb2.Offer(terms=terms, auto_agree=True)
    made = await market.CreateOffer(release_calls_pb2.CreateOfferRequest(parent=LISTING, offer_id="free", offer=offer))
    return str(made.offer.name)


async def pulled(platform: Any, buyer: str, offer: str) -> tuple[str, str]:
    """Return the agreement and the name of the pulled cube."""
    market = MemstoreServiceStub(platform.channel(buyer))
    talks = (await market.RequestNegotiation(negotiation_calls_pb2.RequestNegotiationRequest(offer=offer))).negotiation
    request = negotiation_calls_pb2.VerifyNegotiationRequest(name=talks.name, sequence=talks.sequence)
    agreement = (await market.VerifyNegotiation(request)).negotiation.agreement
    request = transfer_service_pb2.PullBundleRequest(
        parent="orgs/buyer", agreement=agreement, vault_id="pack", request_id=str(uuid.uuid4())
    )
    await drained(TransferServiceStub(platform.channel(buyer)).PullBundle(request))
    listed = await VaultServiceStub(platform.channel(buyer)).ListCubes(
        vault_service_pb2.ListCubesRequest(parent="orgs/buyer/vaults/pack")
    )
    return agreement, listed.cubes[0].name
