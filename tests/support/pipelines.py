"""A platform with some memories, and how pipelines are run on it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import yaml
from google.protobuf.json_format import ParseDict

from memporium.cube.v1 import cube_pb2
from memporium.reader.v1 import remember_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.scheduler.v1 import job_pb2, pipeline_pb2
from memporium.scheduler.v1 import pipeline_calls_pb2 as pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import cubes_pb2, vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.platform import running_platform
from support.vaults import cell

ORG, PARENT = "orgs/acme", "orgs/acme/vaults/notes"
FACTS = (
    "The boat in the harbour is painted green.",
    "The green boat leaks at the stern.",
    "Ana repaired the boat in March.",
    "Rice is kept in the tall jar.",
)
SUCCEEDED, FAILED = job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED


class Place:
    """A platform seen by one organisation's owner."""

    def __init__(self, platform, channel):
        self.platform, self.channel = platform, channel
        self.vault, self.jobs = VaultServiceStub(channel), SchedulerServiceStub(channel)
        self.reader = ReaderServiceStub(channel)

    async def begin(self, steps="", pipeline="", stub=None, **inputs):
        definition = None
        if steps:
            definition = ParseDict(yaml.safe_load(steps), pipeline_pb2.Pipeline())
        values = {name: _value(value) for name, value in inputs.items()}
        request = pb.RunPipelineRequest(
            parent=ORG, pipeline=pipeline, definition=definition, vault=PARENT, inputs=values
        )
        return (await (stub or self.jobs).RunPipeline(request)).run

    async def ended(self, name):
        last = None
        async for response in self.jobs.WatchPipelineRun(pb.WatchPipelineRunRequest(name=name)):
            last = response.run
        return last

    async def run(self, *args, **inputs):
        return await self.ended((await self.begin(*args, **inputs)).name)

    async def cubes(self):
        """Return state, tags, title of all cubes by name."""
        page = await self.vault.ListCubes(vault_service_pb2.ListCubesRequest(parent=PARENT, page_size=1000))
        # Reading counts as use, which is noted in the background: what is live is live.
        live = {cube_pb2.CUBE_STATE_GENERATED, cube_pb2.CUBE_STATE_ACTIVATED}
        return {
            one.name: (
                "LIVE" if one.governance.state in live else cube_pb2.CubeState.Name(one.governance.state)[11:],
                tuple(one.descriptive.tags),
                one.descriptive.title,
            )
            for one in page.cubes
        }


def _value(value):
    if isinstance(value, str):
        return pipeline_pb2.PipelineValue(text=value)
    if isinstance(value, float):
        return pipeline_pb2.PipelineValue(number=value)
    if value and isinstance(value[0], str):
        return pipeline_pb2.PipelineValue(cubes=pipeline_pb2.CubeNames(names=value))
    return pipeline_pb2.PipelineValue(turns=pipeline_pb2.Turns(turns=value))


def said(number, text, speaker="Ada"):
    turn = remember_pb2.Turn(id=f"t{number}", speaker=speaker, text=text)
    turn.time.FromDatetime(datetime(2023, 5, 8, 10, number, tzinfo=UTC))
    return turn


@pytest.fixture
async def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_RETRY_INITIAL_S", "0.05")
    async with running_platform(("vault", "inference", "reader", "scheduler"), data_dir=tmp_path) as platform:
        made = Place(platform, platform.channel((await platform.organisation("acme")).owner_key))
        create = vault_service_pb2.CreateVaultRequest(parent=ORG, vault_id="notes", vault=vault_pb2.Vault())
        await made.vault.CreateVault(create)
        news = [cubes_pb2.NewCube(cube_id=f"c{n}", cube=cell(fact)) for n, fact in enumerate(FACTS)]
        await made.vault.BatchCreateCubes(vault_service_pb2.BatchCreateCubesRequest(parent=PARENT, cubes=news))
        yield made
