"""What pipelines write of memories goes when those are forgotten, named as parents or not, then or in that moment."""

from __future__ import annotations

import pytest
import yaml
from google.protobuf.json_format import ParseDict

from memporium.scheduler.v1 import job_pb2, pipeline_pb2
from memporium.scheduler.v1 import pipeline_calls_pb2 as pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CUBE_VIEW_FULL, NewCube
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_services.scheduler.adapters.grpc_memory import GrpcMemory
from support.platform import running_platform
from support.vaults import cell

PARENT = "orgs/acme/vaults/notes"
SECRET = f"{PARENT}/cubes/secret"
# Nowhere does it name parents: that the text of one step went into another is enough.
STEPS = """
steps:
- {id: find, retrieve: {query: tax number, limit: 1}}
- {id: sum, augment: {prompt: "${steps.find.context}", model: none}}
- {id: keep, update: {text: "${steps.sum.text}"}}
- {id: change, update: {cube: "orgs/acme/vaults/notes/cubes/own", text: "${steps.sum.text}"}}
- {id: note, remember: {text: "We looked ${steps.sum.text} up."}}
- {id: count, remember: {text: "There were ${steps.find.count} of them.", session: apart}}
"""


class Place:
    """A vault and the scheduler, as the owner sees them."""

    def __init__(self, channel):
        self.vault, self.jobs = VaultServiceStub(channel), SchedulerServiceStub(channel)

    async def run(self):
        definition = ParseDict(yaml.safe_load(STEPS), pipeline_pb2.Pipeline())
        request = pb.RunPipelineRequest(parent="orgs/acme", definition=definition, vault=PARENT)
        name, last = (await self.jobs.RunPipeline(request)).run.name, None
        async for response in self.jobs.WatchPipelineRun(pb.WatchPipelineRunRequest(name=name)):
            last = response.run
        assert (last.state, last.error) == (job_pb2.JOB_STATE_SUCCEEDED, "")

    async def forget(self, **more):
        return await self.vault.ForgetCubes(api.ForgetCubesRequest(parent=PARENT, names=[SECRET], **more))

    async def texts(self):
        """Return what all cubes say, by name."""
        request = api.ListCubesRequest(parent=PARENT, view=CUBE_VIEW_FULL, page_size=100)
        cubes = (await self.vault.ListCubes(request)).cubes
        return {cube.name: str(cube.payload.plaintext.mem_cell) for cube in cubes}


@pytest.fixture
async def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_RETRY_INITIAL_S", "0.05")
    async with running_platform(("vault", "inference", "reader", "scheduler"), data_dir=tmp_path) as platform:
        made = Place(platform.channel((await platform.organisation("acme")).owner_key))
        await made.vault.CreateVault(api.CreateVaultRequest(parent="orgs/acme", vault_id="notes"))
        texts = {"secret": "Her tax number is 4711.", "own": "Own words.", "bus": "The bus leaves at nine."}
        news = [NewCube(cube_id=one, cube=cell(text)) for one, text in texts.items()]
        await made.vault.BatchCreateCubes(api.BatchCreateCubesRequest(parent=PARENT, cubes=news))
        yield made


async def test_what_a_run_wrote_of_a_memory_goes_with_it(place):
    await place.run()
    held = await place.texts()
    assert sum("4711" in text for text in held.values()) == 4
    seen = await place.forget(dry_run=True)
    assert len(seen.candidates) == 4
    assert (await place.forget()).receipt.cubes == 4
    left = await place.texts()
    assert left == {name: text for name, text in held.items() if "4711" not in text}
    # What used the number of statements alone was made of none.
    assert sum("There were 1 of them." in text for text in left.values()) == 1


async def test_what_is_forgotten_just_before_a_run_commits_is_not_in_what_it_writes(place, monkeypatch):
    commit, forgotten = GrpcMemory.commit, []

    async def forget_first(self, *args, **more):
        if not forgotten:
            forgotten.append(await place.forget())
        return await commit(self, *args, **more)

    monkeypatch.setattr(GrpcMemory, "commit", forget_first)
    await place.run()
    texts = (await place.texts()).values()
    # The steps ran anew, and found what was left.
    assert not any("4711" in text for text in texts)
    assert sum("There were 1 of them." in text for text in texts) == 1
