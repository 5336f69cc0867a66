"""What it costs to make writes as one: a set of changes beside the same changes one by one, and a run beside the calls that
its steps make. One JSON object on stdout.

    python tests/benchmarks/bench_pipelines.py [--rounds 20]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from memporium.reader.v1 import remember_pb2, scenes_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.scheduler.v1 import job_pb2, pipeline_pb2
from memporium.scheduler.v1 import pipeline_calls_pb2 as pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import changes_pb2, cubes_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.platform import running_platform
from support.vaults import cell

ORG = "orgs/acme"
_CHANGES = 20


def _turns(number: int) -> list[remember_pb2.Turn]:
    turns = []
    for place in range(6):
        turn = remember_pb2.Turn(
            id=f"t{place}", speaker="Ada", text=f"Talk {number}, remark {place}: boats and harbours."
        )
        turn.time.FromDatetime(datetime(2024, 5, 8, 10, place, tzinfo=UTC))
        turns.append(turn)
    return turns


async def _session(parent, number):
    yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=parent, session=f"s{number}"))
    for turn in _turns(number):
        yield remember_pb2.RememberRequest(turn=turn)


async def _timed(work) -> float:
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1000


async def _one_by_one(vault, parent, number):
    for place in range(_CHANGES):
        cube = cell(f"fact {number} {place} of the series apart")
        await vault.CreateCube(vault_service_pb2.CreateCubeRequest(parent=parent, cube=cube))


async def _as_one(vault, parent, number):
    changes = [
        changes_pb2.Change(create=cubes_pb2.NewCube(cube=cell(f"fact {number} {place} of the series together")))
        for place in range(_CHANGES)
    ]
    await vault.ApplyChanges(changes_pb2.ApplyChangesRequest(parent=parent, changes=changes))


async def _calls(reader, parent, number):
    await reader.Remember(_session(parent, number))
    await reader.Consolidate(scenes_pb2.ConsolidateRequest(parent=parent))


async def _run(jobs, parent, number):
    inputs = {
        "turns": pipeline_pb2.PipelineValue(turns=pipeline_pb2.Turns(turns=_turns(number))),
        "session": pipeline_pb2.PipelineValue(text=f"s{number}"),
    }
    request = pb.RunPipelineRequest(parent=ORG, pipeline=f"{ORG}/pipelines/remember", vault=parent, inputs=inputs)
    run = (await jobs.RunPipeline(request)).run
    async for response in jobs.WatchPipelineRun(pb.WatchPipelineRunRequest(name=run.name)):
        run = response.run
    if run.state != job_pb2.JOB_STATE_SUCCEEDED:
        raise SystemExit(run.error)


async def measure(rounds: int, folder: Path) -> dict[str, float]:
    """Return medians in milliseconds."""
    async with running_platform(("vault", "inference", "reader", "scheduler"), data_dir=folder) as platform:
        channel = platform.channel((await platform.organisation("acme")).owner_key)
        vault, jobs, reader = VaultServiceStub(channel), SchedulerServiceStub(channel), ReaderServiceStub(channel)
        for name in ("apart", "together", "calls", "runs"):
            await vault.CreateVault(vault_service_pb2.CreateVaultRequest(parent=ORG, vault_id=name))
        found: dict[str, list[float]] = {"one_by_one": [], "as_one": [], "calls": [], "run": []}
        for number in range(rounds + 1):
            times = {
                "one_by_one": await _timed(_one_by_one(vault, f"{ORG}/vaults/apart", number)),
                "as_one": await _timed(_as_one(vault, f"{ORG}/vaults/together", number)),
                "calls": await _timed(_calls(reader, f"{ORG}/vaults/calls", number)),
                "run": await _timed(_run(jobs, f"{ORG}/vaults/runs", number)),
            }
            for name, value in times.items():
                found[name] += [value] if number else []  # the first round opens files and connections
    return {f"{name}_ms_p50": round(statistics.median(values), 1) for name, values in found.items()}


def main() -> None:
    """Print the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=20)
    rounds = options.parse_args().rounds
    os.environ |= {
        "MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": "hashing-384",
        "MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S": "0",
    }
    with tempfile.TemporaryDirectory() as folder:
        answer = asyncio.run(measure(rounds, Path(folder)))
    print(json.dumps({"rounds": rounds, "changes": _CHANGES, **answer}))


if __name__ == "__main__":
    main()
