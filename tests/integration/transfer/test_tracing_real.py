"""The whole story over the real services: published, taken by two, leaked by one, traced through the log."""

from __future__ import annotations

import json
import uuid

import pytest

from memporium.memstore.v1 import listing_calls_pb2
from memporium.transfer.v1 import tracing_pb2
from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import cubes_pb2
from memporium.vault.v1 import vault_service_pb2 as vault_pb
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support import leaks
from support.integration_transfer import collect
from support.market import Market, licence
from support.platform import running_platform

PLACES = [
    "harbour",
    "museum",
    "orchard",
    "bakery",
    "library",
    "station",
    "garden",
    "tower",
    "valley",
    "market",
    "chapel",
    "quarry",
]
GUESTS = ["painter", "gardener", "sailor", "baker", "fiddler", "teacher"]


@pytest.fixture
async def market(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    services = ("governance", "vault", "inference", "memstore", "transfer")
    async with running_platform(services, data_dir=tmp_path) as platform:
        made = Market(platform, None)
        for org in ("seller", "buyer", "outsider"):
            await made.org(org)
        yield made


def vaults(market, org):
    return VaultServiceStub(market.platform.channel(market.keys[org]))


def transfers(market, org):
    return TransferServiceStub(market.platform.channel(market.keys[org]))


async def fill(market):
    seller = vaults(market, "seller")
    await seller.CreateVault(vault_pb.CreateVaultRequest(parent="orgs/seller", vault_id="expert"))
    cubes = []
    for place in PLACES:
        for guest in GUESTS:
            new = cubes_pb2.NewCube(cube_id=f"{place}-{guest}")
            new.cube.payload.plaintext.document.text = (
                f"The {guest} near the {place} is definitely helpful, and sometimes the {guest} visits the {place} again. "
                f"Perhaps the {place} has a lot of {guest} stories; it's awesome how the {guest} loves the {place}. "
                f"We've often met the {guest} because the {place} is open."
            )
            cubes.append(new)
    await seller.BatchCreateCubes(vault_pb.BatchCreateCubesRequest(parent="orgs/seller/vaults/expert", cubes=cubes))


async def taken_by(market, org, offer):
    talks = await market.step(await market.request(offer, org=org), "Verify", org=org)
    await collect(
        transfers(market, org).PullBundle(
            pb.PullBundleRequest(
                parent=f"orgs/{org}", agreement=talks.agreement, vault_id="pack", request_id=str(uuid.uuid4())
            )
        )
    )
    listed = vault_pb.ListCubesRequest(parent=f"orgs/{org}/vaults/pack", page_size=1000, view=cubes_pb2.CUBE_VIEW_FULL)
    cubes = (await vaults(market, org).ListCubes(listed)).cubes
    return talks.agreement, {cube.name.rsplit("/", 1)[1]: cube.payload.plaintext.document.text for cube in cubes}


async def test_a_pack_is_sold_twice_leaked_once_and_traced(market):
    await fill(market)
    listing = await market.listing("pack")
    offer = await market.offer(listing.name, terms=licence("READ", "RETRIEVE"), auto_agree=True)
    released = await market.release(listing.name)
    shown = await market.stub("buyer").GetListing(listing_calls_pb2.GetListingRequest(name=listing.name))
    assert shown.listing.tracing == released.tracing
    assert released.tracing.slots > 150
    _, mine = await taken_by(market, "buyer", offer.name)
    guilty, theirs = await taken_by(market, "outsider", offer.name)
    assert mine.keys() >= {f"{place}-{guest}" for place in PLACES for guest in GUESTS}
    assert {cube: mine[cube] for cube in mine.keys() & theirs.keys()} != theirs

    rng = leaks.generator(2)
    dump = [leaks.without_case_and_punctuation(text) for text in rng.sample(list(theirs.values()), len(theirs) // 2)]

    async def requests():
        yield pb.TraceLeakRequest(header=pb.TraceLeakHeader(parent="orgs/seller", listing=listing.name))
        yield pb.TraceLeakRequest(data=json.dumps(dump).encode())

    found = await transfers(market, "seller").TraceLeak(requests())
    assert found.verdict == tracing_pb2.TRACE_VERDICT_TRACED
    assert [(one.recipient, one.agreement) for one in found.suspects if one.accused] == [("orgs/outsider", guilty)]
    # What was sold is found as before: the marks are in words, not in what is meant.
    hits = [
        hit
        async for response in vaults(market, "buyer").SearchCubes(
            vault_pb.SearchCubesRequest(parent="orgs/buyer/vaults/pack", query="fiddler at the quarry", limit=3)
        )
        for hit in response.hits
    ]
    assert hits[0].cube.name == "orgs/buyer/vaults/pack/cubes/quarry-fiddler"
