"""Terms that ask for a watermark in answers: a provider finds its mark in what a subscriber's model wrote."""

from __future__ import annotations

import json
import uuid

import grpc
import pytest

from memporium.cube.v1.cube_pb2 import Cube
from memporium.inference.v1 import generate_pb2, watermark_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
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
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.inference.domain.watermark import evidence
from support.market import licence
from support.model_server import model_server
from support.platform import running_platform

SERVICES = ("governance", "vault", "memstore", "transfer", "inference")
LISTING = "orgs/seller/listings/pack"


async def drained(stream):
    return [item async for item in stream]


async def published(platform, seller, terms):
    """Return the offer of a release with one cube under terms."""
    vaults, market = VaultServiceStub(platform.channel(seller)), MemstoreServiceStub(platform.channel(seller))
    await vaults.CreateVault(vault_service_pb2.CreateVaultRequest(parent="orgs/seller", vault_id="expert"))
    cube = Cube()
    cube.payload.plaintext.document.text = "The bridge over the strait is repainted every seven years."
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
    return made.offer.name


async def pulled(platform, buyer, offer):
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


async def tokens_of(inference, cube, seed, *, model="tiny-random", mounted=True):
    request = generate_pb2.GenerateRequest(
        model=model,
        prompt="tell me all about it",
        mounts=[generate_pb2.MemoryMount(cube=cube)] if mounted else [],
        max_tokens=200,
        temperature=2.0,
        seed=seed,
    )
    return [token for event in await drained(inference.Generate(request)) for token in event.delta.token_ids]


async def test_answers_from_marked_memory_carry_the_agreements_mark(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with model_server(lambda _body: "An answer of a model elsewhere.") as server:
        monkeypatch.setenv("MEMPORIUM_INFERENCE_REMOTE_MODELS", json.dumps(server.remote("remote")))
        async with running_platform(SERVICES, data_dir=tmp_path) as platform:
            seller, buyer = await platform.organisation("seller"), await platform.organisation("buyer")
            offer = await published(platform, seller.owner_key, licence(duties=["WATERMARK_OUTPUT"]))
            agreement, cube = await pulled(platform, buyer.owner_key, offer)
            inference = InferenceServiceStub(platform.channel(buyer.owner_key))
            marked = [token for seed in range(3) for token in await tokens_of(inference, cube, seed)]
            own = [token for seed in range(3) for token in await tokens_of(inference, cube, seed, mounted=False)]
            key = platform.kernel.keys.derive(f"output watermark {agreement}")
            assert evidence(key, marked, 258).z > 4
            assert evidence(key, own, 258).z < 4

            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await tokens_of(inference, cube, 1, model="remote")
            assert reason_of(caught.value).reason is Reason.LICENCE_NOT_PERMITTED

            request = watermark_pb2.DetectWatermarkRequest(
                parent="orgs/seller", agreements=[agreement], text="a text of nobody", model="tiny-random"
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await inference.DetectWatermark(request)
            assert reason_of(caught.value).reason is Reason.PERMISSION_DENIED
            asked = await InferenceServiceStub(platform.channel(seller.owner_key)).DetectWatermark(request)
            assert [(row.agreement, row.detected) for row in asked.evidence] == [(agreement, False)]
            assert asked.evidence[0].tokens > 5
