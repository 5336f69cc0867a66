"""A platform in a process of its own, to be killed: makes a job and holds it, or waits for its end."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from memporium.scheduler.v1 import job_pb2
from memporium.scheduler.v1 import scheduler_service_pb2 as pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from support.fake_vault import FakeVault
from support.platform import running_platform


async def main(folder: Path, what: str, name: str) -> None:
    vault = FakeVault()
    if what == "hold":
        vault.hold = asyncio.Event()
    async with running_platform(("scheduler",), data_dir=folder, modules=[vault]) as platform:
        org = await platform.organisation("acme")
        stub = SchedulerServiceStub(platform.channel(org.owner_key))
        if what == "hold":
            spec = job_pb2.JobSpec(sweep_vaults=job_pb2.SweepVaults())
            job = (await stub.CreateJob(pb.CreateJobRequest(parent=org.name, spec=spec))).job
            sys.stdout.write(job.name + "\n")
            while not vault.sweeps:
                await asyncio.sleep(0.02)
            sys.stdout.write("running\n")
            sys.stdout.flush()
            await asyncio.Event().wait()
        last = None
        async for response in stub.WatchJob(pb.WatchJobRequest(name=name)):
            last = response.job
        sys.stdout.write(f"{job_pb2.JobState.Name(last.state)} {last.attempts}\n")


if __name__ == "__main__":
    os.environ["MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S"] = "0"
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""))
