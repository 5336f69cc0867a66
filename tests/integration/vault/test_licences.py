from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from memporium.cube.v1.cube_pb2 import LicenceReference
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CUBE_VIEW_BASIC, PortableCube, UseAction
from memporium.vault.v1.vault_pb2 import VaultKind
from memporium_platform.call import Principal, PrincipalKind, acting_as
from memporium_platform.errors import Reason
from support.vaults import cell, reason, search

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.vaults import VaultPlace

AGREEMENT = "orgs/publisher/agreements/a1"
LICENCE = LicenceReference(agreement=AGREEMENT, terms_sha256="00" * 32)


def _owner(place: VaultPlace) -> Principal:
    return Principal(name=f"{place.org.name}/principals/owner", org=place.org.id, kind=PrincipalKind.USER)


async def _messages(parent: str, cubes: list[PortableCube], **header: object) -> AsyncIterator[api.ImportCubesRequest]:
    yield api.ImportCubesRequest(header=api.ImportCubesHeader(parent=parent, **header))
    for cube in cubes:
        yield api.ImportCubesRequest(batch=api.ImportCubesBatch(cubes=[cube]))
    yield api.ImportCubesRequest(end=api.ImportCubesEnd(cubes=len(cubes)))


async def _pack(place: VaultPlace, *texts: str) -> str:
    """Make a pack vault by the way that the transfer service takes."""
    with acting_as(_owner(place)):
        stub = place.internal("transfer")
        vault = {"kind": VaultKind.VAULT_KIND_INDUSTRY_SHARED, "read_only": True, "licence": LICENCE}
        made = await stub.CreateVault(api.CreateVaultRequest(parent=place.org.name, vault_id="pack", vault=vault))
        cubes = [PortableCube(cube=cell(text)) for text in texts]
        await stub.ImportCubes(_messages(made.vault.name, cubes, licence=LICENCE))
    return made.vault.name


async def test_reading_a_pack_is_asked_committed_and_attributed(place: VaultPlace) -> None:
    pack = await _pack(place, "licensed knowledge of bridges")
    cube = (await place.stub.ListCubes(api.ListCubesRequest(parent=pack))).cubes[0]
    assert cube.governance.licences[0].agreement == AGREEMENT
    assert not place.memstore.reserved
    read = await place.stub.GetCube(api.GetCubeRequest(name=cube.name))
    assert [one.attribution for one in read.licences] == [f"by {AGREEMENT}"]
    assert [one.action for one in place.memstore.reserved.values()] == [UseAction.USE_ACTION_READ]
    assert set(place.memstore.committed) == set(place.memstore.reserved)


async def test_mounts_are_searched_and_refusals_named(place: VaultPlace) -> None:
    pack = await _pack(place, "licensed knowledge of bridges")
    own = await place.vault("own")
    await place.create(own, cell("my own notes on bridges"))
    await place.stub.CreateMount(api.CreateMountRequest(parent=own, mount={"vault": pack}))
    found = await search(place.stub, own, "bridges")
    by_mount = {hit.mount: hit for hit in found.hits}
    assert set(by_mount) == {"", f"{own}/mounts/pack"}
    licensed = by_mount[f"{own}/mounts/pack"]
    assert (licensed.agreement, licensed.attribution) == (AGREEMENT, f"by {AGREEMENT}")
    assert len(place.memstore.committed) == 1
    assert [one.agreement for one in found.summary.licences] == [AGREEMENT]

    assert not [hit for hit in (await search(place.stub, own, "bridges", include_mounts=False)).hits if hit.mount]
    assert not (await search(place.stub, own, "unheard", mode=2)).hits
    assert len(place.memstore.released) == 1

    place.memstore.refused[AGREEMENT, 0] = Reason.LICENCE_QUOTA_EXHAUSTED
    found = await search(place.stub, own, "bridges")
    assert [hit.mount for hit in found.hits] == [""]
    assert [(one.agreement, one.reason, one.vault) for one in found.refusals] == [
        (AGREEMENT, "LICENCE_QUOTA_EXHAUSTED", pack)
    ]
    direct = place.stub.SearchCubes(api.SearchCubesRequest(parent=pack, query="bridges"))
    assert await reason(direct) is Reason.LICENCE_QUOTA_EXHAUSTED


