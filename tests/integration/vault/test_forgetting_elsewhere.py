"""What was made from a memory, or copied of it, in other vaults of the organisation goes with it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
from google.protobuf.field_mask_pb2 import FieldMask

from memporium.common.v1.digest_pb2 import Digest
from memporium.cube.v1.cube_pb2 import ORIGIN_INFERENCE_EXTRACTION, Activation, Cube, Lineage, Payload
from memporium.vault.v1 import changes_pb2, cubes_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CubeFilter, Subject
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.call import acting_as
from memporium_platform.errors import Reason, denied
from memporium_services.vault.app import transfer_streams
from support.licensed import owner_of
from support.vaults import VaultPlace, cell, reason, search, vault_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEEP = cubes_pb2.DERIVED_POLICY_KEEP
DERIVED = cubes_pb2.FORGET_WHY_DERIVED
TENSORS = b"keys and values of what is forgotten" * 1000


@pytest.fixture(params=["sqlite", "postgres"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VaultPlace]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    async with vault_place(tmp_path / "data", database_url=url) as found:
        yield found


def made_of(text: str, *parents: str, derivation: str = "", **told: Any) -> Cube:
    """Return text that was made of other cubes, or, by its derivation, copied of them."""
    cube = cell(text, **(told or ({} if derivation else {"origin": ORIGIN_INFERENCE_EXTRACTION})))
    cube.behavioural.lineage.CopyFrom(Lineage(parents=parents, derivation=derivation))
    return cube


async def held(place: VaultPlace, vault: str) -> list[str]:
    """Return the ids of all that a vault holds, by list, having searched that no more is found."""
    listed = await place.stub.ListCubes(api.ListCubesRequest(parent=vault, filter={"states": [1, 2, 3, 4, 5]}))
    ids = sorted(cube.name.rpartition("/")[2] for cube in listed.cubes)
    found = await search(place.stub, vault, "the sea is blue", group_by_cube=True)
    assert {hit.cube.name.rpartition("/")[2] for hit in found.hits} <= set(ids)
    return ids


async def keep(place: VaultPlace, parent: str, cube_id: str, cube: Cube) -> str:
    return (await place.create(parent, cube, cube_id=cube_id)).cube.name


async def forget(place: VaultPlace, vault: str, **asked: Any) -> api.ForgetCubesResponse:
    return await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, **asked))


def became(receipt: Any) -> list[tuple[str, int, str]]:
    return [(one.vault.rpartition("/")[2], one.cubes, one.refusal) for one in receipt.elsewhere]


async def chain(place: VaultPlace) -> tuple[str, str, str]:
    """Return three vaults: of a's memory a text was made in b, of that another in a; of both a cache in c."""
    a, b, c = [await place.vault(one) for one in "abc"]
    root = await keep(place, a, "root", cell("the sea is blue"))
    await keep(place, a, "other", cell("the hill is green"))
    text = await keep(place, b, "text", made_of("somebody says the sea is blue", root))
    await keep(place, b, "own", cell("the road is grey"))
    back = await keep(place, a, "back", made_of("it was said of the sea that it is blue", text))
    digest = Digest(sha256=hashlib.sha256(TENSORS).hexdigest(), size_bytes=len(TENSORS))

    async def upload() -> AsyncIterator[api.UploadBlobRequest]:
        yield api.UploadBlobRequest(header={"parent": c, "digest": digest})
        yield api.UploadBlobRequest(data=TENSORS)

    await place.stub.UploadBlob(upload())
    cache = Activation(model_fingerprint="m", blob=digest, source_cubes=[back])
    await keep(place, c, "cache", Cube(payload=Payload(activation=cache)))
    return a, b, c


