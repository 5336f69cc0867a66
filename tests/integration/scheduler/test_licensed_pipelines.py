"""Licensed memory in pipelines and deliveries: whatever is made of it carries its licence, or is not made."""

from __future__ import annotations

import asyncio

import pytest
import yaml
from google.protobuf.json_format import ParseDict

from memporium.cube.v1.cube_pb2 import LicenceReference
from memporium.scheduler.v1 import job_pb2, pipeline_pb2
from memporium.scheduler.v1 import pipeline_calls_pb2 as pb
from memporium.scheduler.v1 import scheduler_service_pb2 as jobs_pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CUBE_VIEW_FULL, PortableCube, UseAction
from memporium.vault.v1.vault_pb2 import VaultKind
from memporium_platform.call import Principal, PrincipalKind, acting_as
from memporium_platform.errors import Reason
from support.platform import running_platform
from support.vaults import FakeMemstore, VaultPlace, cell

AGREEMENT = "orgs/acme/agreements/a1"
LICENCE = LicenceReference(agreement=AGREEMENT, terms_sha256="ab" * 32, release="orgs/pub/listings/l/releases/r")
# Nowhere does it name the pack's cubes as parents: that the text of one step went into another is enough.
STEPS = """
steps:
- {id: find, retrieve: {query: bridges of steel}}
- {id: sum, augment: {prompt: "${steps.find.context}", model: none}}
- {id: keep, update: {title: Kept, text: "${steps.sum.text}"}}
- {id: note, remember: {text: "We looked ${steps.sum.text} up."}}
- {id: apart, remember: {text: "This has nothing to do with that.", session: apart}}
"""


async def _messages(parent, texts):
    yield api.ImportCubesRequest(header=api.ImportCubesHeader(parent=parent, licence=LICENCE))
    cubes = [PortableCube(cube=cell(text)) for text in texts]
    yield api.ImportCubesRequest(batch=api.ImportCubesBatch(cubes=cubes))
    yield api.ImportCubesRequest(end=api.ImportCubesEnd(cubes=len(cubes)))


@pytest.fixture
async def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    memstore, services = FakeMemstore(), ("vault", "inference", "reader", "scheduler")
    async with running_platform(services, data_dir=tmp_path, modules=[memstore]) as platform:
        org = await platform.organisation("acme")
        made = VaultPlace(platform, org, memstore)
        made.jobs = SchedulerServiceStub(platform.channel(org.owner_key))
        made.own = await made.vault("own")
        owner = Principal(name=f"{org.name}/principals/owner", org=org.id, kind=PrincipalKind.USER)
        with acting_as(owner):
            stub = made.internal("transfer")
            vault = {"kind": VaultKind.VAULT_KIND_INDUSTRY_SHARED, "read_only": True, "licence": LICENCE}
            await stub.CreateVault(api.CreateVaultRequest(parent=org.name, vault_id="pack", vault=vault))
            await stub.ImportCubes(_messages("orgs/acme/vaults/pack", ["bridges of steel rust without paint"]))
        await made.stub.CreateMount(api.CreateMountRequest(parent=made.own, mount={"vault": "orgs/acme/vaults/pack"}))
        yield made


async def _run(place):
    definition = ParseDict(yaml.safe_load(STEPS), pipeline_pb2.Pipeline())
    request = pb.RunPipelineRequest(parent="orgs/acme", definition=definition, vault=place.own)
    name, last = (await place.jobs.RunPipeline(request)).run.name, None
    async for response in place.jobs.WatchPipelineRun(pb.WatchPipelineRunRequest(name=name)):
        last = response.run
    return last


async def test_what_is_made_of_licensed_memory_carries_its_licence(place):
    run = await _run(place)
    assert (run.state, run.error) == (job_pb2.JOB_STATE_SUCCEEDED, "")
    cubes = (await place.stub.ListCubes(api.ListCubesRequest(parent=place.own, view=CUBE_VIEW_FULL))).cubes
    licensed = {one.payload.plaintext.mem_cell.episode: [a.agreement for a in one.governance.licences] for one in cubes}
    assert len(licensed) == 3
    for text, agreements in licensed.items():
        assert agreements == ([] if "nothing to do" in text else [AGREEMENT]), text
    assert UseAction.USE_ACTION_DERIVE_TEXT in {one.action for one in place.memstore.reserved.values()}


async def test_where_the_licence_forbids_it_nothing_is_written(place):
    place.memstore.refused[AGREEMENT, UseAction.USE_ACTION_DERIVE_TEXT] = Reason.LICENCE_NOT_PERMITTED
    run = await _run(place)
    assert (run.state, run.error_reason) == (job_pb2.JOB_STATE_FAILED, "LICENCE_NOT_PERMITTED")
    assert not (await place.stub.ListCubes(api.ListCubesRequest(parent=place.own))).cubes


async def test_deliveries_leave_licensed_memory_where_it_is(place):
    target = await place.vault("target")
    await _run(place)
    spec = job_pb2.JobSpec(deliver_cubes=job_pb2.DeliverCubes(vault=place.own, target=target))
    job = (await place.jobs.CreateJob(jobs_pb.CreateJobRequest(parent="orgs/acme", spec=spec))).job
    async with asyncio.timeout(120):
        async for response in place.jobs.WatchJob(jobs_pb.WatchJobRequest(name=job.name)):
            job = response.job
    assert (dict(job.result)["delivered"], dict(job.result)["skipped"]) == ("1", "2")
    assert len((await place.stub.ListCubes(api.ListCubesRequest(parent=target))).cubes) == 1
