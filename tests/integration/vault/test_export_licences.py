"""Exports of licensed memory: the vault asks each licence for the export before anything of it leaves."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from memporium.client import Client, MemporiumError
from memporium.cube.v1.cube_pb2 import LicenceReference
from memporium.sources.exporting import Exporting
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import PortableCube, UseAction
from memporium_platform.call import Principal, PrincipalKind, acting_as
from memporium_platform.errors import Reason
from support.vaults import cell

if TYPE_CHECKING:
    from pathlib import Path

    from support.vaults import VaultPlace

AGREEMENTS = [f"orgs/publisher/agreements/a{number}" for number in (1, 2)]


@pytest.fixture
async def shelf(place: VaultPlace) -> str:
    """A vault with a memory of one's own and one under each of two agreements."""
    owner = Principal(name=f"{place.org.name}/principals/owner", org=place.org.id, kind=PrincipalKind.USER)
    own = await place.vault("shelf")
    await place.create(own, cell("my own notes on bridges"))

    async def messages(agreement: str):
        cube = PortableCube(cube=cell(f"knowledge of bridges under {agreement}"))
        licence = LicenceReference(agreement=agreement, terms_sha256="00" * 32)
        yield api.ImportCubesRequest(header=api.ImportCubesHeader(parent=own, licence=licence))
        yield api.ImportCubesRequest(batch=api.ImportCubesBatch(cubes=[cube]))
        yield api.ImportCubesRequest(end=api.ImportCubesEnd(cubes=1))

    for agreement in AGREEMENTS:
        with acting_as(owner):
            await place.internal("transfer").ImportCubes(messages(agreement))
    return own


async def _export(place: VaultPlace, vault: str, path: Path, **options):
    def run():
        with Client(place.platform.address, api_key=place.org.owner_key) as client:
            return Exporting(client, vault, **options).run(path, "jsonl")

    return await asyncio.to_thread(run)


def _texts(path: Path) -> list[str]:
    return sorted(json.loads(line)["text"] for line in path.read_text().splitlines())


async def test_what_licences_permit_leaves_with_its_credit_and_is_counted(place, shelf, tmp_path):
    report = await _export(place, shelf, tmp_path / "out.jsonl")
    assert (report.cubes, report.licensed, report.problem_count) == (3, 2, 0)
    assert report.attributions == [f"by {agreement}" for agreement in AGREEMENTS]
    assert len(_texts(tmp_path / "out.jsonl")) == 3
    credits_ = [json.loads(line).get("attribution") for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert sorted(filter(None, credits_)) == report.attributions
    asked = {(one.agreement, one.action) for one in place.memstore.reserved.values()}
    assert {(agreement, UseAction.USE_ACTION_EXPORT_BUNDLE) for agreement in AGREEMENTS} <= asked


async def test_what_a_licence_does_not_let_go_stays_and_is_named(place, shelf, tmp_path):
    place.memstore.refused[AGREEMENTS[0], UseAction.USE_ACTION_EXPORT_BUNDLE] = Reason.LICENCE_NOT_PERMITTED
    report = await _export(place, shelf, tmp_path / "out.jsonl")
    assert (report.cubes, report.licensed, report.problem_count) == (2, 1, 1)
    assert AGREEMENTS[0] in report.problems[0].why
    assert _texts(tmp_path / "out.jsonl") == [f"knowledge of bridges under {AGREEMENTS[1]}", "my own notes on bridges"]
    # It was not even read: no use of it was counted.
    assert AGREEMENTS[0] not in {one.agreement for one in place.memstore.reserved.values()}


async def test_what_a_licence_does_not_let_be_read_stays_though_it_might_leave(place, shelf, tmp_path):
    place.memstore.refused[AGREEMENTS[1], UseAction.USE_ACTION_READ] = Reason.LICENCE_QUOTA_EXHAUSTED
    report = await _export(place, shelf, tmp_path / "out.jsonl")
    assert (report.cubes, report.problem_count) == (2, 1)
    assert _texts(tmp_path / "out.jsonl") == [f"knowledge of bridges under {AGREEMENTS[0]}", "my own notes on bridges"]


async def test_a_dry_run_uses_nothing(place, shelf, tmp_path):
    report = await _export(place, shelf, tmp_path / "out.jsonl", dry_run=True)
    assert (report.cubes, report.licensed) == (1, 2)
    assert not place.memstore.reserved
    assert not (tmp_path / "out.jsonl").exists()


async def test_the_vault_gives_no_payload_for_an_export_to_a_caller_of_its_own(place, shelf):
    """Whoever leaves the question out gets what reading gives: the export itself is asked of the vault, not of a file."""
    listed = await place.stub.ListCubes(api.ListCubesRequest(parent=shelf))
    names = [cube.name for cube in listed.cubes]

    def use() -> str:
        with Client(place.platform.address, api_key=place.org.owner_key) as client:
            try:
                client.vault.use_cubes(parent=shelf, names=names, action=UseAction.USE_ACTION_EXPORT_BUNDLE)
            except MemporiumError as error:
                return error.reason
        return ""

    assert await asyncio.to_thread(use) == "PERMISSION_DENIED"
