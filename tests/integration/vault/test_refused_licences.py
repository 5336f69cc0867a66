"""Whatever a licence refuses, no method says: each is called on a pack, a loaded copy, and what was made of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from memporium.cube.v1.cube_pb2 import Cube, LicenceReference
from memporium.vault.v1 import changes_pb2, search_pb2, vault_service_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CUBE_VIEW_FULL, NewCube, PortableCube
from memporium_platform.call import acting_as
from memporium_platform.errors import Reason
from support.licensed import A1, made_of, owner_of, pack_of
from support.vaults import MODEL, cell, reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.vaults import VaultPlace

SECRET = "quetzal"
TENSORS = b"tensors"
# What has nothing to do with cubes that are there, or takes callers of the platform alone (tests of internal methods).
OTHERS = {
    "GetCapabilities", "ListVaults", "SweepVaults", "ImportCubes", "ExportCubes", "CheckBlobs", "GetReceipt",
    "UploadBlob", "DeleteVault", "DeleteRelation", "DeleteMount",
}  # fmt: skip


async def _messages(parent: str) -> AsyncIterator[api.ImportCubesRequest]:
    yield api.ImportCubesRequest(header=api.ImportCubesHeader(parent=parent, embedding_model=MODEL, restore=True))
    cube = cell(f"a copy of the {SECRET}", f"two {SECRET}s")
    cube.governance.licences.append(LicenceReference(agreement=A1))
    yield api.ImportCubesRequest(batch=api.ImportCubesBatch(cubes=[PortableCube(cube=cube)]))
    yield api.ImportCubesRequest(end=api.ImportCubesEnd(cubes=1))


class Scene:
    """A pack, a vault of the owner with licensed memory of every kind in it, and one where both are mounted."""

    def __init__(self, place: VaultPlace) -> None:
        self.place, self.stub = place, place.stub

    async def prepare(self) -> Scene:
        place = self.place
        self.in_pack = await pack_of(place, "pack", A1, f"a pack of the {SECRET}")
        self.pack = self.in_pack[0].partition("/cubes/")[0]
        self.mine = await place.vault("mine")
        with acting_as(owner_of(place)):
            await place.internal("transfer").ImportCubes(_messages(self.mine))
        copies = (await self.stub.ListCubes(api.ListCubesRequest(parent=self.mine))).cubes
        self.copy = copies[0].name
        derived = cell(f"about a {SECRET}")
        derived.behavioural.lineage.parents.extend(self.in_pack)
        self.derived = (await place.create(self.mine, derived)).cube.name
        newer = Cube(name=self.derived)
        newer.payload.CopyFrom(cell(f"more about the {SECRET}").payload)
        await self.stub.UpdateCube(api.UpdateCubeRequest(cube=newer, update_mask={"paths": ["payload"]}))
        # Own words, then licensed ones, then the own words again: what lies between is licensed still.
        self.turned = (await place.create(self.mine, cell("a notice of my own"))).cube.name
        licensed = Cube(name=self.turned)
        licensed.payload.CopyFrom(cell(f"a copy about the {SECRET}").payload)
        licensed.behavioural.lineage.parents.extend(self.in_pack)
        paths = {"paths": ["payload", "behavioural.lineage.parents"]}
        with acting_as(owner_of(place)):
            await place.internal("reader").UpdateCube(api.UpdateCubeRequest(cube=licensed, update_mask=paths))
        back = api.RollbackCubeRequest(name=self.turned, version=1)
        self.revision = (await self.stub.RollbackCube(back)).revision
        made = await made_of(place, "kv", self.mine, self.in_pack)
        self.kv = (await place.create(self.mine, made)).cube.name
        self.desk = await place.vault("desk")
        for vault in (self.pack, self.mine):
            await self.stub.CreateMount(api.CreateMountRequest(parent=self.desk, mount={"vault": vault}))
        return self

    @property
    def cubes(self) -> list[str]:
        return [*self.in_pack, self.copy, self.derived, self.kv, self.turned]

    def requests(self, method: str) -> Iterator[Any]:
        """Yield requests of a method that ask for as much as it gives."""
        request = _request(method)
        fields = request.DESCRIPTOR.fields_by_name
        build = getattr(self, f"_{method}", None)
        if build is not None:
            yield from build(request)
        elif "name" in fields:
            names = self.cubes if "Cube" in method else [self.pack, self.mine]
            for name in names:
                made = request(name=name)
                if "view" in fields:
                    made.view = CUBE_VIEW_FULL
                yield made
        else:
            for vault in (self.pack, self.mine, self.desk):
                made = request(parent=vault)
                if "view" in fields:
                    made.view = CUBE_VIEW_FULL
                yield made

    def _CreateVault(self, request: Any) -> Iterator[Any]:
        for place, vault in enumerate((self.pack, self.mine)):
            yield request(parent=self.place.org.name, vault_id=f"branch{place}", branch_of=vault)

    def _UpdateVault(self, request: Any) -> Iterator[Any]:
        for vault in (self.pack, self.mine):
            yield request(vault={"name": vault, "display_name": "x"}, update_mask={"paths": ["display_name"]})

    def _CreateCube(self, request: Any) -> Iterator[Any]:
        cube = cell("something else")
        cube.behavioural.lineage.parents.extend(self.cubes)
        yield request(parent=self.mine, cube=cube)

    def _BatchCreateCubes(self, request: Any) -> Iterator[Any]:
        for one in self._CreateCube(_request("CreateCube")):
            yield request(parent=self.mine, cubes=[NewCube(cube=one.cube)])

    def _ApplyChanges(self, request: Any) -> Iterator[Any]:
        for one in self._CreateCube(_request("CreateCube")):
            yield request(parent=self.mine, changes=[changes_pb2.Change(create=NewCube(cube=one.cube))])

    def _GetCube(self, request: Any) -> Iterator[Any]:
        for name in self.cubes:
            for version in (0, 1, 2):
                yield request(name=name, version=version, view=CUBE_VIEW_FULL)

    def _BatchGetCubes(self, request: Any) -> Iterator[Any]:
        yield request(parent=self.pack, names=self.in_pack, view=CUBE_VIEW_FULL)
        yield request(parent=self.mine, names=[self.copy, self.derived, self.kv], view=CUBE_VIEW_FULL)

    def _ListCubes(self, request: Any) -> Iterator[Any]:
        for vault in (self.pack, self.mine):
            for revision in range(self.revision + 1):
                yield request(parent=vault, view=CUBE_VIEW_FULL, read_revision=revision)

    def _UpdateCube(self, request: Any) -> Iterator[Any]:
        for name in self.cubes:
            cube = Cube(name=name)
            cube.descriptive.tags.append("seen")
            yield request(cube=cube, update_mask={"paths": ["descriptive.tags"]})

    def _RollbackCube(self, request: Any) -> Iterator[Any]:
        for name in self.cubes:
            for version in (1, 2):
                yield request(name=name, version=version)

    def _DiffCubeVersions(self, request: Any) -> Iterator[Any]:
        for name in (self.derived, self.turned):
            yield request(name=name, from_version=1, to_version=2)

    def _MergeCubes(self, request: Any) -> Iterator[Any]:
        yield request(parent=self.mine, names=[self.copy, self.derived])

    def _ForgetCubes(self, request: Any) -> Iterator[Any]:
        for vault in (self.pack, self.mine):
            yield request(parent=vault, subject={"names": ["copy"], "mentions": True}, dry_run=True)

    def _CreateRelation(self, request: Any) -> Iterator[Any]:
        yield request(parent=self.mine, relation={"source": self.copy, "target": self.derived, "kind": 1})

    def _SearchCubes(self, request: Any) -> Iterator[Any]:
        for vault in (self.pack, self.mine, self.desk):
            for mode in (1, 2, 3, 4):
                yield request(parent=vault, query="copy pack", mode=mode, explain=True, view=CUBE_VIEW_FULL)
            yield request(parent=vault, query="copy pack", mode=4, read_revision=self.revision - 1, view=CUBE_VIEW_FULL)

    def _SearchUnits(self, request: Any) -> Iterator[Any]:
        for vault in (self.pack, self.mine, self.desk):
            for revision in (0, self.revision - 1):
                yield request(parent=vault, queries=[{"query": "copy pack", "mode": 4}], read_revision=revision)

    def _UseCubes(self, request: Any) -> Iterator[Any]:
        for action in range(1, 11):
            yield request(parent=self.pack, names=self.in_pack, action=action, view=CUBE_VIEW_FULL)
            yield request(parent=self.mine, names=[self.copy, self.derived], action=action, view=CUBE_VIEW_FULL)

    def _FindMissingBlobs(self, request: Any) -> Iterator[Any]:
        yield request(parent=self.mine, digests=[_digest()])

    def _DownloadBlob(self, request: Any) -> Iterator[Any]:
        for action in (0, 1, 3, 7):
            yield request(parent=self.mine, digest=_digest(), action=action)

    def _WatchCubes(self, request: Any) -> Iterator[Any]:
        for vault in (self.pack, self.mine, self.desk):
            yield request(parent=vault, start_revision=1, view=CUBE_VIEW_FULL, progress_interval={"nanos": 10_000_000})


def _digest() -> dict[str, Any]:
    return {"sha256": hashlib.sha256(TENSORS).hexdigest(), "size_bytes": len(TENSORS)}


def _method(name: str) -> MethodDescriptor:
    return vault_service_pb2.DESCRIPTOR.services_by_name["VaultService"].methods_by_name[name]


def _request(method: str) -> Any:
    name = _method(method).input_type.name
    return next(getattr(file, name) for file in (api, search_pb2, changes_pb2) if hasattr(file, name))


async def said(stub: Any, method: str, request: Any) -> bytes:
    """Return all bytes that a call answers, those of its refusal too."""
    call = getattr(stub, method)(request)
    found, answers = b"", 0
    try:
        if not _method(method).server_streaming:
            return (await call).SerializeToString()
        async for message in call:
            found += message.SerializeToString()
            answers += 1
            # The first message says where it stands, the second what has changed; then it would wait for more.
            if method == "WatchCubes" and answers == 2:
                call.cancel()
                break
    except grpc.aio.AioRpcError as error:
        return found + error.details().encode() + repr(error.trailing_metadata()).encode()
    return found


@pytest.fixture
async def scene(place: VaultPlace) -> Scene:
    return await Scene(place).prepare()


async def test_what_is_refused_is_said_by_no_method(scene: Scene) -> None:
    methods = [one.name for one in vault_service_pb2.DESCRIPTOR.services_by_name["VaultService"].methods]
    seen = await _leaks(scene, "ListCubes", "GetCube", "SearchCubes", "SearchUnits", "DownloadBlob", "DiffCubeVersions")
    # The yardstick: as long as nothing is refused, these do say it.
    assert {leak.partition(" ")[0] for leak in seen} == {
        "ListCubes", "GetCube", "SearchCubes", "SearchUnits", "DownloadBlob", "DiffCubeVersions",
    }  # fmt: skip
    scene.place.memstore.refused[A1, 0] = Reason.LICENCE_NOT_PERMITTED
    assert await _leaks(scene, *(name for name in methods if name not in OTHERS)) == []
    # Nor does a branch that was made of licensed memory; of a pack there is none.
    with_pack = api.CreateVaultRequest(parent=scene.place.org.name, vault_id="b", branch_of=scene.pack)
    assert await reason(scene.stub.CreateVault(with_pack)) is Reason.INVALID_FIELD
    # Nor through another service, which may make licensed vaults.
    with acting_as(owner_of(scene.place)):
        through = scene.place.internal("scheduler").CreateVault(with_pack)
        assert await reason(through) is Reason.INVALID_FIELD
    branch = f"{scene.place.org.name}/vaults/branch1"
    listed = await said(scene.stub, "ListCubes", api.ListCubesRequest(parent=branch, view=CUBE_VIEW_FULL))
    assert SECRET.encode() not in listed


async def _leaks(scene: Scene, *methods: str) -> list[str]:
    found = []
    for method in methods:
        for request in scene.requests(method):
            answer = await said(scene.stub, method, request)
            if SECRET.encode() in answer or TENSORS in answer:
                found.append(f"{method} {request}")
    return found
