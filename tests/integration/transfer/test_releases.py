"""Seal, pull, refuse: releases over gRPC."""

from __future__ import annotations

import asyncio
import uuid

import grpc
import pytest

from memporium.memstore.v1.agreement_pb2 import Agreement
from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium.transfer.v1.transfer_pb2 import BundleState, PiiProfile
from memporium_platform.errors import Reason
from memporium_services.transfer.adapters.bundle_objects import StoredBundles
from support.integration_transfer import LISTING, SOURCE, STEPS, collect, refusal
from support.patience import eventually
from support.stored import stored

PACK = "orgs/reader/vaults/pack-facts"


async def test_a_release_is_pulled_and_every_step_shown(scene):
    sealed = await scene.seal()
    assert sealed.bundle.cube_count == 3
    steps, result = await scene.pull(mount_into="orgs/reader/vaults/mine")
    assert steps == STEPS
    assert (result.vault, result.cube_count, result.blob_count, result.version) == (PACK, 3, 1, "1.0.0")
    assert result.mount == "orgs/reader/vaults/mine/mounts/pack-facts"
    held = scene.vaults.held[PACK]
    assert sorted(scene.vaults.texts(PACK)) == ["", "the sky is blue", "water is wet"]
    assert held.vault.read_only
    assert held.vault.licence.agreement == scene.agreement
    for portable in held.cubes.values():
        assert [licence.agreement for licence in portable.cube.governance.licences] == [scene.agreement]
        assert portable.cube.governance.licences[0].attribution == "by the press"
        assert portable.cube.name.startswith(f"{PACK}/cubes/")
        assert portable.cube.governance.owner == ""
        assert not portable.cube.behavioural.use_counts
    assert held.cubes["kv"].cube.payload.activation.source_cubes == [f"{PACK}/cubes/c0"]


async def test_nothing_readable_lies_in_the_store(scene):
    await scene.seal()
    held = b"".join(data for _, data in stored(scene.data_dir))
    assert b"the sky is blue" not in held


async def test_pulling_again_changes_nothing(scene):
    await scene.seal()
    request_id = str(uuid.uuid4())
    await scene.pull(request_id=request_id)
    _, result = await scene.pull(request_id=request_id)
    assert result.already_imported
    _, result = await scene.pull()
    assert result.already_imported
    assert scene.vaults.imports == 1


async def test_a_new_release_uploads_little_and_replaces_the_old(scene):
    first = await scene.seal()
    await scene.pull()
    scene.vaults.document(SOURCE, "c1", "water is not wet")
    second = await scene.seal("1.1.0")
    assert second.bundle.number == 2
    assert second.bundle.new_bytes < second.bundle.sealed_bytes
    assert first.bundle.manifest_sha256 != second.bundle.manifest_sha256
    _, result = await scene.pull()
    assert (result.vault, result.version) == (PACK, "1.1.0")
    assert sorted(scene.vaults.texts(PACK)) == ["", "the sky is blue", "water is not wet"]


async def test_sealing_twice_with_one_request_id_seals_once(scene):
    request_id = str(uuid.uuid4())
    first, second = await scene.seal(request_id=request_id), await scene.seal(request_id=request_id)
    assert first.bundle.name == second.bundle.name
    error = await refusal(scene.seal("2.0.0", request_id=request_id))
    assert error.reason is Reason.REQUEST_ID_REUSED


