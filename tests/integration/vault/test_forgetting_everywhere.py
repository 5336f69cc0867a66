"""Everything about one person goes from all vaults of an organisation, as far as it may, and a receipt says how far."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy

from memporium.cube.v1.cube_pb2 import ORIGIN_INFERENCE_EXTRACTION, Lineage
from memporium.vault.v1 import cubes_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CubeFilter, Subject
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.call import acting_as, service_principal
from memporium_platform.errors import PlatformError, Reason, denied
from memporium_services.vault.app import errands
from memporium_services.vault.app.forgetting import Forgetting
from support.vaults import VaultPlace, cell, reason, vault_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ADA = Subject(names=["Ada Lovelace"])
EVERYWHERE = cubes_pb2.RECEIPT_KIND_FORGET_EVERYWHERE


@pytest.fixture(params=["sqlite", "postgres"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VaultPlace]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    async with vault_place(tmp_path / "data", database_url=url) as found:
        yield found


async def filled(place: VaultPlace) -> dict[str, str]:
    """Return four vaults: two know her, one knows what was made of that, one does not."""
    vaults = {one: await place.vault(one) for one in ("diary", "letters", "notes", "garden")}
    for where in ("diary", "letters"):
        hers = cell(f"she writes in the {where}", entities=["Ada Lovelace"], source=f"{where}-1")
        await place.create(vaults[where], hers, cube_id="hers")
    made = cell("somebody writes", origin=ORIGIN_INFERENCE_EXTRACTION)
    made.behavioural.lineage.CopyFrom(Lineage(parents=[f"{vaults['diary']}/cubes/hers"]))
    await place.create(vaults["notes"], made, cube_id="made")
    for where in ("diary", "garden"):
        await place.create(vaults[where], cell(f"it rains on the {where}"), cube_id="rain")
    return vaults


async def everywhere(place: VaultPlace, **asked: Any) -> list[api.ForgetEverywhereResponse]:
    asked = {"subject": ADA} | asked
    request = api.ForgetEverywhereRequest(parent=place.org.name, **asked)
    return [answer async for answer in place.stub.ForgetEverywhere(request)]


async def held(place: VaultPlace, vault: str) -> list[str]:
    listed = await place.stub.ListCubes(api.ListCubesRequest(parent=vault, filter={"states": [1, 2, 3, 4, 5]}))
    return sorted(cube.name.rpartition("/")[2] for cube in listed.cubes)


def became(outcomes: Any) -> set[tuple[str, int, str]]:
    return {(one.vault.rpartition("/")[2], one.cubes, one.refusal) for one in outcomes}


async def of_errands(place: VaultPlace) -> int:
    database = await place.platform.kernel.database("vault")
    query = sqlalchemy.text("SELECT (SELECT count(*) FROM errands) + (SELECT count(*) FROM errand_vaults)")
    return await database.read(lambda conn: int(conn.execute(query).scalar_one()))


async def test_it_goes_from_all_vaults_and_one_receipt_names_those_of_each(both: VaultPlace) -> None:
    vaults = await filled(both)
    looked = await everywhere(both, dry_run=True)
    assert {one.name for answer in looked for one in answer.candidates} == {
        f"{vaults['diary']}/cubes/hers", f"{vaults['letters']}/cubes/hers", f"{vaults['notes']}/cubes/made",
    }  # fmt: skip
    assert not any(answer.HasField("receipt") or answer.receipt_name for answer in looked)
    assert await held(both, vaults["diary"]) == ["hers", "rain"]

    answers = await everywhere(both, request_id="once")
    assert [answer.vault for answer in answers] == [*vaults.values(), ""]
    assert [(answer.done_vaults, answer.vaults) for answer in answers] == [(1, 4), (2, 4), (3, 4), (4, 4), (4, 4)]
    receipt = answers[-1].receipt
    assert (receipt.kind, receipt.vault, receipt.cubes, receipt.derived) == (EVERYWHERE, both.org.name, 3, 1)
    assert became(receipt.elsewhere) == {("diary", 1, ""), ("letters", 1, ""), ("notes", 1, "")}
    statement = json.loads(receipt.payload)
    for one, told in zip(receipt.elsewhere, statement["elsewhere"], strict=True):
        part = (await both.stub.GetReceipt(api.GetReceiptRequest(name=one.receipt))).receipt
        assert (part.vault, part.cubes, told["receipt"]) == (one.vault, one.cubes, part.name)
    assert [await held(both, vault) for vault in vaults.values()] == [["rain"], [], [], ["rain"]]
    # What was asked for is gone, too, and the same request has the same answer.
    assert await of_errands(both) == 0
    with pytest.raises(PlatformError, match="does not exist"):
        await both.platform.kernel.keys.vault_key(both.org.id, receipt.name.rpartition("/")[2])
    assert [answer.receipt for answer in await everywhere(both, request_id="once")] == [receipt]
    assert (await both.stub.GetReceipt(api.GetReceiptRequest(name=receipt.name))).receipt == receipt


async def test_by_source_and_what_is_derived_may_be_kept(place: VaultPlace) -> None:
    vaults = await filled(place)
    chosen = CubeFilter(sources=["diary-1"])
    kept = (await everywhere(place, subject=None, filter=chosen, derived=cubes_pb2.DERIVED_POLICY_KEEP))[-1].receipt
    assert became(kept.elsewhere) == {("diary", 1, "")}
    assert list(kept.kept_derived) == [f"{vaults['notes']}/cubes/made"]
    assert [await held(place, vault) for vault in vaults.values()] == [["rain"], ["hers"], ["made"], ["rain"]]


async def test_what_may_not_go_stays_and_the_rest_goes(place: VaultPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    vaults = await filled(place)
    frozen = cell("she writes on ice", entities=["Ada Lovelace"])
    name = (await place.create(vaults["diary"], frozen, cube_id="frozen")).cube.name
    await place.stub.FreezeCube(api.FreezeCubeRequest(name=name))
    hold = cell("she writes in court", entities=["Ada Lovelace"])
    hold.governance.legal_hold = True
    await place.create(vaults["diary"], hold, cube_id="hold")
    await place.create(vaults["garden"], cell("she digs", entities=["Ada Lovelace"]), cube_id="hers")
    closed = api.UpdateVaultRequest(
        vault={"name": vaults["garden"], "read_only": True}, update_mask={"paths": ["read_only"]}
    )
    await place.stub.UpdateVault(closed)
    authz, require = place.platform.kernel.authz, place.platform.kernel.authz.require

    def but_letters(call: Any, action: str, resource: str) -> None:
        if resource == vaults["letters"]:
            raise denied(action, resource)
        require(call, action, resource)

    monkeypatch.setattr(authz, "require", but_letters)
    expected = {
        ("diary", 1, ""),
        ("notes", 1, ""),
        ("diary", 1, "CUBE_FROZEN"),
        ("diary", 1, "LEGAL_HOLD"),
        ("letters", 0, "PERMISSION_DENIED"),
        ("garden", 0, "VAULT_READ_ONLY"),
    }
    looked = await everywhere(place, dry_run=True)
    assert became(one for answer in looked for one in answer.outcomes) == expected
    receipt = (await everywhere(place))[-1].receipt
    assert became(receipt.elsewhere) == expected
    assert [await held(place, vault) for vault in vaults.values()] == [
        ["frozen", "hold", "rain"], ["hers"], [], ["hers", "rain"],
    ]  # fmt: skip


async def test_another_organisation_is_not_reached_and_may_not_ask(place: VaultPlace) -> None:
    await filled(place)
    rival = await place.platform.organisation("rival")
    theirs = VaultServiceStub(place.platform.channel(rival.owner_key))
    made = await theirs.CreateVault(api.CreateVaultRequest(parent=rival.name, vault_id="diary"))
    hers = cell("she writes to rivals", entities=["Ada Lovelace"])
    await theirs.CreateCube(api.CreateCubeRequest(parent=made.vault.name, cube=hers))
    receipt = (await everywhere(place))[-1].receipt
    assert {one.vault.split("/")[1] for one in receipt.elsewhere} == {place.org.id}
    assert len((await theirs.ListCubes(api.ListCubesRequest(parent=made.vault.name))).cubes) == 1
    request = api.ForgetEverywhereRequest(parent=place.org.name, subject=ADA)
    assert await reason(theirs.ForgetEverywhere(request)) is Reason.PERMISSION_DENIED


async def test_it_must_be_said_what_and_of_no_single_vault(place: VaultPlace) -> None:
    for asked in ({"subject": None}, {"subject": None, "filter": CubeFilter()}, {"subject": Subject()}):
        request = api.ForgetEverywhereRequest(parent=place.org.name, **({"subject": ADA} | asked))
        assert await reason(place.stub.ForgetEverywhere(request)) is Reason.INVALID_FIELD
    named = CubeFilter(names=[f"{place.org.name}/vaults/diary/cubes/hers"])
    request = api.ForgetEverywhereRequest(parent=place.org.name, filter=named)
    assert await reason(place.stub.ForgetEverywhere(request)) is Reason.INVALID_FIELD
    assert await of_errands(place) == 0


@pytest.mark.parametrize("by_sweep", [False, True])
@pytest.mark.parametrize("noted", [False, True])
async def test_cut_off_between_vaults_it_is_gone_on_with(
    both: VaultPlace, monkeypatch: pytest.MonkeyPatch, by_sweep: bool, noted: bool
) -> None:
    """Before anything of the second vault is done, or after its transaction, before that is noted."""
    vaults = await filled(both)
    forget = Forgetting.forget

    async def cut_off(self: Forgetting, call: Any, parent: str, asked: Any) -> Any:
        if parent == vaults["letters"]:
            if not noted:
                await forget(self, call, parent, asked)
            raise ConnectionError("cut off")
        return await forget(self, call, parent, asked)

    monkeypatch.setattr(Forgetting, "forget", cut_off)
    request = api.ForgetEverywhereRequest(parent=both.org.name, subject=ADA, request_id="once")
    stream = both.stub.ForgetEverywhere(request)
    first = await anext(aiter(stream))
    assert await reason(stream) is Reason.INTERNAL
    monkeypatch.setattr(Forgetting, "forget", forget)
    so_far = (await both.stub.GetReceipt(api.GetReceiptRequest(name=first.receipt_name))).receipt
    assert (so_far.kind, so_far.cubes, so_far.pending_vaults) == (EVERYWHERE, 2, 3)
    assert became(so_far.elsewhere) == {("diary", 1, ""), ("notes", 1, "")}
    assert not so_far.signature
    assert not so_far.payload
    rival = await both.platform.organisation("rival")
    theirs = VaultServiceStub(both.platform.channel(rival.owner_key))
    asked = api.GetReceiptRequest(name=first.receipt_name.replace(both.org.name, rival.name))
    assert await reason(theirs.GetReceipt(asked)) is Reason.NOT_FOUND
    if by_sweep:
        # As if what is found had been left long ago.
        monkeypatch.setattr(errands, "IDLE_US", -(10**9))
        with acting_as(service_principal("scheduler")):
            await both.internal("scheduler").SweepVaults(api.SweepVaultsRequest())
        assert await of_errands(both) == 0
    answers = [answer async for answer in both.stub.ForgetEverywhere(request)]
    assert len(answers) == (1 if by_sweep else 5)
    receipt = answers[-1].receipt
    assert (receipt.name, receipt.principal, receipt.cubes) == (first.receipt_name, both.org.owner, 3)
    assert became(receipt.elsewhere) == {("diary", 1, ""), ("letters", 1, ""), ("notes", 1, "")}
    assert receipt.signature
    assert not receipt.pending_vaults
    assert [await held(both, vault) for vault in vaults.values()] == [["rain"], [], [], ["rain"]]


async def test_what_comes_to_be_in_a_new_vault_meanwhile_goes_too(
    place: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    vaults = await filled(place)
    forget = Forgetting.forget

    async def meanwhile(self: Forgetting, call: Any, parent: str, asked: Any) -> Any:
        if parent == vaults["garden"]:
            late = await place.vault("late")
            await place.create(late, cell("she comes late", entities=["Ada Lovelace"]))
        return await forget(self, call, parent, asked)

    monkeypatch.setattr(Forgetting, "forget", meanwhile)
    receipt = (await everywhere(place))[-1].receipt
    assert ("late", 1, "") in became(receipt.elsewhere)


async def test_what_is_kept_of_the_request_does_not_say_whom_it_is_about(
    place: VaultPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await filled(place)

    async def cut_off(*_: Any) -> Any:
        raise ConnectionError("cut off")

    monkeypatch.setattr(Forgetting, "forget", cut_off)
    request = api.ForgetEverywhereRequest(parent=place.org.name, subject=Subject(names=["Grace Brewster Murray"]))
    assert await reason(place.stub.ForgetEverywhere(request)) is Reason.INTERNAL
    assert await of_errands(place) == 5
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"brewster" not in path.read_bytes().lower(), path
