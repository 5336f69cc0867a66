"""What is made of memory is not left over where the memory is forgotten in the same moment, in either order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memporium.cube.v1.cube_pb2 import (
    ORIGIN_CONVERSION,
    ORIGIN_INFERENCE_EXTRACTION,
    ORIGIN_USER_INPUT,
    SEMANTIC_TYPE_SCENE,
    Behavioural,
    Cube,
    Lineage,
)
from memporium.vault.v1 import changes_pb2 as changes
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import DERIVED_POLICY_KEEP, NewCube
from memporium_platform.call import acting_as
from memporium_platform.errors import Reason
from memporium_services.vault.app import reach
from support.licensed import owner_of
from support.vaults import cell, reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.vaults import VaultPlace


def made_of(parents: Sequence[str], *, fact: str = "made of it", origin: int = ORIGIN_CONVERSION) -> Cube:
    cube = cell(fact, origin=origin)
    cube.behavioural.CopyFrom(Behavioural(lineage=Lineage(parents=parents, derivation="test")))
    return cube


async def by_service(place: VaultPlace, vault: str, cube: Cube, **more: object) -> api.CreateCubeResponse:
    """Make a cube as a service does for the owner."""
    request = api.CreateCubeRequest(parent=vault, cube=cube, require_parents=True, **more)
    with acting_as(owner_of(place)):
        return await place.internal("inference").CreateCube(request)


async def names(place: VaultPlace, vault: str) -> set[str]:
    return {one.name for one in (await place.stub.ListCubes(api.ListCubesRequest(parent=vault))).cubes}


async def test_a_cube_is_not_stored_once_any_of_its_parents_is_forgotten(place: VaultPlace) -> None:
    vault, other = await place.vault(), await place.vault("other")
    here = (await place.create(vault, cell("it rains"))).cube.name
    there = (await place.create(other, cell("it snows"))).cube.name
    made = (await by_service(place, vault, made_of([here, there]))).cube.name
    keep = api.ForgetCubesRequest(parent=other, names=[there], derived=DERIVED_POLICY_KEEP)
    await place.stub.ForgetCubes(keep)
    again = by_service(place, vault, made_of([here, there], fact="once more"), request_id="r-1")
    assert await reason(again) is Reason.NOT_FOUND
    assert await names(place, vault) == {here, made}
    gone = f"{vault.rpartition('/')[0]}/no-vault/cubes/it"
    assert await reason(by_service(place, vault, made_of([gone]))) is Reason.NOT_FOUND
    assert await reason(by_service(place, vault, made_of(["it"]))) is Reason.INVALID_FIELD
    # Who does not ask for it keeps what names a cube that is gone, as before.
    await place.create(vault, made_of([there], fact="kept"))
    assert len(await names(place, vault)) == 3


async def test_what_was_stored_is_told_again_though_its_parent_is_gone_since(place: VaultPlace) -> None:
    vault, other = await place.vault(), await place.vault("other")
    parent = (await place.create(other, cell("it rains"))).cube.name
    first = await by_service(place, vault, made_of([parent]), request_id="r-2")
    keep = api.ForgetCubesRequest(parent=other, names=[parent], derived=DERIVED_POLICY_KEEP)
    await place.stub.ForgetCubes(keep)
    assert (await by_service(place, vault, made_of([parent]), request_id="r-2")).cube.name == first.cube.name


async def test_nobody_learns_by_it_which_cubes_there_are(place: VaultPlace) -> None:
    vault = await place.vault()
    parent = (await place.create(vault, cell("it rains"))).cube.name
    for name in (parent, f"{vault}/cubes/none"):
        request = api.CreateCubeRequest(parent=vault, cube=made_of([name]), require_parents=True)
        assert await reason(place.stub.CreateCube(request)) is Reason.INVALID_FIELD


@pytest.mark.parametrize(
    ("origin", "left"),
    [(ORIGIN_CONVERSION, False), (ORIGIN_INFERENCE_EXTRACTION, False), (ORIGIN_USER_INPUT, True)],
)
async def test_what_is_stored_while_its_parent_is_being_forgotten_goes_with_it(
    place: VaultPlace, monkeypatch: pytest.MonkeyPatch, origin: int, left: bool
) -> None:
    vault = await place.vault()
    parent = (await place.create(vault, cell("it rains"))).cube.name
    read, made = reach.lineage_of, []

    async def then_made(*of: object) -> dict[str, set[str]]:
        # Just after what was made of what has been read, and before the transaction.
        lineage = await read(*of)  # type: ignore[arg-type]
        child = (await by_service(place, vault, made_of([parent], origin=origin))).cube.name
        made.extend([child, (await by_service(place, vault, made_of([child], fact="of that"))).cube.name])
        return lineage

    monkeypatch.setattr(reach, "lineage_of", then_made)
    done = await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[parent]))
    # What somebody wrote stays, whatever it names; what was made goes, and what was made of that.
    assert await names(place, vault) == (set(made) if left else set())
    assert done.receipt.cubes == (1 if left else 3)


async def test_the_same_holds_in_branches(place: VaultPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = await place.vault()
    parent = (await place.create(vault, cell("it rains"))).cube.name
    request = api.CreateVaultRequest(parent=place.org.name, vault_id="branch", branch_of=vault)
    branch = (await place.stub.CreateVault(request)).vault.name
    copy = f"{branch}/cubes/{parent.rpartition('/')[2]}"
    read = reach.lineage_of

    async def then_made(*of: object) -> dict[str, set[str]]:
        lineage = await read(*of)  # type: ignore[arg-type]
        await by_service(place, branch, made_of([copy]))
        return lineage

    monkeypatch.setattr(reach, "lineage_of", then_made)
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[parent]))
    assert await names(place, branch) == set()


def forget(name: str, **more: object) -> changes.Change:
    return changes.Change(forget=changes.CubeForgetting(names=[name], **more))


def create(cube: Cube, cube_id: str = "") -> changes.Change:
    return changes.Change(create=NewCube(cube_id=cube_id, cube=cube))


async def apply(place: VaultPlace, vault: str, *wanted: changes.Change) -> changes.ApplyChangesResponse:
    """Make changes as a service does for the owner."""
    request = changes.ApplyChangesRequest(parent=vault, changes=wanted, require_parents=True)
    with acting_as(owner_of(place)):
        return await place.internal("scheduler").ApplyChanges(request)


async def test_sets_of_changes_forget_what_is_stored_meanwhile(
    place: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = await place.vault()
    parent = (await place.create(vault, cell("it rains"))).cube.name
    read = reach.lineage_of

    async def then_made(*of: object) -> dict[str, set[str]]:
        lineage = await read(*of)  # type: ignore[arg-type]
        child = (await by_service(place, vault, made_of([parent]))).cube.name
        await by_service(place, vault, made_of([child], fact="of that"))
        return lineage

    monkeypatch.setattr(reach, "lineage_of", then_made)
    done = await place.stub.ApplyChanges(changes.ApplyChangesRequest(parent=vault, changes=[forget(parent)]))
    assert await names(place, vault) == set()
    assert [receipt.cubes for receipt in done.results[0].receipts] == [3]


async def test_sets_of_changes_store_nothing_of_what_is_forgotten_already(place: VaultPlace) -> None:
    vault = await place.vault()
    here = (await place.create(vault, cell("it rains"))).cube.name
    gone = (await place.create(vault, cell("it snows"))).cube.name
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[gone]))
    rewritten = Cube(name=here, payload=made_of([]).payload, behavioural=made_of([gone]).behavioural)
    for wanted in (create(made_of([here, gone])), changes.Change(update=changes.CubeUpdate(cube=rewritten))):
        assert await reason(apply(place, vault, create(cell("beside it")), wanted)) is Reason.CONFLICT
        assert await names(place, vault) == {here}
    # What the same call makes counts as there, and so does what stands for it; scenes refer, and hold no text.
    scene = made_of([gone], fact="a scene")
    scene.descriptive.semantic_type = SEMANTIC_TYPE_SCENE
    first, twin = f"{vault}/cubes/first", f"{vault}/cubes/twin"
    of_both = create(made_of([first, twin], fact="of both"))
    await apply(place, vault, create(cell("new"), "first"), create(cell("it rains"), "twin"), of_both, create(scene))
    assert len(await names(place, vault)) == 4
    request = changes.ApplyChangesRequest(parent=vault, changes=[create(made_of([gone]))], require_parents=True)
    assert await reason(place.stub.ApplyChanges(request)) is Reason.INVALID_FIELD


async def test_what_is_made_of_what_the_same_call_forgets_is_refused_or_kept(place: VaultPlace) -> None:
    vault = await place.vault()
    parent = (await place.create(vault, cell("it rains"))).cube.name
    made = create(made_of([parent]), "made")
    assert await reason(apply(place, vault, made, forget(parent))) is Reason.INVALID_FIELD
    assert await names(place, vault) == {parent}
    await apply(place, vault, made, forget(parent, derived=DERIVED_POLICY_KEEP))
    assert await names(place, vault) == {f"{vault}/cubes/made"}


async def test_what_was_made_cannot_be_taken_out_of_the_reach_of_forgetting(place: VaultPlace) -> None:
    vault = await place.vault()
    parent = (await place.create(vault, cell("it rains"))).cube.name
    own = (await place.create(vault, cell("mine", origin=ORIGIN_USER_INPUT))).cube.name
    made = made_of([parent], fact="it rains, they say", origin=ORIGIN_INFERENCE_EXTRACTION)
    made.name = own
    await apply(place, vault, changes.Change(update=changes.CubeUpdate(cube=made)))
    other = Cube(name=own)
    other.descriptive.origin = ORIGIN_USER_INPUT
    assert await reason(place.stub.UpdateCube(api.UpdateCubeRequest(cube=other))) is Reason.INVALID_FIELD
    await place.stub.RollbackCube(api.RollbackCubeRequest(name=own, version=1))
    got = (await place.stub.GetCube(api.GetCubeRequest(name=own))).cube
    assert got.payload.plaintext.mem_cell.facts[0].text == "mine"
    # Its second version still holds what was made of the other.
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[parent]))
    assert await names(place, vault) == set()