async def test_what_was_made_of_it_goes_from_vault_to_vault(both: VaultPlace) -> None:
    a, b, c = await chain(both)
    dry = await forget(both, a, names=[f"{a}/cubes/root"], dry_run=True)
    assert [(one.name, one.why, one.parent) for one in dry.candidates] == [
        (f"{a}/cubes/root", cubes_pb2.FORGET_WHY_ASKED, ""),
        (f"{a}/cubes/back", DERIVED, f"{b}/cubes/text"),
        (f"{b}/cubes/text", DERIVED, f"{a}/cubes/root"),
        (f"{c}/cubes/cache", DERIVED, f"{a}/cubes/back"),
    ]
    assert became(dry) == [("b", 1, ""), ("c", 1, "")]
    assert not dry.other_receipts
    request = api.ForgetCubesRequest(parent=a, names=[f"{a}/cubes/root"], request_id="once", reason="asked")
    done = await both.stub.ForgetCubes(request)
    assert (await held(both, a), await held(both, b), await held(both, c)) == (["other"], ["own"], [])
    assert not [key async for key in both.platform.kernel.objects.list("vaults/")]
    told = {receipt.vault: receipt for receipt in done.other_receipts}
    assert (done.receipt.cubes, done.receipt.derived) == (2, 1)
    assert {vault: (one.cubes, one.blobs, one.part_of) for vault, one in told.items()} == {
        b: (1, 0, done.receipt.name),
        c: (1, 1, done.receipt.name),
    }
    assert [(one.vault, one.receipt, one.refusal) for one in done.receipt.elsewhere] == [
        (vault, told[vault].name, "") for vault in (b, c)
    ]
    statement = json.loads(done.receipt.payload)
    assert [one["receipt"] for one in statement["elsewhere"]] == [told[b].name, told[c].name]
    assert json.loads(told[b].payload)["part_of"] == done.receipt.name
    assert await both.stub.ForgetCubes(request) == done
    kept = (await both.stub.GetReceipt(api.GetReceiptRequest(name=told[c].name))).receipt
    assert kept == told[c]


async def test_copies_go_and_what_somebody_wrote_himself_stays(place: VaultPlace) -> None:
    a, b = await place.vault("a"), await place.vault("b")
    root = await keep(place, a, "root", cell("the sea is blue"))
    await keep(place, b, "copy", made_of("the sea is blue", root, derivation="deliver"))
    await keep(place, b, "said", made_of("I like that blue of the sea", root, title="own words"))
    assert became((await forget(place, a, filter=CubeFilter(names=[root]))).receipt) == [("b", 1, "")]
    assert await held(place, b) == ["said"]


async def test_what_is_kept_is_named_and_what_is_made_of_it_later_is_found(place: VaultPlace) -> None:
    a, b, c = await chain(place)
    kept = await forget(place, a, names=[f"{a}/cubes/root"], derived=KEEP)
    assert list(kept.receipt.kept_derived) == [f"{a}/cubes/back", f"{b}/cubes/text", f"{c}/cubes/cache"]
    assert (await held(place, b), await held(place, c)) == (["own", "text"], ["cache"])
    # The lineage goes on from what was kept.
    await forget(place, b, names=[f"{b}/cubes/text"])
    assert (await held(place, a), await held(place, c)) == (["other"], [])


async def test_by_subject_it_reaches_what_does_not_name_them(place: VaultPlace) -> None:
    a, b = await place.vault("a"), await place.vault("b")
    root = await keep(place, a, "root", cell("she says the sea is blue", entities=["Ada Lovelace"]))
    await keep(place, b, "text", made_of("somebody says the sea is blue", root))
    done = await forget(place, a, subject=Subject(names=["ada lovelace"]))
    assert (done.receipt.cubes, became(done.receipt)) == (1, [("b", 1, "")])
    assert not await held(place, b)


