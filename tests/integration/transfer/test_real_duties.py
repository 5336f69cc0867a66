"""Duties over the real services: consent, share-alike, and deletion at the end with everything that was made of a pack."""

from __future__ import annotations

import asyncio

import pytest

from memporium.cube.v1.cube_pb2 import Cube
from memporium.inference.v1 import convert_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.memstore.v1 import consent_calls_pb2
from memporium.reader.v1 import recall_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.transfer.v1 import transfer_service_pb2
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import vault_service_pb2 as vault_pb
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from support.ended_agreements import last_of
from support.integration_transfer import refusal
from support.market import Market, licence, request_id
from support.platform import running_platform

SERVICES = ("governance", "vault", "inference", "memstore", "transfer", "reader")
# Where the seller's pack comes from, where the buyer works, and what the buyer publishes: `Market.release` says so.
EXPERT, DESK, OWN = "orgs/seller/vaults/expert", "orgs/buyer/vaults/desk", "orgs/buyer/vaults/expert"
PACK = "orgs/buyer/vaults/pack-pack"
FORMS = ("PLAINTEXT", "ACTIVATION", "PARAMETER")


class Scene:
    """A seller with a vault, and a buyer with two."""

    def __init__(self, platform):
        self.market = Market(platform, None)
        self.platform = platform

    def stub(self, kind, org="buyer"):
        return kind(self.platform.channel(self.market.keys[org]))

    @property
    def vaults(self):
        return self.stub(VaultServiceStub)

    async def fill(self):
        for org in ("seller", "buyer"):
            await self.market.org(org)
        for org, vault_id in (("seller", "expert"), ("buyer", "desk"), ("buyer", "expert")):
            request = vault_pb.CreateVaultRequest(parent=f"orgs/{org}", vault_id=vault_id)
            await self.stub(VaultServiceStub, org).CreateVault(request)
        for cube_id, text in (("sky", "the sky is blue"), ("sea", "the sea is deep")):
            await self.remember("seller", EXPERT, cube_id, text)

    async def remember(self, org, vault, cube_id, text, parents=()):
        cube = Cube()
        cube.payload.plaintext.document.text = text
        cube.behavioural.lineage.parents.extend(parents)
        request = vault_pb.CreateCubeRequest(parent=vault, cube_id=cube_id, cube=cube)
        return (await self.stub(VaultServiceStub, org).CreateCube(request)).cube

    async def pulled(self, terms, **fields):
        """Agree on terms, release the seller's vault, and pull it, mounted at the desk."""
        agreement = await self.market.agreement(terms, **fields)
        await self.market.release(agreement.listing)
        request = transfer_service_pb2.PullBundleRequest(
            parent="orgs/buyer", agreement=agreement.name, mount_into=DESK, request_id=request_id()
        )
        await last_of(self.stub(TransferServiceStub).PullBundle(request))
        return agreement

    async def recall(self, query="What colour is the sky?"):
        return await self.stub(ReaderServiceStub).Recall(recall_pb2.RecallRequest(parent=DESK, query=query))


