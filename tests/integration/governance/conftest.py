"""A running governance service, and how its refusals are read."""

import grpc
import pytest

from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform


@pytest.fixture
async def platform(tmp_path):
    async with running_platform(("governance",), data_dir=tmp_path) as running:
        yield running


@pytest.fixture
def stub(platform):
    """Return a stub with a key and metadata."""
    return lambda key, **metadata: GovernanceServiceStub(platform.channel(key, **metadata))


@pytest.fixture
def refusal():
    """Return the error of a call that must fail."""

    async def wait(call):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        return reason_of(caught.value)

    return wait
