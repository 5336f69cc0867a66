"""Dump, erase, load; lists, downloads and removals."""

from __future__ import annotations

import uuid

import pytest

from memporium.cube.v1.cube_pb2 import RelationKind
from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium.transfer.v1.bundle_pb2 import Part
from memporium.vault.v1.cubes_pb2 import Relation
from memporium_platform.bundle.dsse import parse
from memporium_platform.bundle.offline import verify_folder
from memporium_platform.bundle.steps import VerificationStep
from memporium_platform.errors import Reason
from support.bundles import tensor_file
from support.integration_transfer import LISTING, SOURCE, STEPS, collect, refusal


async def dump(scene, **fields):
    request = pb.DumpVaultRequest(**({"vault": SOURCE, "request_id": str(uuid.uuid4())} | fields))
    return (await collect(scene.press.DumpVault(request)))[1]


def load(scene, bundle, vault_id="restored", stub=None, parent="orgs/press"):
    request = pb.LoadBundleRequest(parent=parent, bundle=bundle, vault_id=vault_id, request_id=str(uuid.uuid4()))
    return collect((stub or scene.press).LoadBundle(request))


async def test_dump_erase_load_gives_the_same_cubes(scene):
    relation = Relation(
        name=f"{SOURCE}/relations/r1",
        source=f"{SOURCE}/cubes/c0",
        kind=RelationKind.RELATION_KIND_RELATED,
        target=f"{SOURCE}/cubes/c1",
    )
    scene.vaults.held[SOURCE].relations.append(relation)
    before = scene.vaults.held[SOURCE]
    bundle = await dump(scene, bundle_id="monday")
    assert bundle.name == "orgs/press/bundles/monday"
    del scene.vaults.held[SOURCE]
    steps, result = await load(scene, bundle.name, "facts")
    assert steps == STEPS
    assert (result.cube_count, result.blob_count, result.version) == (3, 1, "1.0.0")
    after = scene.vaults.held[SOURCE]
    assert after.cubes == before.cubes
    assert after.blobs == before.blobs
    assert [(one.source, one.target) for one in after.relations] == [(relation.source, relation.target)]
    assert after.vault.embedding_model == before.vault.embedding_model


async def test_a_dump_moves_to_another_name(scene):
    bundle = await dump(scene)
    await load(scene, bundle.name, "copy")
    held = scene.vaults.held["orgs/press/vaults/copy"]
    assert all(cube.cube.name.startswith("orgs/press/vaults/copy/cubes/") for cube in held.cubes.values())
    activation = held.cubes["kv"].cube.payload.activation
    assert activation.source_cubes == ["orgs/press/vaults/copy/cubes/c0"]


async def test_big_vaults_make_many_segments_and_little_that_is_new(scene):
    import random

    draw = random.Random(1)
    for index in range(120):
        scene.vaults.document(SOURCE, f"big{index}", draw.randbytes(100_000).hex())
    first = await dump(scene)
    assert first.segment_count > 4
    scene.vaults.document(SOURCE, "big60", "changed")
    second = await dump(scene)
    assert second.number == 2
    assert second.new_bytes < second.sealed_bytes / 2
    _, result = await load(scene, second.name)
    assert result.cube_count == 123


async def test_an_empty_vault_is_dumped_and_loaded(scene):
    scene.vaults.add(SOURCE, [])
    bundle = await dump(scene)
    _, result = await load(scene, bundle.name)
    assert result.cube_count == 0


async def test_loading_over_other_memory_is_refused(scene):
    bundle = await dump(scene)
    assert (await refusal(load(scene, bundle.name, "facts"))).reason is Reason.FAILED_PRECONDITION


async def test_loading_again_after_an_erasure_restores_again(scene):
    bundle = await dump(scene)
    await load(scene, bundle.name)
    _, again = await load(scene, bundle.name)
    assert again.already_imported
    del scene.vaults.held["orgs/press/vaults/restored"]
    _, result = await load(scene, bundle.name)
    assert not result.already_imported
    assert len(scene.vaults.held["orgs/press/vaults/restored"].cubes) == 3


async def test_nobody_else_loads_a_dump(scene):
    bundle = await dump(scene)
    error = await refusal(load(scene, bundle.name, stub=scene.thief, parent="orgs/thief"))
    assert error.reason is Reason.PERMISSION_DENIED
    error = await refusal(load(scene, bundle.name, stub=scene.thief))
    assert error.reason is Reason.PERMISSION_DENIED


async def test_a_release_is_not_loaded_but_pulled(scene):
    sealed = await scene.seal()
    assert (await refusal(load(scene, sealed.bundle.name))).reason is Reason.FAILED_PRECONDITION


