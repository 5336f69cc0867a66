"""Moves of memory between its forms, by gRPC."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from memporium.cube.v1 import cube_pb2
from memporium.inference.v1 import tier_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.memstore.v1 import licence_calls_pb2, terms_pb2
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium.vault.v1 import cubes_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.tiering.policies import Item
from memporium_platform.tiering.simulation import Access
from memporium_services.scheduler.adapters.peer_errors import peer_errors
from memporium_services.scheduler.domain.conversions import Memory, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.rpc.channels import Channels

_PAGE = 1000
# A strategy takes up to 0.3 ms a use: what one call replays stays within seconds.
_MOST_USES = 4_000
_STATES = [
    cube_pb2.CUBE_STATE_GENERATED,
    cube_pb2.CUBE_STATE_ACTIVATED,
    cube_pb2.CUBE_STATE_MERGED,
    cube_pb2.CUBE_STATE_ARCHIVED,
    # What was undone lately rests a while.
    cube_pb2.CUBE_STATE_EXPIRED,
]
_ACTIONS = {
    Target.ACTIVATION: terms_pb2.LICENCE_ACTION_MATERIALISE_KV,
    Target.PARAMETER: terms_pb2.LICENCE_ACTION_DERIVE_LORA,
}


class GrpcMoves:
    """`Moves` over the kernel's channels."""

    def __init__(self, channels: Channels) -> None:
        """Call as the scheduler."""
        self._vault: Any = channels.stub(VaultServiceStub)
        self._inference: Any = channels.stub(InferenceServiceStub)
        self._memstore: Any = channels.stub(MemstoreServiceStub)

    async def memories(self, vault: str, limit: int) -> tuple[list[Memory], bool]:
        """Return the memories of a vault and of what it mounts, and whether there are more."""
        found: list[Memory] = []
        for name in [vault, *await self._mounted(vault)]:
            token = ""
            while True:
                request = vault_service_pb2.ListCubesRequest(
                    parent=name, page_size=_PAGE, page_token=token, view=cubes_pb2.CUBE_VIEW_BASIC
                )
                request.filter.states.extend(_STATES)
                with peer_errors():
                    response = await self._vault.ListCubes(request)
                found.extend(map(memory, response.cubes))
                token = response.next_page_token
                if len(found) > limit:
                    return found[:limit], True
                if not token:
                    break
        return found, False

    async def _mounted(self, vault: str) -> list[str]:
        request = vault_service_pb2.ListMountsRequest(parent=vault, page_size=_PAGE)
        with peer_errors():
            response = await self._vault.ListMounts(request)
        return [mount.vault for mount in response.mounts if not mount.ended]

    async def refusal(self, agreement: str, target: Target) -> str:
        """Return why an agreement forbids a conversion of text, or "" where it allows it."""
        use = licence_calls_pb2.ImaginedUse(action=_ACTIONS[target], form=cube_pb2.MEMORY_FORM_PLAINTEXT)
        request = licence_calls_pb2.ExplainTermsRequest(agreement=agreement, use=use)
        with peer_errors():
            verdict = (await self._memstore.ExplainTerms(request)).verdict
        if verdict.answer == licence_calls_pb2.Verdict.ANSWER_PERMITTED:
            return ""
        return str(verdict.message or verdict.term or "the terms do not allow it")

    async def find(self, cube: str) -> Memory:
        """Return one memory."""
        request = vault_service_pb2.GetCubeRequest(name=cube, view=cubes_pb2.CUBE_VIEW_BASIC)
        with peer_errors():
            return memory((await self._vault.GetCube(request)).cube)

    async def expire(self, cube: str, *, reason: str, request_id: str) -> cube_pb2.Cube:
        """Let a memory expire; one that has is returned as it is."""
        request = vault_service_pb2.ExpireCubeRequest(name=cube, reason=reason, request_id=request_id)
        try:
            with peer_errors():
                changed: cube_pb2.Cube = (await self._vault.ExpireCube(request)).cube
        except PlatformError as error:
            if error.reason is not Reason.ILLEGAL_TRANSITION:
                raise
            basic = vault_service_pb2.GetCubeRequest(name=cube, view=cubes_pb2.CUBE_VIEW_BASIC)
            with peer_errors():
                changed = (await self._vault.GetCube(basic)).cube
            if changed.governance.state != cube_pb2.CUBE_STATE_EXPIRED:
                raise
        return changed

    async def activate(self, cube: str, *, reason: str, request_id: str) -> None:
        """Bring a memory back from the archive."""
        request = vault_service_pb2.ActivateCubeRequest(name=cube, reason=reason, request_id=request_id)
        with peer_errors():
            await self._vault.ActivateCube(request)

    async def trace(self, org: str) -> Sequence[Access]:
        """Return the recorded uses of an organisation, oldest first."""
        found: list[Access] = []
        request = tier_pb2.ReadTierTraceRequest(parent=f"orgs/{org}", max_uses=_MOST_USES)
        with peer_errors():
            async for response in self._inference.ReadTierTrace(request):
                for use in response.uses:
                    at = use.use_time.seconds + use.use_time.nanos / 1e9
                    found.append(Access(at, Item(use.key or use.cube, use.size_bytes, use.saved_s), use.agent))
        return found


def memory(cube: cube_pb2.Cube) -> Memory:
    """Return a cube without its payload as a memory."""
    descriptive, governance, behavioural = cube.descriptive, cube.governance, cube.behavioural
    return Memory(
        cube=cube.name,
        size_bytes=cube.payload_bytes,
        heat=behavioural.heat,
        create_time=descriptive.create_time.ToDatetime(tzinfo=UTC),
        update_time=descriptive.update_time.ToDatetime(tzinfo=UTC),
        state=cube_pb2.CubeState.Name(governance.state).removeprefix("CUBE_STATE_"),
        semantic_type=cube_pb2.SemanticType.Name(descriptive.semantic_type).removeprefix("SEMANTIC_TYPE_"),
        ends=governance.lifespan.HasField("ttl") or governance.HasField("expire_time"),
        archived=behavioural.tier == cube_pb2.STORAGE_TIER_ARCHIVE,
        pinned=governance.frozen or governance.legal_hold,
        derivation=behavioural.lineage.derivation,
        parents=tuple(behavioural.lineage.parents),
        labels=frozenset(descriptive.tags),
        agreements=frozenset(licence.agreement for licence in governance.licences),
    )