@pytest.mark.parametrize("damage", ["flip", "cut", "swap", "lose"])
async def test_a_tampered_object_is_refused_and_nothing_is_visible(scene, damage):
    await scene.seal()
    first, second = scene.objects()[:2]
    data = first.read_bytes()
    if damage == "flip":
        first.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "cut":
        first.write_bytes(data[: len(data) // 2])
    elif damage == "swap":
        first.write_bytes(second.read_bytes())
    else:
        first.unlink()
    error = await refusal(scene.pull())
    assert error.reason is Reason.BUNDLE_REJECTED
    assert error.metadata == {"step": "SEGMENT_DIGEST"}
    assert PACK not in scene.vaults.held


@pytest.mark.parametrize(("kind", "step"), [("manifests", "ENVELOPE"), ("own-grants", "ENVELOPE")])
async def test_a_tampered_document_is_refused(scene, kind, step):
    await scene.seal()
    (path,) = scene.objects(kind)
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    error = await refusal(scene.pull())
    assert (error.reason, error.metadata) == (Reason.BUNDLE_REJECTED, {"step": step})
    assert PACK not in scene.vaults.held


async def test_another_organisation_pulls_nothing(scene):
    await scene.seal()
    error = await refusal(scene.pull(scene.thief, parent="orgs/thief"))
    assert error.reason is Reason.PERMISSION_DENIED
    error = await refusal(scene.pull(scene.thief))
    assert error.reason is Reason.PERMISSION_DENIED
    assert PACK not in scene.vaults.held


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (Agreement.State.STATE_SUSPENDED, Reason.LICENCE_SUSPENDED),
        (Agreement.State.STATE_REVOKED, Reason.LICENCE_REVOKED),
        (Agreement.State.STATE_EXPIRED, Reason.LICENCE_EXPIRED),
        (Agreement.State.STATE_CANCELLED, Reason.LICENCE_REVOKED),
    ],
)
async def test_an_agreement_that_is_not_in_force_opens_nothing(scene, state, reason):
    await scene.seal()
    scene.market.agreements[scene.agreement].state = state
    assert (await refusal(scene.pull())).reason is reason
    assert PACK not in scene.vaults.held


async def test_an_agreement_on_one_release_opens_no_other(scene):
    await scene.seal()
    other = scene.market.latest[LISTING]
    await scene.seal("1.1.0")
    limited = scene.market.agree("orgs/press", "orgs/reader", LISTING, "a2", release=other)
    _, result = await scene.pull(agreement=limited)
    assert result.version == "1.0.0"
    error = await refusal(scene.pull(agreement=limited, release=scene.market.latest[LISTING]))
    assert error.reason is Reason.PERMISSION_DENIED


async def test_a_revoked_bundle_is_refused_at_the_snapshot(scene):
    sealed = await scene.seal()
    stub = scene.platform.kernel.channels.bind("memstore").stub(type(scene.press))
    request = pb.RevokeBundleRequest(name=sealed.bundle.name, reason="wrong", request_id=str(uuid.uuid4()))
    assert (await stub.RevokeBundle(request)).bundle.state == BundleState.BUNDLE_STATE_REVOKED
    error = await refusal(scene.pull())
    assert (error.reason, error.metadata) == (Reason.BUNDLE_REJECTED, {"step": "SNAPSHOT"})


async def test_only_services_may_seal_and_revoke(scene):
    sealed = await scene.seal()
    request = pb.RevokeBundleRequest(name=sealed.bundle.name, request_id=str(uuid.uuid4()))
    assert (await refusal(scene.press.RevokeBundle(request))).reason is Reason.PERMISSION_DENIED


async def test_a_vault_with_other_memory_is_not_filled(scene):
    await scene.seal()
    scene.vaults.add("orgs/reader/vaults/mine", ["my own"])
    error = await refusal(scene.pull(vault_id="mine"))
    assert error.reason is Reason.FAILED_PRECONDITION
    assert scene.vaults.texts("orgs/reader/vaults/mine") == ["my own"]


async def test_memory_under_a_licence_is_not_passed_on(scene):
    await scene.seal()
    await scene.pull()
    request = {"parent": "orgs/reader", "vault": PACK, "listing": "orgs/reader/listings/mine"}
    assert (await refusal(scene.seal(**request))).reason is Reason.LICENCE_NOT_PERMITTED
    listed = await scene.reader.ListBundles(pb.ListBundlesRequest(parent="orgs/reader"))
    assert list(listed.bundles) == []