async def test_bundles_are_listed_in_pages_newest_first(scene):
    names = [(await dump(scene)).name for _ in range(5)]
    found, token = [], ""
    while True:
        request = pb.ListBundlesRequest(parent="orgs/press", page_size=2, page_token=token)
        page = await scene.press.ListBundles(request)
        found += [bundle.name for bundle in page.bundles]
        token = page.next_page_token
        if not token:
            break
    assert found == names[::-1]
    none = await scene.press.ListBundles(pb.ListBundlesRequest(parent="orgs/press", line=LISTING))
    assert list(none.bundles) == []
    got = (await scene.press.GetBundle(pb.GetBundleRequest(name=names[0]))).bundle
    assert len(got.segments) == got.segment_count == 2
    error = await refusal(scene.press.GetBundle(pb.GetBundleRequest(name="orgs/press/bundles/none")))
    assert error.reason is Reason.NOT_FOUND


async def test_deleting_keeps_what_other_bundles_share(scene):
    first, second = await dump(scene), await dump(scene)
    assert len(scene.objects()) == 2
    await scene.press.DeleteBundle(pb.DeleteBundleRequest(name=first.name, request_id=str(uuid.uuid4())))
    assert len(scene.objects()) == 2
    await load(scene, second.name)
    request = pb.DeleteBundleRequest(name=second.name, request_id=str(uuid.uuid4()))
    removed = await scene.press.DeleteBundle(request)
    assert removed.removed_objects == 4
    assert not scene.objects()
    assert not scene.objects("manifests")
    assert (await scene.press.DeleteBundle(request)).removed_objects == 0


async def test_the_same_request_dumps_once_and_an_id_is_taken_once(scene):
    request_id = str(uuid.uuid4())
    first, second = await dump(scene, request_id=request_id), await dump(scene, request_id=request_id)
    assert first.name == second.name
    await dump(scene, bundle_id="mine")
    error = await refusal(dump(scene, bundle_id="mine"))
    assert error.reason is Reason.ALREADY_EXISTS


async def download(stub, bundle, name, parent, agreement=""):
    request = pb.DownloadBundleObjectRequest(parent=parent, bundle=bundle, agreement=agreement, object=name)
    responses = [response async for response in stub.DownloadBundleObject(request)]
    data = b"".join(response.data for response in responses)
    assert responses[0].size_bytes == len(data)
    return data


@pytest.mark.parametrize("who", ["press", "reader"])
async def test_a_downloaded_bundle_verifies_offline(scene, tmp_path, who):
    sealed = (await scene.seal()).bundle
    stub, parent, agreement = getattr(scene, who), f"orgs/{who}", scene.agreement if who == "reader" else ""
    folder = tmp_path / "bundle"
    folder.mkdir()
    segments = (await scene.press.GetBundle(pb.GetBundleRequest(name=sealed.name))).bundle.segments
    names = ["manifest", "grant", "snapshot", "timestamp", *(["part"] if sealed.part_cube_count else [])]
    for name in names:
        (folder / name).write_bytes(await download(stub, sealed.name, name, parent, agreement))
    if sealed.part_cube_count:
        part = Part.FromString(parse((folder / "part").read_bytes()).payload)
        segments = [*segments, *(segment.sha256.hex() for segment in part.segments)]
    for name in dict.fromkeys(segments):
        (folder / name).write_bytes(await download(stub, sealed.name, name, parent, agreement))
    keys = scene.platform.kernel.keys
    from memporium_platform.bundle.dsse import TrustRoot

    trust = TrustRoot.of([(await keys.org_signing_key("press")).public_key()])
    key = await keys.org_hpke_key(who)
    assert list(verify_folder(folder, trust, key=key)) == list(VerificationStep)[:13]
    assert VerificationStep.SEGMENT_DIGEST in list(verify_folder(folder, trust))
    assert len(scene.market.exports) == (1 if who == "reader" else 0)


async def test_what_stays_on_the_platform_is_pulled_but_not_handed_out(scene):
    sealed = (await scene.seal()).bundle
    scene.market.on_platform_only = True
    for name in ("manifest", "grant", "snapshot", sealed.manifest_sha256):
        error = await refusal(download(scene.reader, sealed.name, name, "orgs/reader", scene.agreement))
        assert error.reason is Reason.LICENCE_NOT_PERMITTED
        assert error.metadata["term"] == "on_platform_only"
    _, result = await scene.pull()
    assert result.cube_count == 3


@pytest.mark.parametrize("name", ["../manifests/x", "nothing", "0" * 64, "MANIFEST"])
async def test_only_objects_of_the_bundle_are_handed_out(scene, name):
    bundle = await dump(scene)
    error = await refusal(download(scene.press, bundle.name, name, "orgs/press"))
    assert error.reason in {Reason.INVALID_FIELD, Reason.NOT_FOUND}
    error = await refusal(download(scene.thief, bundle.name, "manifest", "orgs/thief"))
    assert error.reason is Reason.PERMISSION_DENIED


async def test_a_failed_dump_leaves_no_bundle(scene):
    scene.vaults.add(SOURCE, ["text"], blobs={"kv": tensor_file({"a": [float("inf")]})})
    assert (await refusal(dump(scene))).reason is Reason.FAILED_PRECONDITION
    listed = await scene.press.ListBundles(pb.ListBundlesRequest(parent="orgs/press"))
    assert list(listed.bundles) == []
