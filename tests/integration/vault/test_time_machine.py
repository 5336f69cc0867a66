"""Reading the past, going back to it, and branching off from it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from google.protobuf.field_mask_pb2 import FieldMask

from memporium.cube.v1.cube_pb2 import Cube
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CubeFilter
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from support.past import held_in, rewrite, text_of
from support.time_model import ARCHIVED
from support.vaults import cell, reason, search

if TYPE_CHECKING:
    from support.vaults import VaultPlace


async def test_the_list_is_that_of_an_earlier_revision_or_time(place: VaultPlace) -> None:
    vault = await place.vault()
    first = await place.create(vault, cell("tea at noon", tags=["drink"]), cube_id="a")
    moment = first.cube.descriptive.create_time
    await asyncio.sleep(0.01)
    await place.create(vault, cell("bread at dawn"), cube_id="b")
    await rewrite(place, first.cube.name, "coffee at noon", tags=["other"])
    archived = await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=first.cube.name))
    await place.stub.FreezeCube(api.FreezeCubeRequest(name=f"{vault}/cubes/b"))

    for when in ({"read_revision": first.revision}, {"read_time": moment}):
        then = await held_in(place, vault, **when)
        assert {cube_id: text_of(cube) for cube_id, cube in then.items()} == {"a": "tea at noon"}
        assert list(then["a"].descriptive.tags) == ["drink"]
        assert (then["a"].governance.state, then["a"].behavioural.version) == (1, 1)
        got = (await place.stub.GetCube(api.GetCubeRequest(name=first.cube.name, **when))).cube
        for cube in (got, then["a"]):
            # How much it was used is of now.
            cube.behavioural.Clear()
        assert got == then["a"]
    later = await held_in(place, vault, read_revision=archived.revision)
    assert (later["a"].governance.state, text_of(later["a"])) == (ARCHIVED, "coffee at noon")
    assert not later["b"].governance.frozen
    assert (await held_in(place, vault))["b"].governance.frozen

    past = api.ListCubesRequest(parent=vault, read_revision=first.revision, filter=CubeFilter(tags_all=["drink"]))
    assert [cube.name for cube in (await place.stub.ListCubes(past)).cubes] == [first.cube.name]
    past.filter.tags_all[:] = ["other"]
    assert not (await place.stub.ListCubes(past)).cubes
    for wrong in (
        {"read_revision": 99},
        {"read_revision": -1},
        {"read_revision": 1, "read_time": moment},
        {"read_revision": 1, "order": 2},
    ):
        assert await reason(place.stub.ListCubes(api.ListCubesRequest(parent=vault, **wrong))) is Reason.INVALID_FIELD


async def test_the_past_shows_nobody_the_private_cubes_of_others(place: VaultPlace) -> None:
    vault = await place.vault()
    secret = cell("mine alone")
    secret.governance.access_scope = 1
    made = await place.create(vault, secret, cube_id="secret")
    ann = await place.as_principal("ann")
    asked = api.ListCubesRequest(parent=vault, read_revision=made.revision)
    assert len((await place.stub.ListCubes(asked)).cubes) == 1
    assert not (await ann.ListCubes(asked)).cubes
    # What is shared now was private then.
    shared = Cube(name=made.cube.name)
    shared.governance.access_scope = 2
    mask = FieldMask(paths=["governance.access_scope"])
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=shared, update_mask=mask))
    assert not (await ann.ListCubes(asked)).cubes
    branch = api.CreateVaultRequest(
        parent=place.org.name, vault_id="hers", branch_of=vault, branch_revision=made.revision
    )
    assert (await ann.CreateVault(branch)).vault.usage.cubes == 0


async def test_a_branch_goes_its_own_way(place: VaultPlace) -> None:
    vault = await place.vault()
    first = await place.create(vault, cell("the meeting is on monday"), cube_id="meeting")
    second = await place.create(vault, cell("the cat is grey"), cube_id="cat")
    await rewrite(place, first.cube.name, "the meeting is on friday")
    late = await place.create(vault, cell("the dog is brown"), cube_id="dog")
    await place.stub.FreezeCube(api.FreezeCubeRequest(name=second.cube.name))
    frozen = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.revision
    before = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault

    request = api.CreateVaultRequest(
        parent=place.org.name, vault_id="what-if", branch_of=vault, branch_revision=second.revision, request_id="one"
    )
    branch = (await place.stub.CreateVault(request)).vault
    assert (branch.branch_of, branch.branch_revision, branch.usage.cubes) == (vault, second.revision, 2)
    assert (await place.stub.CreateVault(request)).vault.uid == branch.uid
    held = await held_in(place, branch.name)
    assert {cube_id: text_of(cube) for cube_id, cube in held.items()} == {
        "meeting": "the meeting is on monday",
        "cat": "the cat is grey",
    }
    assert held["cat"].governance.owner == place.org.owner
    hits = (await search(place.stub, branch.name, "when is the meeting")).hits
    assert hits[0].unit.text == "the meeting is on monday"

    await rewrite(place, f"{branch.name}/cubes/cat", "the cat is black")
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=branch.name, names=[f"{branch.name}/cubes/meeting"]))
    await place.create(branch.name, cell("only here"))
    after = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault
    assert after == before
    assert text_of((await held_in(place, vault))["cat"]) == "the cat is grey"
    assert len((await place.stub.ListCubeVersions(api.ListCubeVersionsRequest(name=second.cube.name))).versions) == 2
    assert not [hit for hit in (await search(place.stub, vault, "only here")).hits if hit.unit.text == "only here"]

    later = api.CreateVaultRequest(parent=place.org.name, vault_id="later", branch_of=vault, branch_revision=frozen)
    later_name = (await place.stub.CreateVault(later)).vault.name
    assert not (await held_in(place, later_name))["cat"].governance.frozen
    await place.stub.DeleteVault(api.DeleteVaultRequest(name=later_name, erase=True))

    refused = api.DeleteVaultRequest(name=vault, erase=True)
    assert await reason(place.stub.DeleteVault(refused)) is Reason.FAILED_PRECONDITION
    await place.stub.DeleteVault(api.DeleteVaultRequest(name=branch.name, erase=True))
    assert (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault == before
    assert late.cube.name in {cube.name for cube in (await held_in(place, vault)).values()}


async def test_what_is_forgotten_goes_from_branches_too(place: VaultPlace) -> None:
    vault = await place.vault()
    names = [(await place.create(vault, cell(text), cube_id=text)).cube.name for text in ("one", "two")]
    branches = []
    for number, of in enumerate((vault, f"{place.org.name}/vaults/b0")):
        request = api.CreateVaultRequest(parent=place.org.name, vault_id=f"b{number}", branch_of=of)
        branches.append((await place.stub.CreateVault(request)).vault.name)
    both = [f"{branches[1]}/cubes/{cube_id}" for cube_id in ("one", "two")]
    merged = (await place.stub.MergeCubes(api.MergeCubesRequest(parent=branches[1], names=both))).cube
    merged.governance.legal_hold = True
    merged.etag = ""
    hold = api.UpdateCubeRequest(cube=merged, update_mask=FieldMask(paths=["governance.legal_hold"]))
    await place.stub.UpdateCube(hold)
    forget = api.ForgetCubesRequest(parent=vault, names=names[:1], request_id="forget")
    assert await reason(place.stub.ForgetCubes(forget)) is Reason.LEGAL_HOLD
    assert [len(await held_in(place, name)) for name in (vault, *branches)] == [2, 2, 3]
    hold.cube.governance.legal_hold = False
    await place.stub.UpdateCube(hold)
    done = await place.stub.ForgetCubes(forget)
    assert [(one.vault, one.cubes) for one in done.branch_receipts] == [(branches[0], 1), (branches[1], 2)]
    assert [[*await held_in(place, name)] for name in (vault, *branches)] == [["two"]] * 3
    assert await place.stub.ForgetCubes(forget) == done


async def test_a_branch_needs_leave_to_read_and_a_moment_of_the_vault(place: VaultPlace) -> None:
    vault = await place.vault()
    made = await place.create(vault, cell("x"))
    base = {"parent": place.org.name, "vault_id": "b"}
    for wrong in (
        {"branch_of": vault, "branch_revision": made.revision + 1},
        {"branch_of": vault, "branch_revision": 1, "branch_time": made.cube.descriptive.create_time},
        {"branch_revision": 1},
    ):
        assert await reason(place.stub.CreateVault(api.CreateVaultRequest(**base, **wrong))) is Reason.INVALID_FIELD
    other = await place.platform.organisation("other")
    stranger = VaultServiceStub(place.platform.channel(other.owner_key))
    foreign = api.CreateVaultRequest(parent=other.name, vault_id="b", branch_of=vault)
    assert await reason(stranger.CreateVault(foreign)) is Reason.PERMISSION_DENIED
    claimed = api.CreateVaultRequest(**base, vault={"branch_of": vault, "branch_revision": 1})
    assert not (await place.stub.CreateVault(claimed)).vault.branch_of
