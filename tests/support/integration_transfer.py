"""A publisher with a sealed release and a reader with an agreement, over real gRPC."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from memporium.transfer.v1 import transfer_pb2
from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium_platform.call import Principal, PrincipalKind, acting_as
from memporium_platform.errors import PlatformError
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform
from support.portable import EmailDetector, Marketplace, PortableVaults

LISTING = "orgs/press/listings/facts"
SOURCE = "orgs/press/vaults/facts"
STEPS = [name.removeprefix("VERIFICATION_STEP_") for name in transfer_pb2.VerificationStep.keys()[1:]]


@dataclass
class Scene:
    """What a test of transfer talks to."""

    platform: Any
    vaults: PortableVaults
    market: Marketplace
    press: TransferServiceStub
    reader: TransferServiceStub
    thief: TransferServiceStub
    agreement: str = ""
    data_dir: Any = None

    async def seal(self, version: str = "1.0.0", **fields) -> Any:
        """Seal a release as memstore does, and publish it."""
        stub = self.platform.kernel.channels.bind("memstore").stub(TransferServiceStub)
        values = {
            "parent": "orgs/press",
            "vault": SOURCE,
            "listing": LISTING,
            "version": version,
            "terms_sha256": "ab" * 32,
            "request_id": str(uuid.uuid4()),
        }
        owner = Principal("orgs/press/principals/owner", "press", PrincipalKind.USER)
        with acting_as(owner):
            response = await stub.SealRelease(pb.SealReleaseRequest(**(values | fields)))
        self.market.publish(LISTING, version, response.bundle.name)
        return response

    async def pull(self, stub: Any = None, **fields) -> Any:
        """Pull the newest release; return steps and result."""
        values = {"parent": "orgs/reader", "agreement": self.agreement, "request_id": str(uuid.uuid4())}
        return await collect((stub or self.reader).PullBundle(pb.PullBundleRequest(**(values | fields))))

    def objects(self, kind: str = "lines"):
        """Return the files of stored objects of a kind."""
        return [path for path in self.data_dir.rglob("*") if path.is_file() and f"/{kind}/" in str(path)]


async def collect(stream: Any) -> tuple[list[str], Any]:
    """Read a stream to its end; return the names of its steps and its last other event."""
    steps, last = [], None
    async for response in stream:
        kind = response.WhichOneof("event")
        if kind == "step":
            steps.append(transfer_pb2.VerificationStep.Name(response.step.step).removeprefix("VERIFICATION_STEP_"))
        elif kind != "progress":
            last = getattr(response, kind)
    return steps, last


async def refusal(awaitable: Any) -> PlatformError:
    """Return the error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaitable
    return reason_of(caught.value)


@asynccontextmanager
async def running_scene(folder, **settings):
    vaults, market = PortableVaults(), Marketplace()
    modules = [vaults, market, EmailDetector()]
    async with running_platform(("transfer",), data_dir=folder, modules=modules, **settings) as platform:
        stubs = {}
        for org in ("press", "reader", "thief"):
            made = await platform.organisation(org)
            stubs[org] = TransferServiceStub(platform.channel(made.owner_key))
        agreement = market.agree("orgs/press", "orgs/reader", LISTING)
        yield Scene(platform, vaults, market, agreement=agreement, data_dir=folder, **stubs)
