"""Calls to peers whose answers are read message by message."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from memporium.inference.v1 import convert_pb2
from memporium_platform.errors import PlatformError
from memporium_services.scheduler.adapters.grpc_services import GrpcServices
from memporium_services.scheduler.adapters.peer_errors import reading

PROGRESS = convert_pb2.ConversionProgress(stage="CONVERSION_STAGE_COMPUTING", completed=1, total=2)


class Stream:
    """A call that says how far it is, again and again, and notes that it was ended."""

    def __init__(self, error=None):
        self.error, self.cancelled = error, 0

    def cancel(self):
        self.cancelled += 1

    async def __aiter__(self):
        while True:
            if self.error is not None:
                raise self.error
            yield convert_pb2.TrainParameterResponse(progress=PROGRESS)


async def test_a_job_that_is_cancelled_while_it_notes_its_progress_ends_the_call():
    stream, noting = Stream(), asyncio.Event()

    async def report(*_):
        noting.set()
        await asyncio.Event().wait()

    job = asyncio.create_task(GrpcServices._converted(None, stream, report))
    await noting.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert stream.cancelled == 1


async def test_a_failure_in_the_midst_is_told_in_our_words():
    status = (grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), grpc.aio.Metadata())
    stream = Stream(grpc.aio.AioRpcError(*status))
    with pytest.raises(PlatformError, match="another service failed"), reading(stream) as responses:
        async for _ in responses:
            pass
    assert stream.cancelled == 1
