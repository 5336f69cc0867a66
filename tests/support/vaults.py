"""Helpers for tests that talk to the vault: cubes, errors, and a memstore that says what the test wants."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np

from memporium.cube.v1.cube_pb2 import AtomicFact, Cube, Descriptive, Document, MemCell, Payload, Plaintext
from memporium.memstore.v1 import entitlement_calls_pb2 as calls
from memporium.memstore.v1 import licence_calls_pb2, memstore_service_pb2_grpc
from memporium.memstore.v1.agreement_pb2 import Agreement
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import Vector
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.call import acting_as, current_call
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from memporium_platform.call import Principal

MODEL = "hashing-384"
DIMENSIONS = 384


def cell(*facts: str, context: str = "", **descriptive: Any) -> Cube:
    """Return a cube with a MemCell of these facts."""
    made = [AtomicFact(text=fact, context=context) for fact in facts]
    payload = Payload(plaintext=Plaintext(mem_cell=MemCell(facts=made)))
    return Cube(payload=payload, descriptive=Descriptive(**descriptive))


def document(title: str, text: str, **descriptive: Any) -> Cube:
    payload = Payload(plaintext=Plaintext(document=Document(title=title, text=text)))
    return Cube(payload=payload, descriptive=Descriptive(**descriptive))


def vector(seed: int) -> Vector:
    """Return a vector that depends on the seed alone."""
    return Vector(values=np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32).tolist())


async def reason(call: Any) -> Reason:
    """Return the reason by which a call is refused; fails where it is not."""
    try:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return reason_of(error).reason
    raise AssertionError("the call was not refused")


async def search(stub: Any, parent: str, query: str = "", **asked: Any) -> api.SearchCubesResponse:
    """Return all messages of a search as one."""
    whole = api.SearchCubesResponse()
    async for message in stub.SearchCubes(api.SearchCubesRequest(parent=parent, query=query, **asked)):
        whole.MergeFrom(message)
    return whole


class FakeMemstore(memstore_service_pb2_grpc.MemstoreServiceServicer):
    """A memstore whose agreements the test sets; counts uses by use id."""

    name = "memstore"

    def __init__(self) -> None:
        self.refused: dict[tuple[str, int], Reason] = {}
        self.reserved: dict[str, calls.ReserveUseRequest] = {}
        self.committed: dict[str, calls.CommitUseRequest] = {}
        self.released: list[str] = []
        # Whether the terms count more than calls, and what is refused once it is told how much there is.
        self.counted = False
        self.most_memories: int | None = None
        self.states: dict[str, calls.EntitlementState] = {}
        self._wake = asyncio.Event()

    def add_to(self, server: Any) -> None:
        memstore_service_pb2_grpc.add_MemstoreServiceServicer_to_server(self, server)

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def set_state(self, agreement: str, state: str, *, delete_on_expiry: bool = False, reason: str = "") -> None:
        """Tell watchers of an agreement's state."""
        number = Agreement.State.Value(f"STATE_{state}")
        self.states[agreement] = calls.EntitlementState(
            agreement=agreement,
            state=number,
            revision=len(self.states) + 1,
            delete_on_expiry=delete_on_expiry,
            reason=reason,
        )
        self._wake.set()
        self._wake = asyncio.Event()

    async def ReserveUse(self, request: calls.ReserveUseRequest, context: Any) -> calls.ReserveUseResponse:
        refusal = self.refused.get((request.agreement, request.action)) or self.refused.get((request.agreement, 0))
        if refusal is not None:
            raise PlatformError(refusal, "the licence does not permit it", metadata={"agreement": request.agreement})
        if self.most_memories is not None and request.units.memories > self.most_memories:
            raise PlatformError(Reason.LICENCE_QUOTA_EXHAUSTED, "too much", metadata={"agreement": request.agreement})
        self.reserved[request.use_id] = request
        return calls.ReserveUseResponse(attribution=f"by {request.agreement}", counted=self.counted)

    async def CommitUse(self, request: calls.CommitUseRequest, context: Any) -> calls.CommitUseResponse:
        self.committed[request.use_id] = request
        return calls.CommitUseResponse()

    async def ReleaseUse(self, request: calls.ReleaseUseRequest, context: Any) -> calls.ReleaseUseResponse:
        self.released.append(request.use_id)
        return calls.ReleaseUseResponse()

    async def ExplainTerms(
        self, request: licence_calls_pb2.ExplainTermsRequest, context: Any
    ) -> licence_calls_pb2.ExplainTermsResponse:
        """Say what would happen to a use, and count nothing."""
        refused = {(request.agreement, request.use.action), (request.agreement, 0)} & set(self.refused)
        verdict = licence_calls_pb2.Verdict(answer=licence_calls_pb2.Verdict.ANSWER_PERMITTED)
        if refused:
            denied = licence_calls_pb2.Verdict.ANSWER_DENIED
            verdict = licence_calls_pb2.Verdict(answer=denied, message="the licence does not permit it")
        return licence_calls_pb2.ExplainTermsResponse(verdict=verdict)

    async def WatchEntitlements(
        self, request: calls.WatchEntitlementsRequest, context: Any
    ) -> AsyncIterator[calls.WatchEntitlementsResponse]:
        while True:
            wake = self._wake
            yield calls.WatchEntitlementsResponse(entitlements=list(self.states.values()), synced=True)
            await wake.wait()


class VaultPlace:
    """A platform with a vault service, seen by one organisation's owner."""

    def __init__(self, platform: Any, org: Any, memstore: FakeMemstore) -> None:
        self.platform = platform
        self.org = org
        self.memstore = memstore
        self.stub = VaultServiceStub(platform.channel(org.owner_key))

    async def as_principal(self, name: str) -> Any:
        """Return a stub of another principal of the organisation."""
        key = await self.platform.principal(self.org.id, name)
        return VaultServiceStub(self.platform.channel(key))

    async def vault(self, vault_id: str = "v", **fields: Any) -> str:
        """Make a vault; return its name."""
        request = api.CreateVaultRequest(parent=self.org.name, vault_id=vault_id, vault=fields or None)
        return (await self.stub.CreateVault(request)).vault.name

    async def create(self, parent: str, cube: Cube, **asked: Any) -> api.CreateCubeResponse:
        return await self.stub.CreateCube(api.CreateCubeRequest(parent=parent, cube=cube, **asked))

    def internal(self, service: str) -> Any:
        """Return a stub that calls as a service on behalf of whoever `acting_as` names."""
        return self.platform.kernel.channels.bind(service).stub(VaultServiceStub)


@asynccontextmanager
async def vault_place(data_dir: Path, org: str = "acme", **settings: Any) -> AsyncIterator[VaultPlace]:
    """Run the vault, the embedder and a fake memstore."""
    memstore = FakeMemstore()
    async with running_platform(("vault", "inference"), data_dir=data_dir, modules=[memstore], **settings) as platform:
        yield VaultPlace(platform, await platform.organisation(org), memstore)


__all__ = [
    "DIMENSIONS",
    "MODEL",
    "FakeMemstore",
    "Principal",
    "VaultPlace",
    "acting_as",
    "cell",
    "current_call",
    "document",
    "reason",
    "search",
    "vault_place",
    "vector",
]
