"""New signing keys: everything stays loadable, nothing is encrypted again, and who trusts the old root follows."""

from __future__ import annotations

import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from memporium.governance.v1 import organisation_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium.transfer.v1 import bundle_pb2
from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium_platform.bundle import dsse
from memporium_platform.bundle.offline import verify_folder
from memporium_platform.bundle.roots import follow
from support.bundles import tensor_file
from support.integration_transfer import SOURCE, collect, refusal, running_scene
from support.platform import running_platform


@pytest.fixture
async def scene(tmp_path):
    async with running_scene(tmp_path) as made:
        made.vaults.add(SOURCE, ["one", "two"], blobs={"kv": tensor_file()})
        yield made


async def rotate(scene, **fields):
    """Give the publisher a new key."""
    values = {"parent": "orgs/press", "request_id": str(uuid.uuid4())}
    return await scene.press.RotateSigningKey(pb.RotateSigningKeyRequest(**(values | fields)))


async def download(scene, bundle, name):
    request = pb.DownloadBundleObjectRequest(parent="orgs/press", bundle=bundle, object=name)
    return b"".join([response.data async for response in scene.press.DownloadBundleObject(request)])


async def into_folder(scene, bundle, folder):
    """Download a bundle into a folder; return its chain of roots."""
    folder.mkdir()
    names = ["manifest", "snapshot", "timestamp"]
    found = await scene.press.GetBundle(pb.GetBundleRequest(name=bundle))
    for name in [*names, *found.bundle.segments]:
        (folder / name).write_bytes(await download(scene, bundle, name))
    return bundle_pb2.RootChain.FromString(await download(scene, bundle, "root")).roots


def first_root(chain):
    root = bundle_pb2.Root.FromString(dsse.parse(chain[0]).payload)
    return dsse.TrustRoot.of([Ed25519PublicKey.from_public_bytes(root.keys[0].ed25519)])


async def test_what_was_sealed_before_is_pulled_after(scene, tmp_path):
    old = (await scene.seal()).bundle
    sealed = {path: path.read_bytes() for path in scene.objects("lines")}
    rotated = await rotate(scene)
    assert (rotated.number, rotated.bundles, rotated.second_public_key) == (2, 1, b"")
    assert {path: path.read_bytes() for path in scene.objects("lines")} == sealed
    steps, _ = await scene.pull(vault_id="after")
    assert len(steps) == 15
    new = (await scene.seal("2.0.0")).bundle
    assert new.new_bytes == 0
    assert len((await scene.pull(vault_id="newer"))[0]) == 15
    assert (
        await scene.press.GetBundle(pb.GetBundleRequest(name=old.name))
    ).bundle.manifest_sha256 == old.manifest_sha256


async def test_who_trusts_the_first_root_follows_to_the_newest(scene, tmp_path):
    bundle = (await scene.seal()).bundle.name
    await rotate(scene)
    await rotate(scene)
    chain = await into_folder(scene, bundle, tmp_path / "out")
    assert len(chain) == 3
    trust, number = follow(first_root(chain), chain, publisher="orgs/press")
    assert number == 3
    assert list(verify_folder(tmp_path / "out", trust))
    # The snapshot is made by the newest key alone: the first root's key says nothing about today.
    with pytest.raises(Exception, match="TRUST_ROOT"):
        list(verify_folder(tmp_path / "out", first_root(chain)))


async def test_a_repeated_rotation_changes_nothing(scene):
    await scene.seal()
    assert (await rotate(scene, number=1)).number == 2
    again = await rotate(scene, number=1)
    assert (again.number, again.bundles) == (2, 0)


async def test_keys_of_two_halves_take_over(tmp_path, monkeypatch):
    async with running_scene(tmp_path / "data") as scene:
        scene.vaults.add(SOURCE, ["one"])
        old = (await scene.seal()).bundle.name
    monkeypatch.setenv("MEMPORIUM_TRANSFER_SUITE", "hybrid")
    async with running_scene(tmp_path / "data") as scene:
        scene.vaults.add(SOURCE, ["one"])
        scene.market.publish("orgs/press/listings/facts", "1.0.0", old)
        assert len((await scene.pull(vault_id="before"))[0]) == 15
        rotated = await rotate(scene)
        assert len(rotated.second_public_key) == 1952
        assert len((await scene.pull(vault_id="old"))[0]) == 15
        new = (await scene.seal("2.0.0")).bundle.name
        assert len((await scene.pull(vault_id="new"))[0]) == 15
        manifest = bundle_pb2.Manifest.FromString(dsse.parse(await download(scene, new, "manifest")).payload)
        assert manifest.suite == bundle_pb2.Suite.SUITE_MCB1_HYBRID_AES256GCM
        # A stored manifest without its second signature is refused.
        (path,) = [path for path in scene.objects("manifests") if path.name == new.rsplit("/", 1)[1]]
        envelope = dsse.parse(path.read_bytes())
        del envelope.signatures[1]
        path.write_bytes(envelope.SerializeToString())
        assert (await refusal(scene.pull(vault_id="stripped"))).metadata["step"] == "TRUST_ROOT"


async def test_nobody_else_rotates(scene):
    error = await refusal(scene.thief.RotateSigningKey(pb.RotateSigningKeyRequest(parent="orgs/press")))
    assert str(error.reason) == "PERMISSION_DENIED"


async def test_marked_parts_and_dumps_are_signed_again(scene):
    dumped = await collect(scene.press.DumpVault(pb.DumpVaultRequest(vault=SOURCE, bundle_id="backup")))
    assert dumped
    await rotate(scene)
    request = pb.LoadBundleRequest(parent="orgs/press", bundle="orgs/press/bundles/backup", vault_id="restored")
    assert len((await collect(scene.press.LoadBundle(request)))[0]) == 15


async def test_the_keys_that_signed_before_are_told(tmp_path):
    async with running_platform(("governance", "transfer"), data_dir=tmp_path) as platform:
        channel = platform.channel((await platform.organisation("press")).owner_key)
        governance, transfer = GovernanceServiceStub(channel), TransferServiceStub(channel)

        async def keys():
            request = organisation_pb2.GetOrganisationKeysRequest(name="orgs/press")
            return (await governance.GetOrganisationKeys(request)).keys

        first = await keys()
        rotated = await transfer.RotateSigningKey(pb.RotateSigningKeyRequest(parent="orgs/press"))
        second = await keys()
        assert second.signing_public_key == rotated.signing_public_key != first.signing_public_key
        assert list(second.previous_signing_public_keys) == [first.signing_public_key]
        assert (second.hpke_public_key, second.hybrid_public_key) == (first.hpke_public_key, first.hybrid_public_key)
        assert len(second.hybrid_public_key) == 1216
