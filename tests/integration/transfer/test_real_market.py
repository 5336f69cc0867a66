"""The whole way of a release over the real services: fill, release, agree, pull, mount, revoke."""

from __future__ import annotations

import uuid
from hashlib import sha256

import pytest

from memporium.cube.v1.cube_pb2 import Cube
from memporium.memstore.v1 import listing_pb2, offer_pb2, release_calls_pb2
from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium.transfer.v1.bundle_pb2 import Snapshot
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import vault_service_pb2 as vault_pb
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.bundle.dsse import parse
from memporium_platform.errors import Reason
from support.bundles import tensor_file
from support.integration_transfer import STEPS, collect, refusal
from support.market import Market, licence
from support.patience import eventually
from support.platform import running_platform

EXPERT, DESK, PACK = "orgs/seller/vaults/expert", "orgs/buyer/vaults/desk", "orgs/buyer/vaults/pack-pack"


@pytest.fixture
async def market(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    services = ("governance", "vault", "inference", "memstore", "transfer")
    async with running_platform(services, data_dir=tmp_path) as platform:
        made = Market(platform, None)
        for org in ("seller", "buyer", "outsider"):
            await made.org(org)
        yield made


def stubs(market, org, key=""):
    channel = market.platform.channel(key or market.keys[org])
    return VaultServiceStub(channel), TransferServiceStub(channel)


async def remember(vaults, vault, cube_id, text):
    cube = Cube()
    cube.payload.plaintext.document.text = text
    await vaults.CreateCube(vault_pb.CreateCubeRequest(parent=vault, cube_id=cube_id, cube=cube))


async def fill(market):
    seller, _ = stubs(market, "seller")
    await seller.CreateVault(vault_pb.CreateVaultRequest(parent="orgs/seller", vault_id="expert"))
    await remember(seller, EXPERT, "sky", "the sky is blue")
    await remember(seller, EXPERT, "sea", "the sea is deep")
    blob = tensor_file({"k": [0.5] * 64})

    async def upload():
        header = vault_pb.UploadBlobHeader(parent=EXPERT)
        header.digest.sha256, header.digest.size_bytes = sha256(blob).hexdigest(), len(blob)
        yield vault_pb.UploadBlobRequest(header=header)
        yield vault_pb.UploadBlobRequest(data=blob)

    cube = Cube()
    activation = cube.payload.activation
    activation.blob.CopyFrom((await seller.UploadBlob(upload())).digest)
    activation.model_fingerprint = activation.tokenizer_fingerprint = activation.token_ids_sha256 = "ab" * 32
    activation.token_count, activation.layers, activation.heads, activation.head_size = 4, 1, 1, 16
    activation.dtype = "float32"
    activation.source_cubes.append(f"{EXPERT}/cubes/sky")
    await seller.CreateCube(vault_pb.CreateCubeRequest(parent=EXPERT, cube_id="kv", cube=cube))


async def search(vaults, vault, query):
    hits, refused = [], []
    async for response in vaults.SearchCubes(vault_pb.SearchCubesRequest(parent=vault, query=query, limit=5)):
        hits += response.hits
        refused += response.refusals
    return hits, refused


async def pull(transfer, agreement, **fields):
    request = {"parent": "orgs/buyer", "agreement": agreement, "request_id": str(uuid.uuid4())}
    return await collect(transfer.PullBundle(pb.PullBundleRequest(**(request | fields))))


async def test_a_pack_is_released_pulled_mounted_renewed_and_revoked(market):
    await fill(market)
    agreement = await market.agreement(licence("READ", "RETRIEVE", attribution="by the seller"))
    await market.release(agreement.listing)
    subscriber = await market.platform.principal("buyer", "desk-clerk", roles=["subscriber"])
    owner, _ = stubs(market, "buyer")
    await owner.CreateVault(vault_pb.CreateVaultRequest(parent="orgs/buyer", vault_id="desk"))
    await remember(owner, DESK, "mine", "my own note about the sky")

    _, transfer = stubs(market, "buyer", subscriber)
    steps, result = await pull(transfer, agreement.name, mount_into=DESK)
    assert steps == STEPS
    assert (result.vault, result.cube_count, result.blob_count) == (PACK, 3, 1)
    hits, refused = await search(owner, DESK, "sky")
    assert not refused
    licensed = [hit for hit in hits if hit.agreement]
    assert licensed[0].cube.name == f"{PACK}/cubes/sky"
    assert licensed[0].attribution == "by the seller"

    seller, _ = stubs(market, "seller")
    await remember(seller, EXPERT, "sun", "the sun is warm")
    await market.release(agreement.listing, "1.1.0")
    _, result = await pull(transfer, agreement.name)
    assert (result.version, result.cube_count, result.vault) == ("1.1.0", 4, PACK)

    error = await refusal(release_of_pack(market))
    assert error.reason is Reason.LICENCE_NOT_PERMITTED
    download = pb.DownloadBundleObjectRequest(
        parent="orgs/buyer",
        bundle=(await bundles_of_seller(market))[0],
        agreement=agreement.name,
        object="manifest",
    )
    error = await refusal(_drain(stubs(market, "buyer")[1].DownloadBundleObject(download)))
    assert error.reason is Reason.LICENCE_NOT_PERMITTED

    await market.end(agreement.name, "Revoke")
    error = await refusal(pull(transfer, agreement.name))
    assert error.reason is Reason.LICENCE_REVOKED
    _, refused = await search(owner, DESK, "sky")
    assert [one.reason for one in refused] == ["LICENCE_REVOKED"]
    error = await refusal(pull(stubs(market, "outsider")[1], agreement.name, parent="orgs/outsider"))
    assert error.reason is Reason.PERMISSION_DENIED


async def test_a_sample_for_trials_and_the_whole_pack_do_not_end_each_other(market):
    await fill(market)
    whole = await market.agreement(licence("READ", "RETRIEVE"))
    await market.release(whole.listing)
    one = listing_pb2.CubeSelection(cubes=[f"{EXPERT}/cubes/sky"])
    sample = await market.release(whole.listing, "1.0.1", sample=True, selection=one)
    trial = offer_pb2.PricePlan(trial=offer_pb2.TrialPlan(release=sample.name))
    trial.trial.duration.FromSeconds(14 * 86_400)
    offer = await market.offer(whole.listing, "to-try", price=trial, terms=licence("READ", "RETRIEVE"), auto_agree=True)
    talks = await market.step(await market.request(offer.name), "Verify", org="buyer")
    _, transfer = stubs(market, "buyer")
    _, result = await pull(transfer, talks.agreement, vault_id="tried")
    assert (result.version, result.cube_count) == ("1.0.1", 1)
    _, result = await pull(transfer, whole.name)
    assert (result.version, result.cube_count) == ("1.0.0", 3)


async def test_an_agreement_that_ends_stands_in_the_publishers_list_of_revocations(market):
    await fill(market)
    agreement = await market.agreement(licence("READ", "RETRIEVE"))
    await market.release(agreement.listing)
    bundle = (await bundles_of_seller(market))[0]
    _, seller = stubs(market, "seller")

    async def snapshot():
        request = pb.DownloadBundleObjectRequest(parent="orgs/seller", bundle=bundle, object="snapshot")
        data = b"".join([response.data async for response in seller.DownloadBundleObject(request)])
        return Snapshot.FromString(parse(data).payload)

    before = await snapshot()
    assert list(before.revoked_agreements) == []
    await market.end(agreement.name, "Revoke")

    async def told():
        found = await snapshot()
        return found if found.revoked_agreements else None

    after = await eventually(told)
    assert list(after.revoked_agreements) == [agreement.name]
    assert after.revocation_epoch == before.revocation_epoch + 1
    assert after.number > before.number


async def test_a_memory_that_a_new_release_describes_anew_keeps_its_tensors(market):
    await fill(market)
    agreement = await market.agreement(licence("READ", "RETRIEVE", forms=("PLAINTEXT", "ACTIVATION")))
    await market.release(agreement.listing)
    buyer, transfer = stubs(market, "buyer")
    await pull(transfer, agreement.name)
    seller, _ = stubs(market, "seller")
    cube = Cube(name=f"{EXPERT}/cubes/kv")
    cube.descriptive.tags.append("anew")
    await seller.UpdateCube(vault_pb.UpdateCubeRequest(cube=cube, update_mask={"paths": ["descriptive.tags"]}))
    await market.release(agreement.listing, "1.1.0")
    await pull(transfer, agreement.name)
    pulled = (await buyer.GetCube(vault_pb.GetCubeRequest(name=f"{PACK}/cubes/kv", view="CUBE_VIEW_FULL"))).cube
    assert pulled.descriptive.tags == ["anew"]
    request = vault_pb.DownloadBlobRequest(parent=PACK, digest=pulled.payload.activation.blob)
    data = b"".join([response.data async for response in buyer.DownloadBlob(request)])
    assert sha256(data).hexdigest() == pulled.payload.activation.blob.sha256


async def release_of_pack(market):
    """The buyer tries to publish the pack as its own."""
    own = await market.listing("stolen", org="buyer")
    request = release_calls_pb2.CreateReleaseRequest(parent=own.name, version="1.0.0", vault=PACK)
    return await market.stub("buyer").CreateRelease(request)


async def bundles_of_seller(market):
    listed = await stubs(market, "seller")[1].ListBundles(pb.ListBundlesRequest(parent="orgs/seller"))
    return [bundle.name for bundle in listed.bundles]


async def _drain(stream):
    async for _ in stream:
        pass
