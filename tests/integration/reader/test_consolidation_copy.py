"""A copy of a vault under another name has its own scenes and profiles: they refer to its own episodes."""

from __future__ import annotations

from datetime import UTC, datetime

from memporium.reader.v1 import profile_pb2, remember_pb2, scenes_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.transfer.v1 import transfer_service_pb2
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.platform import running_platform

PARENT, COPY = "orgs/acme/vaults/notes", "orgs/acme/vaults/copy"


async def _said():
    yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=PARENT, session="s1"))
    turn = remember_pb2.Turn(id="t1", speaker="Ada", text="I love pottery.")
    turn.time.FromDatetime(datetime(2023, 5, 8, tzinfo=UTC))
    yield remember_pb2.RememberRequest(turn=turn)


async def test_scenes_and_profiles_of_a_copy_refer_to_the_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(
        ("governance", "vault", "inference", "reader", "transfer"), data_dir=tmp_path
    ) as platform:
        channel = platform.channel((await platform.organisation("acme")).owner_key)
        create = vault_service_pb2.CreateVaultRequest(parent="orgs/acme", vault_id="notes", vault=vault_pb2.Vault())
        await VaultServiceStub(channel).CreateVault(create)
        reader, transfer = ReaderServiceStub(channel), TransferServiceStub(channel)
        await reader.Remember(_said())
        await reader.Consolidate(scenes_pb2.ConsolidateRequest(parent=PARENT))
        dump = transfer_service_pb2.DumpVaultRequest(vault=PARENT, bundle_id="monday")
        async for _response in transfer.DumpVault(dump):
            pass
        load = transfer_service_pb2.LoadBundleRequest(
            parent="orgs/acme", bundle="orgs/acme/bundles/monday", vault_id="copy"
        )
        async for _response in transfer.LoadBundle(load):
            pass
        [scene] = (await reader.ListScenes(scenes_pb2.ListScenesRequest(parent=COPY))).scenes
        assert [member.cube.startswith(f"{COPY}/cubes/") for member in scene.members] == [True]
        shown = (await reader.GetScene(scenes_pb2.GetSceneRequest(name=scene.name))).scene
        assert shown.summary[0].source.locator == "t1"
        profile = await reader.GetProfile(profile_pb2.GetProfileRequest(parent=COPY, subject="Ada"))
        assert [fact.value for fact in profile.profile.facts] == ["pottery"]
        done = await reader.Consolidate(scenes_pb2.ConsolidateRequest(parent=COPY))
        assert (done.scenes_created, done.new_episodes) == (0, 0)
