"""Deliveries, backups and restores on schedule, while the server is killed again and again: none missing, none twice."""

from __future__ import annotations

import random
import threading
import time

import pytest

from memporium.client import Client, MemporiumError
from memporium.scheduler.v1 import job_pb2, schedule_pb2
from memporium.vault.v1 import cubes_pb2
from support.crash_server import killable_server
from support.vaults import cell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROUNDS = 3
ORG, SOURCE, TARGET = "orgs/acme", "orgs/acme/vaults/source", "orgs/acme/vaults/target"


def _add(server, key, texts, rng, stop):
    """Add cubes until told to stop; what was not acknowledged is sent again with the same id until it is."""
    client, address = None, ""
    while not stop.is_set():
        number, text = len(texts), f"note {len(texts)} on {rng.random()}"
        new = cubes_pb2.NewCube(cube_id=f"n{number}", cube=cell(text, tags=["out"] if number % 3 else ["other"]))
        request = {"parent": SOURCE, "cubes": [new], "request_id": f"00000000-0000-4000-8000-{number:012d}"}
        while True:
            if client is None or address != server.address:
                address = server.address
                client = Client(address, api_key=key)
            try:
                client.vault.batch_create_cubes(**request, timeout_s=5)
            except MemporiumError:
                time.sleep(0.1)
                continue
            break
        texts.append((text, bool(number % 3)))
        time.sleep(0.02)


def _texts(client, parent):
    found, token = {}, ""
    while True:
        page = client.vault.list_cubes(parent=parent, page_size=50, page_token=token, view=cubes_pb2.CUBE_VIEW_FULL)
        found |= {one.payload.plaintext.mem_cell.facts[0].text: one for one in page.cubes}
        token = page.next_page_token
        if not token:
            return found


def _until(check, limit_s=180.0):
    deadline = time.monotonic() + limit_s
    while not check():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.2)


def test_deliveries_survive_kills(tmp_path):
    rng, texts, stop = random.Random(7), [], threading.Event()
    with killable_server(tmp_path) as server:
        with Client(server.address, api_key=server.operator_key) as operator:
            key = operator.governance.create_organisation(organisation_id="acme").owner_secret
        with Client(server.address, api_key=key) as client:
            for name in ("source", "target"):
                client.vault.create_vault(parent=ORG, vault_id=name)
            spec = job_pb2.JobSpec(deliver_cubes=job_pb2.DeliverCubes(vault=SOURCE, target=TARGET, tags=["out"]))
            trigger = schedule_pb2.TagTrigger(vault=SOURCE, tags=["out"])
            given = schedule_pb2.Schedule(spec=spec, tags=trigger)
            client.scheduler.create_schedule(parent=ORG, schedule_id="deliver", schedule=given)
            dump = schedule_pb2.Schedule(spec=job_pb2.JobSpec(dump_vault=job_pb2.DumpVault(vault=TARGET)))
            dump.every.FromSeconds(10)
            client.scheduler.create_schedule(parent=ORG, schedule_id="backup", schedule=dump)
        writer = threading.Thread(target=_add, args=(server, key, texts, rng, stop))
        writer.start()
        try:
            for _ in range(ROUNDS):
                time.sleep(rng.uniform(2.0, 6.0))
                server.kill()
                server.start()
        finally:
            stop.set()
            writer.join(180)
        with Client(server.address, api_key=key) as client:
            wanted = {text for text, out in texts if out}
            assert len(wanted) > 5
            _until(lambda: set(_texts(client, TARGET)) >= wanted)
            delivered = _texts(client, TARGET)
            assert set(delivered) == wanted
            # Once: each is one cube, and no second delivery made a second version of any.
            assert len(client.vault.list_cubes(parent=TARGET, page_size=1000).cubes) == len(wanted)
            assert {one.behavioural.version for one in delivered.values()} <= {1, 2}
            for one in delivered.values():
                changes = [version.change for version in client.vault.list_cube_versions(name=one.name).versions]
                assert "update" not in changes
            client.scheduler.pause_schedule(name=f"{ORG}/schedules/deliver")
            _until(lambda: client.scheduler.get_schedule(name=f"{ORG}/schedules/backup").schedule.jobs > 0)
            # The newest backup is restored on schedule, too.
            load = job_pb2.LoadBundle(latest_of=TARGET, vault_id="standby")
            restore = schedule_pb2.Schedule(spec=job_pb2.JobSpec(load_bundle=load))
            restore.every.FromSeconds(10)
            client.scheduler.create_schedule(parent=ORG, schedule_id="restore", schedule=restore)

            def restored():
                try:
                    return set(_texts(client, f"{ORG}/vaults/standby")) == wanted
                except MemporiumError:
                    return False

            _until(restored)
