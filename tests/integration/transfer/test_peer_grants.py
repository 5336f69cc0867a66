"""Grants for organisations of other platforms: sealed to the key of the bundle's suite that they published, or to none."""

from __future__ import annotations

import pytest

from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium.transfer.v1.bundle_pb2 import Grant, GrantTerms, Manifest, Suite
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium_platform.bundle import dsse
from memporium_platform.bundle.recipients import recipient_key_id
from memporium_platform.call import acting_as, service_principal
from memporium_platform.errors import Reason
from support.integration_transfer import LISTING, SOURCE, refusal, running_scene

TEXTS = ["A robin sings at dusk.", "A wren builds several nests.", "A heron waits."]
CLASSICAL, HYBRID = Suite.SUITE_MCB1_ED25519_X25519_AES256GCM, Suite.SUITE_MCB1_HYBRID_AES256GCM
# What is sealed: an encapsulated key, the bundle's key with the part's where there is one, a tag.
ENCAPSULATED = {CLASSICAL: 32, HYBRID: 1120}


@pytest.fixture(params=["classical", "hybrid"])
async def scene(tmp_path, monkeypatch, request):
    monkeypatch.setenv("MEMPORIUM_TRANSFER_SUITE", request.param)
    async with running_scene(tmp_path) as made:
        made.vaults.add(SOURCE, TEXTS)
        made.suite = HYBRID if request.param == "hybrid" else CLASSICAL
        made.bundle = (await made.seal()).bundle.name
        keys = made.platform.kernel.keys
        made.keys = {
            "recipient_key": (await keys.org_hpke_key("reader")).public_key().public_bytes_raw(),
            "recipient_hybrid_key": (await keys.org_hybrid_key("reader")).public_key().public_bytes_raw(),
        }
        yield made


async def read(scene, wanted, **keys):
    """Read an object as memstore does for an organisation of another platform."""
    stub = scene.platform.kernel.channels.bind("memstore").stub(TransferServiceStub)
    request = pb.ReadForPeerRequest(
        bundle=scene.bundle,
        object=wanted,
        agreement="orgs/press/agreements/far",
        listing=LISTING,
        terms_sha256="ab" * 32,
        recipient="orgs/far.south",
        **(scene.keys | keys),
    )
    with acting_as(service_principal("memstore")):
        return b"".join([response.data async for response in stub.ReadForPeer(request)])


async def test_the_grant_is_sealed_to_the_published_key_of_the_bundles_suite(scene):
    manifest = Manifest.FromString(dsse.parse(await read(scene, "manifest")).payload)
    grant = Grant.FromString(dsse.parse(await read(scene, "grant")).payload)
    terms = GrantTerms.FromString(grant.terms)
    assert manifest.suite == terms.suite == scene.suite
    keys = scene.platform.kernel.keys
    key = await (keys.org_hybrid_key if scene.suite == HYBRID else keys.org_hpke_key)("reader")
    assert terms.recipient_key_id == recipient_key_id(key.public_key())
    assert (len(grant.sealed_key) - ENCAPSULATED[scene.suite] - 16) % 32 == 0


async def test_who_publishes_no_hybrid_key_gets_no_weaker_grant(scene):
    if scene.suite == HYBRID:
        error = await refusal(read(scene, "grant", recipient_hybrid_key=b""))
        assert error.reason is Reason.FAILED_PRECONDITION
        assert "no key of the suite" in error.message
    else:
        assert await read(scene, "grant", recipient_hybrid_key=b"")
    error = await refusal(read(scene, "grant", recipient_hybrid_key=b"short"))
    assert error.reason is Reason.INVALID_FIELD