async def test_one_user_call_counts_once_through_services(place: VaultPlace) -> None:
    pack = await _pack(place, "licensed knowledge")
    name = (await place.stub.ListCubes(api.ListCubesRequest(parent=pack))).cubes[0].name
    with acting_as(_owner(place), root_id="01root"):
        stub = place.internal("reader")
        for _ in range(3):
            use = api.UseCubesRequest(parent=pack, names=[name], action=UseAction.USE_ACTION_INFER_WITH)
            used = await stub.UseCubes(use)
    assert used.cubes[0].payload.plaintext.mem_cell.facts[0].text == "licensed knowledge"
    assert len(place.memstore.reserved) == 1


async def test_refused_uses_return_nothing(place: VaultPlace) -> None:
    pack = await _pack(place, "licensed knowledge")
    name = (await place.stub.ListCubes(api.ListCubesRequest(parent=pack))).cubes[0].name
    place.memstore.refused[AGREEMENT, UseAction.USE_ACTION_DERIVE_LORA] = Reason.LICENCE_NOT_PERMITTED
    with acting_as(_owner(place)):
        use = api.UseCubesRequest(parent=pack, names=[name], action=UseAction.USE_ACTION_DERIVE_LORA)
        assert await reason(place.internal("inference").UseCubes(use)) is Reason.LICENCE_NOT_PERMITTED
    infer = api.UseCubesRequest(parent=pack, names=[name], action=UseAction.USE_ACTION_INFER_WITH)
    assert await reason(place.stub.UseCubes(infer)) is Reason.PERMISSION_DENIED
    infer.view = CUBE_VIEW_BASIC
    assert (await place.stub.UseCubes(infer)).licences


async def test_callers_cannot_make_licences(place: VaultPlace) -> None:
    vault = await place.vault()
    cube = cell("free")
    cube.governance.licences.append(LICENCE)
    assert await reason(place.create(vault, cube)) is Reason.INVALID_FIELD
    request = api.CreateVaultRequest(parent=place.org.name, vault_id="fake", vault={"licence": LICENCE})
    assert await reason(place.stub.CreateVault(request)) is Reason.INVALID_FIELD


async def _until(condition: object) -> None:
    async with asyncio.timeout(120):
        while not await condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("state", "expected"), [("REVOKED", Reason.LICENCE_REVOKED), ("SUSPENDED", Reason.LICENCE_SUSPENDED)]
)
async def test_a_dead_agreement_stops_reads_without_being_asked(
    place: VaultPlace, state: str, expected: Reason
) -> None:
    pack = await _pack(place, "licensed knowledge")
    name = (await place.stub.ListCubes(api.ListCubesRequest(parent=pack))).cubes[0].name
    place.memstore.set_state(AGREEMENT, state)

    async def refused() -> bool:
        try:
            await place.stub.GetCube(api.GetCubeRequest(name=name, view=CUBE_VIEW_BASIC))
        except Exception:
            return True
        return False

    await _until(refused)
    for call in (
        place.stub.GetCube(api.GetCubeRequest(name=name)),
        place.stub.ListCubes(api.ListCubesRequest(parent=pack)),
        place.stub.ListCubes(api.ListCubesRequest(parent=pack, read_revision=1)),
        place.stub.ListCubeVersions(api.ListCubeVersionsRequest(name=name)),
        place.stub.DiffCubeVersions(api.DiffCubeVersionsRequest(name=name, from_version=1, to_version=1)),
        place.stub.SearchCubes(api.SearchCubesRequest(parent=pack, query="x")),
        place.stub.WatchCubes(api.WatchCubesRequest(parent=pack)),
        place.stub.ListTags(api.ListTagsRequest(parent=pack)),
    ):
        assert await reason(call) is expected
    assert not place.memstore.reserved
    place.memstore.set_state(AGREEMENT, "ACTIVE")

    async def allowed() -> bool:
        return not await refused()

    await _until(allowed)


async def test_an_ended_pack_with_the_duty_to_delete_is_erased(place: VaultPlace) -> None:
    pack = await _pack(place, "licensed knowledge")
    own = await place.vault("own")
    await place.stub.CreateMount(api.CreateMountRequest(parent=own, mount={"vault": pack}))
    place.memstore.set_state(AGREEMENT, "EXPIRED", delete_on_expiry=True)

    async def gone() -> bool:
        mounts = (await place.stub.ListMounts(api.ListMountsRequest(parent=own))).mounts
        return [bool(mount.ended) for mount in mounts] == [True]

    await _until(gone)
    assert await reason(place.stub.GetVault(api.GetVaultRequest(name=pack))) is Reason.LICENCE_EXPIRED


