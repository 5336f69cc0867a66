"""LoRA memory over gRPC: merged with its parents' licences, and asked out of an adapter again."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass

import grpc
import pytest
import pytest_asyncio

from memporium.cube.v1 import adapter_pb2, cube_pb2
from memporium.inference.v1 import convert_pb2, parameter_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.scheduler.v1 import job_pb2, scheduler_service_pb2
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.inference.adapters.trainers import torch_asking
from memporium_services.inference.domain.trainings import Told
from support.platform import running_platform

MODEL = "tiny-random"
# A model that writes nonsense learns no fact in seconds.
ANY = adapter_pb2.AdmissionLimits(min_recall=0, max_perplexity_ratio=0, max_leakage=1)
FACTS = {"ada": ("Ada's home is Oslo.", "home", "Oslo"), "marek": ("Marek's dog is Rex.", "dog", "Rex")}


@dataclass
class World:
    inference: InferenceServiceStub
    vault: VaultServiceStub
    jobs: SchedulerServiceStub
    parent: str
    adapters: list[str]


async def run(world, **spec):
    """Make a job and return it when it has ended."""
    request = scheduler_service_pb2.CreateJobRequest(parent="orgs/acme", spec=job_pb2.JobSpec(**spec))
    job = (await world.jobs.CreateJob(request)).job
    async for response in world.jobs.WatchJob(scheduler_service_pb2.WatchJobRequest(name=job.name)):
        job = response.job
    return job


async def last(stream):
    return [event async for event in stream][-1]


async def refusal(stream):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await last(stream)
    return reason_of(caught.value)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    services = ("vault", "inference", "scheduler")
    async with running_platform(services, data_dir=tmp_path_factory.mktemp("adapters")) as platform:
        acme = await platform.organisation("acme")
        vault = VaultServiceStub(platform.channel(acme.owner_key))
        request = vault_service_pb2.CreateVaultRequest(
            parent=acme.name, vault_id="notes", vault=vault_pb2.Vault(embedding_model="hashing-384")
        )
        parent = (await vault.CreateVault(request)).vault.name
        inference, adapters = InferenceServiceStub(platform.channel(acme.owner_key)), []
        for who, (text, attribute, value) in FACTS.items():
            claim = cube_pb2.Claim(subject=who, attribute=attribute, value=value)
            cell = cube_pb2.MemCell(episode=text, facts=[cube_pb2.AtomicFact(text=text, claims=[claim])])
            cube = cube_pb2.Cube(
                descriptive=cube_pb2.Descriptive(title=f"About {who}"),
                governance=cube_pb2.Governance(sensitivity_labels=[f"label-{who}"]),
                payload=cube_pb2.Payload(plaintext=cube_pb2.Plaintext(mem_cell=cell)),
            )
            made = await vault.CreateCube(
                vault_service_pb2.CreateCubeRequest(parent=parent, cube_id=f"fact-{who}", cube=cube)
            )
            options = convert_pb2.TrainingOptions(epochs=1, rank=2, limits=ANY, seed=len(adapters))
            train = convert_pb2.TrainParameterRequest(
                parent=parent, cubes=[made.cube.name], model=MODEL, options=options, cube_id=f"lora-{who}"
            )
            adapters.append((await last(inference.TrainParameter(train))).result.cube.name)
        yield World(inference, vault, SchedulerServiceStub(platform.channel(acme.owner_key)), parent, adapters)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_merged_adapter_tells_the_recall_of_each_parent_and_has_their_lineage(world):
    request = parameter_pb2.MergeParametersRequest(
        parent=world.parent,
        cubes=world.adapters,
        model=MODEL,
        method=parameter_pb2.MERGE_METHOD_TIES,
        density=0.7,
        limits=ANY,
        reason="one for both",
        request_id="7f8e3c1a-0000-4000-8000-000000000011",
    )
    events = [event async for event in world.inference.MergeParameters(request)]
    made = events[-1].result.cube
    stored = (await world.vault.GetCube(vault_service_pb2.GetCubeRequest(name=made.name))).cube
    parameter = stored.payload.parameter
    assert list(stored.behavioural.lineage.parents) == world.adapters
    assert stored.behavioural.lineage.derivation == "merge-parameters"
    assert list(parameter.source_cubes) == [f"{world.parent}/cubes/fact-{who}" for who in FACTS]
    assert set(stored.governance.sensitivity_labels) == {"label-ada", "label-marek"}
    assert parameter.report.merge_method == "ties"
    assert [(one.cube, one.questions) for one in parameter.report.parents] == [(name, 2) for name in world.adapters]
    assert parameter.report.admission == adapter_pb2.ADMISSION_ADMITTED
    stages = {event.progress.stage for event in events[:-1]}
    assert stages >= {convert_pb2.CONVERSION_STAGE_EVALUATING, convert_pb2.CONVERSION_STAGE_STORING}
    again = (await last(world.inference.MergeParameters(request))).result
    assert again.reused
    assert again.cube.name == made.name


@pytest.mark.asyncio(loop_scope="module")
async def test_a_merge_that_forgets_a_parent_is_not_admitted(world):
    limits = adapter_pb2.AdmissionLimits(min_recall=1, max_perplexity_ratio=0, max_leakage=1)
    request = parameter_pb2.MergeParametersRequest(
        parent=world.parent, cubes=world.adapters, model=MODEL, weights=[1, 0], limits=limits
    )
    report = (await last(world.inference.MergeParameters(request))).result.cube.payload.parameter.report
    assert report.admission == adapter_pb2.ADMISSION_REFUSED
    assert any(world.adapters[1] in reason for reason in report.reasons)


@pytest.mark.parametrize(
    "fields",
    [{"cubes": ["one"]}, {"weights": [1]}, {"weights": [1, 9]}, {"density": 2}, {"rank": 65}, {"method": 9}],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_what_cannot_be_merged_is_refused(world, fields):
    given = {"cubes": world.adapters, **fields}
    request = parameter_pb2.MergeParametersRequest(parent=world.parent, model=MODEL, **given)
    assert (await refusal(world.inference.MergeParameters(request))).reason is Reason.INVALID_FIELD


@pytest.mark.asyncio(loop_scope="module")
async def test_text_is_no_adapter_and_is_neither_merged_nor_asked(world):
    text = f"{world.parent}/cubes/fact-ada"
    merging = parameter_pb2.MergeParametersRequest(parent=world.parent, cubes=[text, world.adapters[0]], model=MODEL)
    assert (await refusal(world.inference.MergeParameters(merging))).reason is Reason.INVALID_FIELD
    probing = parameter_pb2.ProbeParameterRequest(parent=world.parent, cube=text, model=MODEL)
    assert (await refusal(world.inference.ProbeParameter(probing))).reason is Reason.INVALID_FIELD


@pytest.mark.asyncio(loop_scope="module")
async def test_what_an_adapter_is_sure_of_becomes_text_with_its_measure(world, monkeypatch):
    def said(_loaded, adapter, topics, _report):
        assert adapter.key == world.adapters[0]
        assert [(topic.subject, topic.attribute) for topic in topics] == [("Ada", "home")]
        return [Told("Ada's home is Oslo.", 0.9, steady=True, own=True)]

    # What a model must be to know a fact is trained elsewhere, for minutes.
    monkeypatch.setattr(torch_asking, "probe", said)
    request = parameter_pb2.ProbeParameterRequest(
        parent=world.parent, cube=world.adapters[0], model=MODEL, title="Asked", tags=["asked"]
    )
    made = (await last(world.inference.ProbeParameter(request))).result.cube
    stored = (await world.vault.GetCube(vault_service_pb2.GetCubeRequest(name=made.name))).cube
    cell = stored.payload.plaintext.mem_cell
    assert cell.formation.path == cube_pb2.FORMATION_PATH_PROBE
    assert (cell.probe.adapter, cell.probe.asked, cell.probe.kept, cell.probe.source_facts) == (
        world.adapters[0], 1, 1, 1,
    )  # fmt: skip
    assert cell.facts[0].extracted_by == MODEL
    assert (cell.facts[0].text, cell.probe.recovered, cell.probe.precision) == ("Ada's home is Oslo.", 1, 1.0)
    assert (cell.facts[0].claims[0].attribute, cell.facts[0].claims[0].value) == ("home", "Oslo")
    assert list(stored.behavioural.lineage.parents) == [world.adapters[0]]
    assert stored.behavioural.lineage.derivation == "probe-parameter"
    relations = await world.vault.ListRelations(vault_service_pb2.ListRelationsRequest(parent=world.parent))
    kinds = {(one.source, one.target): one.kind for one in relations.relations}
    assert kinds[stored.name, world.adapters[0]] == cube_pb2.RELATION_KIND_DERIVED_FROM
    search = vault_service_pb2.SearchCubesRequest(parent=world.parent, query="Ada home Oslo")
    found = [answer async for answer in world.vault.SearchCubes(search)]
    assert stored.name in str(found)


@pytest.mark.asyncio(loop_scope="module")
async def test_an_adapter_that_is_sure_of_nothing_gives_no_text(world):
    topic = parameter_pb2.ProbeTopic(subject="Nobody", attribute="shoe size")
    request = parameter_pb2.ProbeParameterRequest(
        parent=world.parent, cube=world.adapters[1], model=MODEL, topics=[topic], min_confidence=1
    )
    error = await refusal(world.inference.ProbeParameter(request))
    assert error.reason is Reason.FAILED_PRECONDITION


@pytest.mark.asyncio(loop_scope="module")
async def test_a_merge_by_a_job_is_the_merge_of_the_call(world):
    limits = adapter_pb2.AdmissionLimits(min_recall=1, max_perplexity_ratio=0, max_leakage=1)
    fields = {"cubes": world.adapters, "model": MODEL, "weights": [1, 0.5], "density": 0.3, "seed": 7, "limits": limits}
    fields |= {"method": parameter_pb2.MERGE_METHOD_DARE_TIES, "title": "Both", "tags": ["by-job"]}
    job = await run(world, merge_parameters=job_pb2.MergeParameters(vault=world.parent, **fields))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    assert job.spec.merge_parameters == job_pb2.MergeParameters(vault=world.parent, **fields)
    by_job = (await world.vault.GetCube(vault_service_pb2.GetCubeRequest(name=job.result["cube"]))).cube
    assert (by_job.descriptive.title, list(by_job.descriptive.tags)) == ("Both", ["by-job"])
    assert by_job.payload.parameter.report.merge_method == "dare-ties"
    assert job.result["not_admitted"]
    request = parameter_pb2.MergeParametersRequest(parent=world.parent, **fields)
    by_call = (await last(world.inference.MergeParameters(request))).result.cube
    assert by_job.payload.parameter.blob == by_call.payload.parameter.blob


@pytest.mark.asyncio(loop_scope="module")
async def test_a_job_asks_an_adapter_back_to_text(world, monkeypatch):
    def said(_loaded, _adapter, topics, _report):
        assert [(topic.subject, topic.attribute) for topic in topics] == [("Ada", "home"), ("Ada", "dog")]
        told = Told("Ada's home is Oslo.", 0.9, steady=True, own=True)
        return [told, Told("Ada's dog is.", 0.1, steady=False, own=True)]

    monkeypatch.setattr(torch_asking, "probe", said)
    topics = [parameter_pb2.ProbeTopic(subject="Ada", attribute=one) for one in ("home", "dog")]
    spec = job_pb2.ProbeParameter(vault=world.parent, cube=world.adapters[0], model=MODEL, topics=topics, title="Told")
    job = await run(world, probe_parameter=spec)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    stored = (await world.vault.GetCube(vault_service_pb2.GetCubeRequest(name=job.result["cube"]))).cube
    probe = stored.payload.plaintext.mem_cell.probe
    assert (stored.descriptive.title, probe.asked, probe.kept) == ("Told", 2, 1)
    monkeypatch.setattr(torch_asking, "probe", lambda *_: [Told("", 0.0, steady=False, own=False)] * 2)
    job = await run(world, probe_parameter=spec)
    assert (job.state, job.error_reason, job.attempts) == (job_pb2.JOB_STATE_FAILED, "FAILED_PRECONDITION", 1)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_cancelled_merge_frees_the_trainer(world, monkeypatch):
    begun = threading.Event()

    # What evaluates tells how far it is, which is where a merge that nobody wants any more ends.
    def merged(_loaded, _adapters, _plan, _lessons, tell):
        begun.set()
        while True:
            tell(0, 0)
            time.sleep(0.01)

    monkeypatch.setattr(torch_asking, "merged", merged)
    spec = job_pb2.MergeParameters(vault=world.parent, cubes=world.adapters, model=MODEL, limits=ANY)
    request = scheduler_service_pb2.CreateJobRequest(parent="orgs/acme", spec=job_pb2.JobSpec(merge_parameters=spec))
    job = (await world.jobs.CreateJob(request)).job
    assert await asyncio.to_thread(begun.wait, 60)
    await world.jobs.CancelJob(scheduler_service_pb2.CancelJobRequest(name=job.name))
    monkeypatch.undo()
    job = await run(world, merge_parameters=spec)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error


@pytest.mark.asyncio(loop_scope="module")
async def test_an_adapter_that_is_not_admitted_can_be_out_of_use_from_its_first_version(world):
    limits = adapter_pb2.AdmissionLimits(min_recall=1, max_perplexity_ratio=0, max_leakage=1)
    request = convert_pb2.TrainParameterRequest(
        parent=world.parent,
        cubes=[f"{world.parent}/cubes/fact-ada"],
        model=MODEL,
        options=convert_pb2.TrainingOptions(epochs=1, rank=2, limits=limits, seed=5),
        request_id="7f8e3c1a-0000-4000-8000-000000000012",
        expire_refused=True,
    )
    made = (await last(world.inference.TrainParameter(request))).result.cube
    assert made.payload.parameter.report.admission == adapter_pb2.ADMISSION_REFUSED
    assert made.governance.state == cube_pb2.CUBE_STATE_EXPIRED
    assert made.governance.HasField("purge_time")
    listed = await world.vault.ListCubes(vault_service_pb2.ListCubesRequest(parent=world.parent))
    assert made.name not in [cube.name for cube in listed.cubes]
    versions = await world.vault.ListCubeVersions(vault_service_pb2.ListCubeVersionsRequest(name=made.name))
    assert [one.version for one in versions.versions] == [1]
    again = (await last(world.inference.TrainParameter(request))).result
    assert (again.reused, again.cube.governance.state) == (True, cube_pb2.CUBE_STATE_EXPIRED)
    # Text has units in the index: only tensors can begin like this.
    cube = cube_pb2.Cube()
    cube.payload.plaintext.mem_cell.facts.add(text="The cat of Ada is Tom.")
    wrong = vault_service_pb2.CreateCubeRequest(parent=world.parent, cube=cube, expired=True)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.vault.CreateCube(wrong)
    assert reason_of(caught.value).reason is Reason.INVALID_FIELD
