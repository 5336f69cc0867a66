"""A branch whose server dies between the store and the index of a page is gone on with, and copies nothing anew."""

from __future__ import annotations

import time

import pytest

from memporium.client import Client, MemporiumError
from memporium.cube.v1 import cube_pb2
from memporium.vault.v1 import cubes_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from support.crash_server import killable_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ACME, NOTES, BRANCH = "orgs/acme", "orgs/acme/vaults/notes", "orgs/acme/vaults/what-if"
# Three pages.
COUNT = 450


def _cube(text):
    cube = cube_pb2.Cube()
    cube.payload.plaintext.mem_cell.facts.add(text=text)
    return cube


def test_a_branch_goes_on_after_the_server_was_killed(tmp_path):
    request = api.CreateVaultRequest(parent=ACME, vault_id="what-if", branch_of=NOTES, request_id="branch")
    request.branch_wait.FromSeconds(0)
    with killable_server(tmp_path) as server:
        with Client(server.address, api_key=server.operator_key) as operator:
            key = operator.governance.create_organisation(organisation_id="acme").owner_secret
        with Client(server.address, api_key=key) as client:
            client.vault.create_vault(parent=ACME, vault_id="notes")
            news = [cubes_pb2.NewCube(cube_id=f"c{n}", cube=_cube(f"note number n{n}")) for n in range(COUNT)]
            client.vault.batch_create_cubes(parent=NOTES, cubes=news)
            assert client.vault.create_vault(request).branching.done_cubes == 200
        server.kill()
        server._settings["MEMPORIUM_FAULT"] = "vault.after_commit"
        server.start()
        with Client(server.address, api_key=key) as client, pytest.raises(MemporiumError):
            client.vault.create_vault(request, timeout_s=240)
        limit = time.monotonic() + 300
        while server.alive:
            assert time.monotonic() < limit, "the fault was not reached"
            time.sleep(0.05)
        del server._settings["MEMPORIUM_FAULT"]
        server.start()
        with Client(server.address, api_key=key) as client:
            assert [one.name for one in client.vault.list_vaults(parent=ACME).vaults] == [NOTES]
            # The page that was committed as the server died is not copied again.
            assert client.vault.create_vault(request).branching.done_cubes == COUNT
            branch = client.vault.create_vault(request).vault
            assert (branch.name, branch.usage.cubes, branch.usage.units) == (BRANCH, COUNT, COUNT)
            page = client.vault.list_cubes(parent=BRANCH, page_size=1000)
            assert {one.name.rpartition("/")[2] for one in page.cubes} == {f"c{n}" for n in range(COUNT)}
            hits = [
                hit
                for message in client.vault.search_cubes(parent=BRANCH, query="note number", mode=2, limit=1000)
                for hit in message.hits
            ]
            assert len({hit.cube.name for hit in hits}) == COUNT