async def test_what_forbids_it_elsewhere_is_told_and_the_way_goes_on(
    place: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = await chain(place)
    frozen = await keep(place, c, "frozen", made_of("the sea is blue, and frozen", f"{a}/cubes/root"))
    await place.stub.FreezeCube(api.FreezeCubeRequest(name=frozen))
    hold = made_of("the sea is blue, and before a court", f"{a}/cubes/root")
    hold.governance.legal_hold = True
    await keep(place, c, "hold", hold)
    d = await place.vault("d")
    await keep(place, d, "closed", made_of("the sea is blue, and closed", f"{a}/cubes/root"))
    await place.stub.UpdateVault(
        api.UpdateVaultRequest(vault={"name": d, "read_only": True}, update_mask=FieldMask(paths=["read_only"]))
    )
    authz, require = place.platform.kernel.authz, place.platform.kernel.authz.require

    def but_b(call: Any, action: str, resource: str) -> None:
        if resource == b:
            raise denied(action, resource)
        require(call, action, resource)

    monkeypatch.setattr(authz, "require", but_b)
    expected = [
        ("b", 1, "PERMISSION_DENIED"),
        ("c", 1, ""),
        ("c", 1, "CUBE_FROZEN"),
        ("c", 1, "LEGAL_HOLD"),
        ("d", 1, "VAULT_READ_ONLY"),
    ]
    dry = await forget(place, a, names=[f"{a}/cubes/root"], dry_run=True)
    assert became(dry) == expected
    # Of a vault where the caller may not forget, nothing is named.
    refused = {one.name: one.refusal for one in dry.candidates if one.refusal}
    assert refused == {
        frozen: "CUBE_FROZEN",
        f"{c}/cubes/hold": "LEGAL_HOLD",
        f"{d}/cubes/closed": "VAULT_READ_ONLY",
    }
    receipt = (await forget(place, a, names=[f"{a}/cubes/root"])).receipt
    assert became(receipt) == expected
    assert json.loads(receipt.payload)["elsewhere"][0] == {
        "vault": b, "cubes": 1, "receipt": "", "refusal": "PERMISSION_DENIED",
    }  # fmt: skip
    # What the text in b led to is gone all the same.
    assert (await held(place, a), await held(place, b)) == (["other"], ["own", "text"])
    assert (await held(place, c), await held(place, d)) == (["frozen", "hold"], ["closed"])


async def test_another_organisation_is_neither_reached_nor_learns_anything(place: VaultPlace) -> None:
    a = await place.vault("a")
    root = await keep(place, a, "root", cell("the sea is blue"))
    rival = await place.platform.organisation("rival")
    theirs = VaultServiceStub(place.platform.channel(rival.owner_key))
    for vault_id in ("a", "b"):
        await theirs.CreateVault(api.CreateVaultRequest(parent=rival.name, vault_id=vault_id))
    # It says of itself that it is made of the other's memory, and of one of the same ids of its own.
    for cube_id, parent in (("foreign", root), ("own", f"{rival.name}/vaults/a/cubes/root")):
        cube = made_of(f"the sea is {cube_id}", parent)
        await theirs.CreateCube(api.CreateCubeRequest(parent=f"{rival.name}/vaults/b", cube_id=cube_id, cube=cube))
    dry = await forget(place, a, names=[root], dry_run=True)
    assert ([one.name for one in dry.candidates], list(dry.elsewhere)) == ([root], [])
    done = await forget(place, a, names=[root])
    assert (list(done.other_receipts), list(done.receipt.elsewhere)) == ([], [])
    left = await theirs.ListCubes(api.ListCubesRequest(parent=f"{rival.name}/vaults/b"))
    assert len(left.cubes) == 2
    assert await reason(theirs.GetReceipt(api.GetReceiptRequest(name=done.receipt.name))) is Reason.PERMISSION_DENIED


async def test_branches_of_other_vaults_and_what_was_made_of_branches_go_too(place: VaultPlace) -> None:
    a, b, c = await chain(place)
    org = place.org.name
    await place.stub.CreateVault(api.CreateVaultRequest(parent=org, vault_id="b-if", branch_of=b))
    await place.stub.CreateVault(api.CreateVaultRequest(parent=org, vault_id="a-if", branch_of=a))
    branch = f"{org}/vaults/a-if"
    tried = await keep(place, branch, "tried", made_of("what if the sea were blue", f"{branch}/cubes/root"))
    await keep(place, c, "of-branch", made_of("it would be blue, the sea", tried))
    done = await forget(place, a, names=[f"{a}/cubes/root"])
    assert [(one.vault, one.cubes) for one in done.branch_receipts] == [(branch, 3)]
    assert (await held(place, branch), await held(place, f"{org}/vaults/b-if")) == (["other"], ["own"])
    assert (await held(place, a), await held(place, b), await held(place, c)) == (["other"], ["own"], [])


async def test_sets_of_changes_reach_other_vaults(place: VaultPlace) -> None:
    a, b, c = await chain(place)
    change = changes_pb2.Change(forget=changes_pb2.CubeForgetting(names=[f"{a}/cubes/root"]))
    request = changes_pb2.ApplyChangesRequest(parent=a, changes=[change], request_id="once")
    done = await place.stub.ApplyChanges(request)
    assert [(one.vault, one.cubes) for one in done.results[0].receipts] == [(a, 2), (b, 1), (c, 1)]
    assert (await held(place, a), await held(place, b), await held(place, c)) == (["other"], ["own"], [])
    assert await place.stub.ApplyChanges(request) == done


async def test_cut_off_after_the_transaction_the_same_call_deletes_what_is_left_of_all(
    both: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = await chain(both)
    archived = await keep(both, b, "archived", made_of("the sea is blue, and far away", f"{a}/cubes/root"))
    await both.stub.ArchiveCube(api.ArchiveCubeRequest(name=archived))
    objects = both.platform.kernel.objects
    delete = objects.delete

    async def gone(key: str) -> None:
        raise ConnectionError("cut off")

    monkeypatch.setattr(objects, "delete", gone)
    request = api.ForgetCubesRequest(parent=a, names=[f"{a}/cubes/root"], request_id="once")
    assert await reason(both.stub.ForgetCubes(request)) is Reason.INTERNAL
    monkeypatch.setattr(objects, "delete", delete)
    assert len([key async for key in objects.list("vaults/")]) == 2
    done = await both.stub.ForgetCubes(request)
    assert became(done.receipt) == [("b", 2, ""), ("c", 1, "")]
    assert not [key async for key in objects.list("vaults/")]
    assert (await held(both, a), await held(both, b), await held(both, c)) == (["other"], ["own"], [])


async def test_what_comes_to_be_in_another_vault_meanwhile_goes_too(
    both: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _, c = await chain(both)
    d = await both.vault("d")
    authz, require = both.platform.kernel.authz, both.platform.kernel.authz.require
    made: list[str] = []
    write = (await both.platform.kernel.database("vault")).write
    database = await both.platform.kernel.database("vault")

    async def then_write(fn: Any) -> Any:
        # After all was read, and before it is written.
        if not made and "forget" in reading:
            made.append("begun")
            made.append(await keep(both, d, "late", made_of("lately the sea is blue", f"{c}/cubes/cache")))
        return await write(fn)

    reading: list[str] = []

    def noticing(call: Any, action: str, resource: str) -> None:
        reading.append("forget")
        require(call, action, resource)

    monkeypatch.setattr(authz, "require", noticing)
    monkeypatch.setattr(database, "write", then_write)
    done = await forget(both, a, names=[f"{a}/cubes/root"])
    assert made[1:] == [f"{d}/cubes/late"]
    assert became(done.receipt) == [("b", 1, ""), ("c", 1, ""), ("d", 1, "")]
    assert not await held(both, d)


async def test_vaults_from_before_lineage_between_them_was_kept_are_looked_through(place: VaultPlace) -> None:
    a, b, c = await chain(place)
    database = await place.platform.kernel.database("vault")

    def as_before(conn: Any) -> None:
        conn.execute(sqlalchemy.text("DELETE FROM links"))
        old = "INSERT INTO unlinked (vault_uid, org, after_id) SELECT uid, org, '' FROM vaults WHERE cubes > 0"
        conn.execute(sqlalchemy.text(old))

    await database.write(as_before)
    await forget(place, a, names=[f"{a}/cubes/root"])
    assert (await held(place, a), await held(place, b), await held(place, c)) == (["other"], ["own"], [])
    left = await database.read(lambda conn: conn.execute(sqlalchemy.text("SELECT count(*) FROM unlinked")).scalar())
    assert left == 0


async def test_what_is_being_imported_and_was_made_of_it_does_not_come_to_be(
    place: VaultPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await place.vault("a"), await place.vault("b")
    root = await keep(place, a, "root", cell("the sea is blue"))
    copy, other = cell("the sea is blue"), cell("the road is grey")
    stage = transfer_streams.TransferStreams._stage

    async def then_forget(self: Any, *of: Any) -> Any:
        staged = await stage(self, *of)
        # It is in the tables by now, hidden.
        done = await forget(place, a, names=[root])
        assert not done.receipt.elsewhere
        return staged

    monkeypatch.setattr(transfer_streams.TransferStreams, "_stage", then_forget)

    async def messages() -> AsyncIterator[api.ImportCubesRequest]:
        yield api.ImportCubesRequest(header=api.ImportCubesHeader(parent=b))
        portable = [cubes_pb2.PortableCube(cube=copy, copied_from=root), cubes_pb2.PortableCube(cube=other)]
        yield api.ImportCubesRequest(batch=api.ImportCubesBatch(cubes=portable))
        yield api.ImportCubesRequest(end=api.ImportCubesEnd(cubes=2))

    with acting_as(owner_of(place)):
        assert await reason(place.internal("transfer").ImportCubes(messages())) is Reason.CONFLICT
    assert (await held(place, a), await held(place, b)) == ([], [])


@pytest.mark.parametrize("request_id", ["", "once"])
async def test_what_is_refused_leaves_branches_and_other_vaults_as_they_are(place: VaultPlace, request_id: str) -> None:
    a, b, c = await chain(place)
    branch = api.CreateVaultRequest(parent=place.org.name, vault_id="a-if", branch_of=a)
    copy = (await place.stub.CreateVault(branch)).vault.name
    await keep(place, b, "of-branch", made_of("it would be blue, the sea", f"{copy}/cubes/root"))
    await place.stub.FreezeCube(api.FreezeCubeRequest(name=f"{a}/cubes/root"))
    request = api.ForgetCubesRequest(parent=a, names=[f"{a}/cubes/root"], request_id=request_id)
    assert await reason(place.stub.ForgetCubes(request)) is Reason.CUBE_FROZEN
    assert await held(place, copy) == await held(place, a) == ["back", "other", "root"]
    assert (await held(place, b), await held(place, c)) == (["of-branch", "own", "text"], ["cache"])