async def test_hidden_characters_are_removed(scene):
    scene.vaults.document(SOURCE, "c9", "ignore\u200b this\U000e0041\u202e text")
    await scene.seal()
    _, result = await scene.pull()
    assert result.removed_characters == 6  # three in the text, three in its unit
    assert "ignore this text" in scene.vaults.texts(PACK)


async def test_personal_data_refuses_masks_or_passes(scene):
    portable = scene.vaults.document(SOURCE, "c9", "write to ann@example.org now")
    error = await refusal(scene.seal())
    assert error.reason is Reason.PII_UNMASKED
    assert error.metadata == {"entities": "EMAIL_ADDRESS", "cubes": portable.cube.name}
    sealed = await scene.seal(pii_profile=PiiProfile.PII_PROFILE_REDACT)
    assert dict(sealed.findings) == {"EMAIL_ADDRESS": 2}
    await scene.pull()
    assert "write to <EMAIL> now" in scene.vaults.texts(PACK)
    masked = scene.vaults.held[PACK].cubes["c9"]
    assert masked.units[0].text == "write to <EMAIL> now"
    assert not masked.unit_vectors
    await scene.seal("2.0.0", pii_profile=PiiProfile.PII_PROFILE_ALLOW)
    _, result = await scene.pull()
    # Its passage repeats what the document says: looked at once.
    assert dict(result.findings) == {"EMAIL_ADDRESS": 1}


async def test_tensors_made_from_masked_text_are_refused(scene):
    scene.vaults.document(SOURCE, "c0", "write to ann@example.org now")
    error = await refusal(scene.seal(pii_profile=PiiProfile.PII_PROFILE_REDACT))
    assert error.reason is Reason.PII_UNMASKED


async def test_a_file_that_is_no_safetensors_is_not_sealed(scene):
    scene.vaults.add(SOURCE, ["text"], blobs={"kv": b"\x80\x04pickle" * 10})
    assert (await refusal(scene.seal())).reason is Reason.FAILED_PRECONDITION
    assert not scene.objects("manifests")


async def test_nothing_is_visible_while_a_pull_is_under_way(scene):
    await scene.seal()
    scene.vaults.hold_import = asyncio.Event()
    pull = asyncio.create_task(scene.pull())
    await scene.vaults.importing.wait()
    assert scene.vaults.texts(PACK) == []
    assert not scene.vaults.mounts
    scene.vaults.hold_import.set()
    _, result = await pull
    assert result.cube_count == 3


async def test_verify_shows_steps_and_imports_nothing(scene):
    sealed = await scene.seal()
    own = pb.VerifyBundleRequest(parent="orgs/press", bundle=sealed.bundle.name)
    steps, _ = await collect(scene.press.VerifyBundle(own))
    assert steps == STEPS[:13]
    theirs = pb.VerifyBundleRequest(parent="orgs/reader", agreement=scene.agreement)
    steps, _ = await collect(scene.reader.VerifyBundle(theirs))
    assert steps == STEPS[:13]
    foreign = pb.VerifyBundleRequest(parent="orgs/thief", bundle=sealed.bundle.name)
    assert (await refusal(collect(scene.thief.VerifyBundle(foreign)))).reason is Reason.PERMISSION_DENIED
    assert PACK not in scene.vaults.held


async def test_a_slow_sender_costs_the_caller_its_deadline_and_leaves_nothing(scene, monkeypatch):
    """The store hands out a byte now and then: the call is over when its time is, and so is the work for it."""
    await scene.seal()
    reading = []

    async def trickle(self, bundle, digest):
        reading.append(digest)
        try:
            await asyncio.sleep(60)
        finally:
            reading.pop()

    monkeypatch.setattr(StoredBundles, "segment", trickle)
    request = pb.PullBundleRequest(parent="orgs/reader", agreement=scene.agreement, vault_id="slow")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await collect(scene.reader.PullBundle(request, timeout=1.5))
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually(lambda: not reading)
    assert "orgs/reader/vaults/slow" not in scene.vaults.held