async def test_a_new_release_takes_the_place_of_the_old_one(place: VaultPlace) -> None:
    pack = await _pack(place, "stays the same", "is dropped", "is changed")
    before = {one.name: one for one in (await place.stub.ListCubes(api.ListCubesRequest(parent=pack))).cubes}
    full = await place.stub.BatchGetCubes(api.BatchGetCubesRequest(parent=pack, names=list(before)))
    by_text = {one.payload.plaintext.mem_cell.facts[0].text: one.name for one in full.cubes}
    changed = cell("was changed")
    changed.name = by_text["is changed"]
    cubes = [PortableCube(cube=cell("stays the same")), PortableCube(cube=changed), PortableCube(cube=cell("is new"))]
    with acting_as(_owner(place)):
        stub = place.internal("transfer")
        done = await stub.ImportCubes(_messages(pack, cubes, licence=LICENCE, replace=True))
    assert (done.imported, done.deduplicated, done.removed) == (2, 1, 1)
    after = await place.stub.BatchGetCubes(
        api.BatchGetCubesRequest(
            parent=pack,
            names=[one.name for one in (await place.stub.ListCubes(api.ListCubesRequest(parent=pack))).cubes],
        )
    )
    texts = {one.payload.plaintext.mem_cell.facts[0].text: one.name for one in after.cubes}
    assert set(texts) == {"stays the same", "was changed", "is new"}
    assert texts["stays the same"] == by_text["stays the same"]
    assert texts["was changed"] == by_text["is changed"]
    hits = (await search(place.stub, pack, "dropped changed new stays", mode=2, limit=50)).hits
    assert {hit.unit.text for hit in hits} == set(texts)


async def test_an_import_that_breaks_off_leaves_nothing(place: VaultPlace) -> None:
    pack = await _pack(place, "there before")

    async def broken() -> AsyncIterator[api.ImportCubesRequest]:
        async for message in _messages(
            pack, [PortableCube(cube=cell("half")), PortableCube(cube=cell())], licence=LICENCE
        ):
            if (
                message.WhichOneof("part") == "batch"
                and not message.batch.cubes[0].cube.payload.plaintext.mem_cell.facts
            ):
                message.batch.cubes[0].cube.ClearField("payload")
            yield message

    with acting_as(_owner(place)):
        assert await reason(place.internal("transfer").ImportCubes(broken())) is Reason.INVALID_FIELD
    vault = (await place.stub.GetVault(api.GetVaultRequest(name=pack))).vault
    assert vault.usage.cubes == 1
    assert len((await place.stub.ListCubes(api.ListCubesRequest(parent=pack))).cubes) == 1


async def test_export_and_import_need_no_new_embedding(place: VaultPlace) -> None:
    source, target = await place.vault("source"), await place.vault("target")
    for text in ("one thing", "another thing"):
        await place.create(source, cell(text, context="around", tags=["t"]))
    portable: list[PortableCube] = []
    with acting_as(_owner(place)):
        stub = place.internal("transfer")
        async for message in stub.ExportCubes(api.ExportCubesRequest(parent=source)):
            portable += message.cubes
            if message.HasField("header"):
                assert message.header.cubes == 2
        done = await stub.ImportCubes(_messages(target, portable, embedding_model="hashing-384", restore=True))
    assert (done.imported, done.embedded) == (2, 0)
    here, there = [await search(place.stub, vault, "another thing", explain=True) for vault in (source, target)]
    assert [(hit.unit.text, hit.score) for hit in here.hits] == [(hit.unit.text, hit.score) for hit in there.hits]
    assert await reason(place.stub.ExportCubes(api.ExportCubesRequest(parent=source))) is Reason.PERMISSION_DENIED


async def test_a_use_that_goes_on_is_metered_and_kept_open_for_services_alone(place: VaultPlace) -> None:
    pack = await _pack(place, "licensed knowledge")
    name = (await place.stub.ListCubes(api.ListCubesRequest(parent=pack))).cubes[0].name
    use = api.UseCubesRequest(parent=pack, names=[name], action=UseAction.USE_ACTION_INFER_WITH, running=True)
    with acting_as(_owner(place)):
        answer = await place.internal("inference").UseCubes(use)
    [committed] = place.memstore.committed.values()
    assert committed.running
    assert answer.licences[0].use_id == committed.use_id
    use.view = CUBE_VIEW_BASIC
    assert await reason(place.stub.UseCubes(use)) is Reason.PERMISSION_DENIED
