"""PostgreSQL goes away under a running platform and comes back: calls say so, then work again, with no restart."""

from __future__ import annotations

import asyncio
import time
import uuid

import pytest

from memporium.client import AsyncClient, MemporiumError
from memporium.governance.v1 import principal_pb2
from memporium.scheduler.v1 import job_pb2
from support.crash_server import killable_server
from support.crash_world import World, cubes_of, document, search
from support.servers import own_postgres  # noqa: F401

pytestmark = [pytest.mark.servers, pytest.mark.slow]
ACME, VAULT = "orgs/acme", "orgs/acme/vaults/notes"
# The writer's connection, the readers', the watch of authorisation, the jobs' polling: all must have come back by then.
_BACK_S = 60.0


async def _works(call, within_s=_BACK_S):
    """Return the answer of a call that may be refused as UNAVAILABLE for a while."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return await call()
        except MemporiumError as error:
            if error.code != "UNAVAILABLE" or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


async def test_the_platform_outlives_an_outage_of_its_database(tmp_path, own_postgres):  # noqa: F811
    settings = {"MEMPORIUM_DATABASE_URL": own_postgres.url, "MEMPORIUM_VAULT_USE_FLUSH_S": "0.5"}
    up = own_postgres.running()
    up.__enter__()
    try:
        with killable_server(tmp_path, settings) as server:
            world = World(server)
            async with AsyncClient(server.address, api_key=server.operator_key) as operator:
                made = await operator.governance.create_organisation(organisation_id="acme")
            world.keys[ACME] = made.owner_secret
            async with AsyncClient(server.address, api_key=made.owner_secret) as client:
                clerk = await _before(server, client)
                up.__exit__(None, None, None)
                request_id = str(uuid.uuid4())
                await _during(client, request_id)
                up = own_postgres.running()
                up.__enter__()
                await _after(world, client, clerk, request_id)
                await clerk.close()
    finally:
        up.__exit__(None, None, None)


async def _before(server, client) -> AsyncClient:
    """Make memories, and a clerk; return the clerk's client."""
    await client.vault.create_vault(parent=ACME, vault_id="notes")
    await client.vault.create_cube(parent=VAULT, cube_id="one", cube=document("the first note, on zebras"))
    await client.governance.create_principal(
        parent=ACME,
        principal_id="clerk",
        principal=principal_pb2.Principal(kind=principal_pb2.PRINCIPAL_KIND_WORKLOAD),
        roles=["agent"],
    )
    secret = (await client.governance.create_api_key(parent=f"{ACME}/principals/clerk")).secret
    clerk = AsyncClient(server.address, api_key=secret)
    assert await search(clerk, VAULT, "zebras")
    return clerk


async def _during(client, request_id) -> None:
    """Each call is refused soon, with the advice to come again, and in no words of the driver."""
    spec = job_pb2.JobSpec(dump_vault=job_pb2.DumpVault(vault=VAULT))
    calls = {
        "write": lambda: client.vault.create_cube(
            parent=VAULT, cube_id="two", cube=document("the second note, on okapis"), request_id=request_id
        ),
        "read": lambda: client.vault.get_cube(name=f"{VAULT}/cubes/one"),
        "search": lambda: search(client, VAULT, "zebras"),
        "job": lambda: client.scheduler.create_job(parent=ACME, spec=spec),
        "market": lambda: client.memstore.list_listings(parent=ACME),
        "bundles": lambda: client.transfer.list_bundles(parent=ACME),
        "principals": lambda: client.governance.list_principals(parent=ACME),
        "recall": lambda: client.reader.recall(parent=VAULT, query="zebras"),
    }
    for name, call in calls.items():
        began = time.monotonic()
        with pytest.raises(MemporiumError) as caught:
            await call()
        error = caught.value
        assert (error.code, error.reason) == ("UNAVAILABLE", "UNAVAILABLE"), f"{name}: {error}"
        assert error.retry_after_s, name
        assert "psycopg" not in error.message
        assert time.monotonic() - began < 30, name
    # Long enough for everything that runs by itself to have met the outage.
    await asyncio.sleep(2)


async def _after(world, client, clerk, request_id) -> None:
    """Everything works again: calls, jobs, the index, the audit log, and the watch of who may do what."""
    fields = {"parent": VAULT, "cube_id": "two", "cube": document("the second note, on okapis")}
    first = await _works(lambda: client.vault.create_cube(**fields, request_id=request_id))
    again = await client.vault.create_cube(**fields, request_id=request_id)
    assert first.cube.name == again.cube.name
    assert len(await _works(lambda: cubes_of(client, VAULT))) == 2
    assert await _works(lambda: search(client, VAULT, "okapis"))
    assert await _works(lambda: search(client, VAULT, "zebras"))
    spec = job_pb2.JobSpec(dump_vault=job_pb2.DumpVault(vault=VAULT))
    job = (await _works(lambda: client.scheduler.create_job(parent=ACME, spec=spec))).job
    async for response in client.scheduler.watch_job(name=job.name, timeout_s=60):
        job = response.job
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    await _works(lambda: search(clerk, VAULT, "zebras"))
    await _works(lambda: client.governance.disable_principal(name=f"{ACME}/principals/clerk"))
    await _refused_soon(clerk)
    await _heats_up(client)
    await world.audit_holds(ACME, client, [])
    await _audited(client)


async def _audited(client) -> None:
    """What was written before and after the outage is in the log, once the relay has come back to it."""
    deadline = time.monotonic() + _BACK_S
    while True:
        found = await client.governance.query_log(parent=ACME, filter={"actions": ["vault.cubes.create"]})
        if len(found.entries) >= 2:
            return
        assert time.monotonic() < deadline, f"not in the log: {found}"
        await asyncio.sleep(0.2)


async def _refused_soon(clerk) -> None:
    deadline = time.monotonic() + _BACK_S
    while True:
        try:
            await search(clerk, VAULT, "zebras")
        except MemporiumError as error:
            if error.code != "UNAVAILABLE":
                assert error.code == "UNAUTHENTICATED"
                return
        assert time.monotonic() < deadline, "a disabled principal still reads"
        await asyncio.sleep(0.1)


async def _heats_up(client) -> None:
    """Uses are counted again: the task that writes them lives."""
    deadline = time.monotonic() + _BACK_S
    name = f"{VAULT}/cubes/two"
    while not (cube := (await client.vault.get_cube(name=name)).cube).behavioural.heat:
        assert time.monotonic() < deadline, f"no use is counted: {cube.behavioural}"
        await asyncio.sleep(0.3)
