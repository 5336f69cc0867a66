"""Branches are copied page by page: gone on with where they stopped, seen when they are whole, reached by forgetting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from memporium.vault.v1 import changes_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube
from memporium_platform.call import acting_as, service_principal
from memporium_platform.errors import Reason
from memporium_services.vault.app import as_of, branch_pages, branching, forgetting
from memporium_services.vault.app.pace import Pace
from support.vaults import VaultPlace, cell, reason, search, vault_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WORDS = ("amber", "birch", "cedar", "dahlia", "elder", "fennel", "garlic")


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(as_of, "_PAGE", 2)


@pytest.fixture(params=["sqlite", "postgres"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VaultPlace]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    async with vault_place(tmp_path / "data", database_url=url) as found:
        yield found


async def filled(place: VaultPlace) -> str:
    """Return a vault with a cube a word, under the word as its id."""
    vault = await place.vault()
    cubes = [NewCube(cube_id=word, cube=cell(f"the {word} grows here", tags=[word])) for word in WORDS]
    await place.stub.BatchCreateCubes(api.BatchCreateCubesRequest(parent=vault, cubes=cubes))
    return vault


def asking(place: VaultPlace, of: str, wait_s: int | None = 0, **asked: Any) -> api.CreateVaultRequest:
    """Return the request of a branch that copies one page a call."""
    request = api.CreateVaultRequest(parent=place.org.name, vault_id="b", branch_of=of, **asked)
    if wait_s is not None:
        request.branch_wait.FromSeconds(wait_s)
    return request


async def made_whole(stub: Any, request: api.CreateVaultRequest) -> tuple[Any, list[int]]:
    """Make a call until it answers with the vault; return that, and how far it was each time."""
    steps: list[int] = []
    while True:
        answer = await stub.CreateVault(request)
        if answer.HasField("vault"):
            assert not answer.HasField("branching")
            return answer.vault, steps
        steps.append(answer.branching.done_cubes)
        assert answer.branching.total_cubes == len(WORDS)


async def held(place: VaultPlace, vault: str, **when: Any) -> list[str]:
    page = await place.stub.ListCubes(api.ListCubesRequest(parent=vault, page_size=1000, **when))
    return sorted(cube.name.rpartition("/")[2] for cube in page.cubes)


async def found(place: VaultPlace, vault: str) -> set[str]:
    """Return the ids of what the index of a vault finds by any of the words, by each leg."""
    ids: set[str] = set()
    for mode in (2, 3):
        hits = (await search(place.stub, vault, f"{' '.join(WORDS)} grows here", mode=mode, limit=1000)).hits
        ids |= {hit.cube.name.rpartition("/")[2] for hit in hits}
    return ids


async def forget(place: VaultPlace, vault: str, *words: str) -> api.ForgetCubesResponse:
    names = [f"{vault}/cubes/{word}" for word in words]
    return await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=names))


async def test_a_branch_is_gone_on_with_and_seen_when_it_is_whole(both: VaultPlace) -> None:
    vault = await filled(both)
    before = (await both.stub.GetVault(api.GetVaultRequest(name=vault))).vault
    request, name = asking(both, vault, request_id="one"), f"{both.org.name}/vaults/b"
    assert (await both.stub.CreateVault(request)).branching.done_cubes == 2
    for refused in (
        both.stub.GetVault(api.GetVaultRequest(name=name)),
        both.stub.ListCubes(api.ListCubesRequest(parent=name)),
        both.stub.GetCube(api.GetCubeRequest(name=f"{name}/cubes/amber")),
        both.stub.SearchCubes(api.SearchCubesRequest(parent=name, query="amber")),
        both.stub.CreateCube(api.CreateCubeRequest(parent=name, cube=cell("too early"))),
        both.stub.CreateMount(api.CreateMountRequest(parent=vault, mount_id="m", mount={"vault": name})),
        both.stub.CreateVault(api.CreateVaultRequest(parent=both.org.name, vault_id="c", branch_of=name)),
    ):
        assert await reason(refused) is Reason.NOT_FOUND
    listed = await both.stub.ListVaults(api.ListVaultsRequest(parent=both.org.name))
    assert [one.name for one in listed.vaults] == [vault]
    # Nobody takes the name, and nobody goes on with what another began, or with another asking.
    ann = await both.as_principal("ann")
    other = asking(both, vault, branch_revision=1, vault={"description": "another"})
    plain = api.CreateVaultRequest(parent=both.org.name, vault_id="b")
    for call in (ann.CreateVault(asking(both, vault)), both.stub.CreateVault(other), both.stub.CreateVault(plain)):
        assert await reason(call) is Reason.ALREADY_EXISTS
    # What is written meanwhile is not in it.
    await both.create(vault, cell("too late"), cube_id="zinnia")
    changed = cell("the garlic is gone")
    changed.name = f"{vault}/cubes/garlic"
    await both.stub.UpdateCube(api.UpdateCubeRequest(cube=changed, update_mask={"paths": ["payload"]}))
    # Made anew, without its id, as a client does that has lost its memory.
    branch, steps = await made_whole(both.stub, asking(both, vault))
    assert steps == [4, 6, 7]
    assert (branch.name, branch.branch_revision, branch.usage.cubes) == (name, before.revision, len(WORDS))
    assert await held(both, name) == sorted(WORDS) == sorted(await found(both, name))
    garlic = (await both.stub.GetCube(api.GetCubeRequest(name=f"{name}/cubes/garlic"))).cube
    assert garlic.payload.plaintext.mem_cell.facts[0].text == "the garlic grows here"
    # There is no moment of its past at which it was in part.
    assert await held(both, name, read_revision=1) == sorted(WORDS)
    assert (await both.stub.CreateVault(request)).vault.uid == branch.uid
    assert await reason(both.stub.CreateVault(asking(both, vault, request_id="two"))) is Reason.ALREADY_EXISTS
    await both.stub.DeleteVault(api.DeleteVaultRequest(name=name, erase=True))


async def test_what_is_forgotten_meanwhile_is_not_in_the_branch(
    both: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = await filled(both)
    request = asking(both, vault)
    for _ in range(2):
        await both.stub.CreateVault(request)
    # One that was copied, and one that was not.
    assert (await forget(both, vault, "amber", "garlic")).receipt.cubes == 2
    drafted = branching.draft_page

    async def between(*args: Any) -> Any:
        drafts = await drafted(*args)
        monkeypatch.setattr(branching, "draft_page", drafted)
        # Between the reading of a page and its writing; one of both is there again, and is another.
        assert [draft.row.cube_id for _, draft in drafts] == ["elder", "fennel"]
        await forget(both, vault, "elder", "fennel")
        await both.create(vault, cell("the fennel grows there"), cube_id="fennel")
        return drafts

    monkeypatch.setattr(branching, "draft_page", between)
    branch, steps = await made_whole(both.stub, request)
    assert steps == [6]
    assert await held(both, branch.name) == ["birch", "cedar", "dahlia"] == sorted(await found(both, branch.name))
    usage = (await both.stub.GetVault(api.GetVaultRequest(name=branch.name))).vault.usage
    assert (usage.cubes, usage.units) == (3, 3)


async def test_a_branch_that_becomes_whole_while_something_is_forgotten(
    both: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = await filled(both)
    request = asking(both, vault)
    await both.stub.CreateVault(request)
    look = forgetting.forget_in_branches
    made: list[Any] = []

    async def between(*args: Any) -> Any:
        seen = await look(*args)
        if not made:
            made.append((await made_whole(both.stub, request))[0])
        return seen

    monkeypatch.setattr(forgetting, "forget_in_branches", between)
    gone = await forget(both, vault, "amber", "garlic")
    assert [(one.vault, one.cubes) for one in gone.branch_receipts] == [(made[0].name, 2)]
    for where in (vault, made[0].name):
        assert await held(both, where) == sorted(WORDS[1:-1]) == sorted(await found(both, where))


async def test_changes_made_as_one_reach_it_too(place: VaultPlace) -> None:
    vault = await filled(place)
    request = asking(place, vault)
    await place.stub.CreateVault(request)
    change = {"forget": {"names": [f"{vault}/cubes/amber", f"{vault}/cubes/cedar"]}}
    await place.stub.ApplyChanges(changes_pb2.ApplyChangesRequest(parent=vault, changes=[change]))
    branch, _ = await made_whole(place.stub, request)
    assert await held(place, branch.name) == sorted(set(WORDS) - {"amber", "cedar"})


async def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with vault_place(tmp_path / "data") as place:
        vault = await filled(place)
        request = asking(place, vault)
        await place.stub.CreateVault(request)
    async with vault_place(tmp_path / "data") as place:
        branch, steps = await made_whole(place.stub, request)
        assert steps == [4, 6, 7]
        assert await held(place, branch.name) == sorted(WORDS) == sorted(await found(place, branch.name))


async def test_calls_at_once_make_one_branch(both: VaultPlace) -> None:
    vault = await filled(both)
    # One request, sent again while it is being answered.
    whole = asking(both, vault, wait_s=None, request_id="one")
    made = await asyncio.gather(*(both.stub.CreateVault(whole) for _ in range(4)))
    assert len({one.vault.uid for one in made}) == 1
    assert await held(both, made[0].vault.name) == sorted(WORDS)


async def test_others_get_their_turn_between_its_pieces(place: VaultPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = await filled(place)
    served: list[str] = []

    async def rest(_pace: Pace) -> None:
        hits = (await search(place.stub, vault, "amber", mode=2)).hits
        served.extend(hit.unit.text for hit in hits)

    monkeypatch.setattr(branch_pages, "_AT_ONCE", 1)
    monkeypatch.setattr(Pace, "rest", rest)
    branch = (await place.stub.CreateVault(asking(place, vault, wait_s=None))).vault
    assert await held(place, branch.name) == sorted(WORDS)
    # Before each cube is drafted, and after each page is drafted, is written, and is in the index.
    pages = -(-len(WORDS) // 2)
    assert served == ["the amber grows here"] * (len(WORDS) + 3 * pages)


async def test_a_branch_is_given_up(place: VaultPlace) -> None:
    vault, name = await filled(place), f"{place.org.name}/vaults/b"
    plain = api.CreateVaultRequest(parent=place.org.name, vault_id="b")
    request = asking(place, vault, request_id="one")
    await place.stub.CreateVault(request)
    await place.stub.DeleteVault(api.DeleteVaultRequest(name=name))
    assert (await place.stub.CreateVault(plain)).vault.usage.cubes == 0
    await place.stub.DeleteVault(api.DeleteVaultRequest(name=name))
    # With the vault that is copied.
    await place.stub.CreateVault(asking(place, vault))
    await place.stub.DeleteVault(api.DeleteVaultRequest(name=vault, erase=True))
    assert await reason(place.stub.CreateVault(asking(place, vault))) in {Reason.NOT_FOUND, Reason.PERMISSION_DENIED}
    assert (await place.stub.CreateVault(plain)).vault.name == name


async def test_one_that_nobody_goes_on_with_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def swept() -> None:
        with acting_as(service_principal("scheduler")):
            await place.internal("scheduler").SweepVaults(api.SweepVaultsRequest())

    async with vault_place(tmp_path / "data") as place:
        vault = await filled(place)
        request = asking(place, vault, request_id="one")
        await place.stub.CreateVault(request)
        await swept()
        assert (await place.stub.CreateVault(request)).branching.done_cubes == 4
    monkeypatch.setenv("MEMPORIUM_VAULT_BRANCH_IDLE_S", "0")
    async with vault_place(tmp_path / "data") as place:
        await swept()
        # The same request again begins anew.
        assert (await place.stub.CreateVault(request)).branching.done_cubes == 2


async def test_what_cannot_be_made_is_dropped(place: VaultPlace) -> None:
    vault = await filled(place)
    request = asking(place, vault, wait_s=None, request_id="one", vault={"quota": {"max_cubes": 3}})
    for _ in range(2):
        assert await reason(place.stub.CreateVault(request)) is Reason.QUOTA_EXCEEDED
    assert (await place.stub.CreateVault(asking(place, vault, wait_s=None))).vault.usage.cubes == len(WORDS)
