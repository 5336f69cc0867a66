"""The vault service as the port `MemoryVault`: calls carry the token of the call in progress, so its rights count."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import grpc

from memporium.common.v1 import digest_pb2
from memporium.cube.v1 import cube_pb2
from memporium.vault.v1 import cubes_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform import names
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.inference.adapters.big_buffers import Buffers
from memporium_services.inference.adapters.cubes import to_cube, to_memory, to_text_cube
from memporium_services.inference.domain.memory import NewMemory, NewText, Use, UsedMemory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceAsyncStub
    from memporium_platform.rpc.channels import Channels
    from memporium_services.inference.ports import Blob

_CHUNK_BYTES = 512 << 10
_ACTIONS = {
    Use.INFER_WITH: cubes_pb2.USE_ACTION_INFER_WITH,
    Use.MATERIALISE_KV: cubes_pb2.USE_ACTION_MATERIALISE_KV,
    Use.DERIVE_LORA: cubes_pb2.USE_ACTION_DERIVE_LORA,
    Use.DERIVE_TEXT: cubes_pb2.USE_ACTION_DERIVE_TEXT,
}
# How a cube that is not there, or not for this caller, looks.
_ABSENT = frozenset({Reason.NOT_FOUND, Reason.PERMISSION_DENIED})


class GrpcMemoryVault:
    """Memories over the vault's stubs."""

    def __init__(self, channels: Channels, *, max_blob_bytes: int, buffers: Buffers | None = None) -> None:
        """Call over these channels; refuse blobs beyond the limit, and load the others into these buffers."""
        self._channels = channels
        self._buffers = buffers or Buffers()
        self._max_blob_bytes = max_blob_bytes

    @property
    def _stub(self) -> VaultServiceAsyncStub:
        return self._channels.stub(VaultServiceStub)

    async def use(self, cubes: Sequence[str], action: Use, *, running: bool = False) -> list[UsedMemory]:
        """Return cubes for a use, in their order; one UseCubes for each vault that they lie in."""
        by_vault: dict[str, list[str]] = {}
        for name in dict.fromkeys(cubes):
            ids = names.CUBE.parse(name, "cubes")
            by_vault.setdefault(names.VAULT.format(org=ids["org"], vault=ids["vault"]), []).append(name)
        if sum(map(len, by_vault.values())) != len(cubes):
            raise invalid("cubes", "each cube can be named once")
        found: dict[str, UsedMemory] = {}
        for parent, wanted in by_vault.items():
            request = vault_service_pb2.UseCubesRequest(
                parent=parent, names=wanted, action=_ACTIONS[action], running=running
            )
            try:
                answer = await self._stub.UseCubes(request)
            except grpc.aio.AioRpcError as err:
                raise reason_of(err) from err
            found.update((cube.name, to_memory(cube, answer.licences)) for cube in answer.cubes)
        missing = [name for name in cubes if name not in found]
        if missing:
            raise PlatformError(Reason.INTERNAL, f"the vault left out {len(missing)} cubes")
        return [found[name] for name in cubes]

    async def download(self, memory: UsedMemory, action: Use = Use.INFER_WITH) -> Blob:
        """Return a memory's blob for a use, its digest verified."""
        blob = memory.blob
        if blob is None or not 0 < blob.size_bytes <= self._max_blob_bytes:
            raise invalid("mounts", f"the blob of {memory.name} is larger than {self._max_blob_bytes} bytes, or empty")
        request = vault_service_pb2.DownloadBlobRequest(
            parent=memory.vault,
            digest=digest_pb2.Digest(sha256=blob.sha256, size_bytes=blob.size_bytes),
            action=_ACTIONS[action],
        )
        data, end = self._buffers.take(blob.size_bytes, names.VAULT.parse(memory.vault)["org"]), 0
        try:
            async for piece in self._stub.DownloadBlob(request):
                if end + len(piece.data) > len(data):
                    raise _damaged(memory)
                data[end : end + len(piece.data)] = piece.data
                end += len(piece.data)
        except grpc.aio.AioRpcError as err:
            raise reason_of(err) from err
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        if end != len(data) or digest != blob.sha256:
            raise _damaged(memory)
        return data

    async def find(self, name: str) -> UsedMemory | None:
        """Return a cube without its payload, or None where there is none for this caller."""
        request = vault_service_pb2.GetCubeRequest(name=name, view=cubes_pb2.CUBE_VIEW_BASIC)
        try:
            return to_memory((await self._stub.GetCube(request)).cube)
        except grpc.aio.AioRpcError as err:
            error = reason_of(err)
            if error.reason in _ABSENT:
                return None
            raise error from err

    async def create(self, new: NewMemory, *, progress: Callable[[int, int], None]) -> UsedMemory:
        """Upload the blob and make the cube, as long as none of its parents was forgotten."""
        try:
            await self._stub.UploadBlob(_upload(new, progress))
            cube = to_cube(new)
            request = vault_service_pb2.CreateCubeRequest(
                parent=new.parent,
                cube_id=new.cube_id,
                cube=cube,
                reason=new.reason or new.derivation,
                request_id=new.request_id,
                expired=new.expired,
                require_parents=True,
            )
            answer = await self._stub.CreateCube(request)
        except grpc.aio.AioRpcError as err:
            raise reason_of(err) from err
        # The vault answers without the payload, which is known here.
        answer.cube.payload.CopyFrom(cube.payload)
        return to_memory(answer.cube)

    async def create_text(self, new: NewText) -> UsedMemory:
        """Make a cube of statements, related to the adapter that they were asked out of."""
        cube = to_text_cube(new)
        request = vault_service_pb2.CreateCubeRequest(
            parent=new.parent,
            cube_id=new.cube_id,
            cube=cube,
            reason=new.reason or new.derivation,
            request_id=new.request_id,
            require_parents=True,
        )
        try:
            answer = await self._stub.CreateCube(request)
            # Relations do not reach into other vaults; the lineage does.
            if new.report.adapter.startswith(f"{new.parent}/cubes/"):
                relation = cubes_pb2.Relation(
                    source=answer.cube.name,
                    kind=cube_pb2.RELATION_KIND_DERIVED_FROM,
                    target=new.report.adapter,
                    note=f"{new.report.kept} of {new.report.asked} answers kept",
                )
                await self._stub.CreateRelation(
                    vault_service_pb2.CreateRelationRequest(parent=new.parent, relation=relation)
                )
        except grpc.aio.AioRpcError as err:
            raise reason_of(err) from err
        answer.cube.payload.CopyFrom(cube.payload)
        return to_memory(answer.cube)


async def _upload(
    new: NewMemory, progress: Callable[[int, int], None]
) -> AsyncIterator[vault_service_pb2.UploadBlobRequest]:
    digest = digest_pb2.Digest(sha256=new.digest.sha256, size_bytes=new.digest.size_bytes)
    header = vault_service_pb2.UploadBlobHeader(parent=new.parent, digest=digest)
    yield vault_service_pb2.UploadBlobRequest(header=header)
    for start in range(0, len(new.data), _CHUNK_BYTES):
        progress(start, len(new.data))
        yield vault_service_pb2.UploadBlobRequest(data=new.data[start : start + _CHUNK_BYTES])
    progress(len(new.data), len(new.data))


def _damaged(memory: UsedMemory) -> PlatformError:
    return PlatformError(
        Reason.INTEGRITY_FAILURE,
        f"the blob of {memory.name} is not what its digest says",
        metadata={"resource": memory.name},
    )