@pytest.fixture
async def scene(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(SERVICES, data_dir=tmp_path) as platform:
        made = Scene(platform)
        await made.fill()
        yield made


async def test_at_the_end_all_that_was_made_goes_and_recall_says_why(scene):
    terms = licence(
        "READ",
        "RETRIEVE",
        "MATERIALISE_KV",
        "DERIVE_TEXT",
        forms=FORMS,
        duties=["DELETE_ON_EXPIRY"],
        attribution="by us",
    )
    agreement = await scene.pulled(terms)
    sky = f"{PACK}/cubes/sky"
    own = await scene.remember("buyer", DESK, "own", "my note about the sky")
    note = await scene.remember("buyer", DESK, "note", "in short: blue", [sky])
    build = convert_pb2.BuildActivationRequest(parent=DESK, cubes=[sky], model="tiny-random")
    kv = (await last_of(scene.stub(InferenceServiceStub).BuildActivation(build))).result.cube
    assert {one.agreement for cube in (note, kv) for one in cube.governance.licences} == {agreement.name}
    before = await scene.recall()
    assert not before.refusals
    assert "by us" in {item.attribution for item in before.items}

    await scene.market.end(agreement.name, "Revoke")
    async with asyncio.timeout(120):
        while True:
            recalled = await scene.recall()
            if recalled.refusals and "was deleted" in recalled.refusals[0].message:
                break
            await asyncio.sleep(0.05)
    [refused] = recalled.refusals
    assert (refused.agreement, refused.reason) == (agreement.name, "LICENCE_REVOKED")
    error = await refusal(scene.vaults.GetVault(vault_pb.GetVaultRequest(name=PACK)))
    assert (error.reason, error.metadata["agreement"]) == (Reason.LICENCE_REVOKED, agreement.name)
    receipt_name = error.metadata["receipt"]
    for gone in (note, kv):
        error = await refusal(scene.vaults.GetCube(vault_pb.GetCubeRequest(name=gone.name)))
        assert error.reason is Reason.NOT_FOUND
    assert (await scene.vaults.GetCube(vault_pb.GetCubeRequest(name=own.name))).cube.name == own.name
    receipt = await scene.vaults.GetReceipt(vault_pb.GetReceiptRequest(name=receipt_name))
    assert receipt.receipt.key_destroyed


async def test_derived_memory_is_published_under_the_same_terms_or_not_at_all(scene):
    terms = licence("READ", "RETRIEVE", "DERIVE_TEXT", "REDISTRIBUTE", calls=None, duties=["SHARE_ALIKE"])
    agreement = await scene.pulled(terms)
    await scene.remember("buyer", OWN, "digest", "sky blue, sea deep", [f"{PACK}/cubes/sky", f"{PACK}/cubes/sea"])
    wide = await scene.market.listing("wide", org="buyer", terms=licence("READ"))
    error = await refusal(scene.market.release(wide.name, org="buyer"))
    assert (error.reason, error.metadata["term"]) == (Reason.LICENCE_NOT_PERMITTED, "share_alike")
    same = await scene.market.listing("same", org="buyer", terms=agreement.terms_document.terms)
    released = await scene.market.release(same.name, org="buyer")
    assert released.cube_count == 1
    error = await refusal(scene.market.offer(same.name, org="buyer", terms=licence("READ")))
    assert error.metadata["term"] == "share_alike"
    assert await scene.market.offer(same.name, "alike", org="buyer", terms=agreement.terms_document.terms)


async def test_a_search_waits_for_consent_and_is_counted_with_what_it_found(scene):
    terms = licence("READ", "RETRIEVE", calls=None, duties=["OBTAIN_CONSENT"])
    terms.permissions[0].constraints.quotas.add(unit="USE_UNIT_MEMORIES", limit=3, period="QUOTA_PERIOD_AGREEMENT")
    agreement = await scene.pulled(terms)
    [refused] = (await scene.recall()).refusals
    assert "consent" in refused.message
    market = scene.market.stub("seller")
    [asked] = (await market.ListConsents(consent_calls_pb2.ListConsentsRequest(parent=agreement.name))).consents
    await market.GrantConsent(consent_calls_pb2.GrantConsentRequest(name=asked.name))
    assert not (await scene.recall()).refusals
    [balance] = (await scene.market.entitlement(agreement.name)).balances
    assert balance.used in {1, 2}
    async with asyncio.timeout(120):
        while not (last := await scene.recall()).refusals:
            pass
    assert last.refusals[0].reason == "LICENCE_QUOTA_EXHAUSTED"
    assert not [item for item in last.items if item.agreement]
    [balance] = (await scene.market.entitlement(agreement.name)).balances
    assert balance.used <= 3
    assert balance.reserved == 0
