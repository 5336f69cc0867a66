"""One run whose server is killed before, within and after each of its steps and of its commit, and ends as if never."""

from __future__ import annotations

import time

import pytest
import yaml
from google.protobuf.json_format import ParseDict

from memporium.client import Client, MemporiumError
from memporium.scheduler.v1 import job_pb2, pipeline_pb2
from memporium.vault.v1 import cubes_pb2
from support.crash_server import KillableServer
from support.vaults import cell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STEPS = """
steps:
- {id: note, remember: {text: "The harbour pilot is called Ines.", session: s}}
- {id: find, retrieve: {query: green boat, limit: 2}}
- {id: keep, update: {text: "Two notes on the boat.", title: Kept, parents: ["${steps.find.cubes}"]}}
- {id: away, archive: {cubes: ["${steps.find.cubes}"]}}
"""
FACTS = ("The boat is painted green.", "The green boat leaks.", "Rice is in the jar.")
POINTS = [f"{step}.{place}" for step in ("note", "find", "keep", "away") for place in ("before", "within", "after")]
FAULTS = [f"pipeline.{point}" for point in (*POINTS, "commit.before", "commit.after")]


def _states(client, parent):
    page = client.vault.list_cubes(parent=parent, page_size=1000)
    return {one.name.rsplit("/", 1)[1]: one.governance.state for one in page.cubes}


def _awaits_death(server):
    limit = time.monotonic() + 300
    while server.alive:
        assert time.monotonic() < limit, "the fault was not reached"
        time.sleep(0.05)


def test_a_run_killed_at_every_boundary_is_made_once(tmp_path):
    server = KillableServer(tmp_path)
    try:
        server.start()
        with Client(server.address, api_key=server.operator_key) as operator:
            key = operator.governance.create_organisation(organisation_id="acme").owner_secret
        parent = "orgs/acme/vaults/notes"
        with Client(server.address, api_key=key) as client:
            client.vault.create_vault(parent="orgs/acme", vault_id="notes")
            news = [cubes_pb2.NewCube(cube_id=f"c{n}", cube=cell(fact)) for n, fact in enumerate(FACTS)]
            client.vault.batch_create_cubes(parent=parent, cubes=news)
        server.kill()
        run = ""
        for number, fault in enumerate([*FAULTS, "vault.after_commit"]):
            # The last one strikes when the commit is sent again: there is nothing left to index, so it must not.
            server._settings["MEMPORIUM_FAULT"] = fault
            try:
                server.start()
            except RuntimeError:
                # The run is gone on with as the server starts, and may kill it before it serves.
                assert run
                assert not server.alive
                continue
            with Client(server.address, api_key=key) as client:
                if not run:
                    definition = ParseDict(yaml.safe_load(STEPS), pipeline_pb2.Pipeline())
                    begun = client.scheduler.run_pipeline(parent="orgs/acme", definition=definition, vault=parent)
                    run = begun.run.name
                elif number < len(FAULTS):
                    try:
                        seen = set(_states(client, parent))
                    except MemporiumError:
                        seen = None  # it died first
                    committed = fault == "pipeline.commit.after"
                    assert seen in (None, {"c0", "c1", "c2"}) or (committed and len(seen) == 5)
                if number < len(FAULTS):
                    _awaits_death(server)
        with Client(server.address, api_key=key) as client:
            last = None
            for response in client.scheduler.watch_pipeline_run(name=run):
                last = response.run
            assert (last.state, last.error) == (job_pb2.JOB_STATE_SUCCEEDED, "")
            assert last.attempts == len(FAULTS) + 1
            states = _states(client, parent)
            assert len(states) == 5
            assert sorted(states[name] for name in ("c0", "c1")) == [4, 4]
            for name in last.cubes:
                versions = client.vault.list_cube_versions(name=name).versions
                assert len(versions) == (2 if name.endswith(("/c0", "/c1")) else 1)
            found = [
                hit.cube.name
                for part in client.vault.search_cubes(parent=parent, query="pilot Ines")
                for hit in part.hits
            ]
            assert found[0] in last.cubes
    finally:
        server.kill()
