"""The vault service over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.cube.v1.cube_pb2 import LicenceReference
from memporium.vault.v1 import vault_service_pb2 as pb
from memporium.vault.v1.cubes_pb2 import CubeFilter, PortableCube, Relation, UseAction
from memporium.vault.v1.vault_pb2 import Mount, Vault
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.names import ORG, VAULT
from memporium_services.transfer.adapters.peers import peer_errors
from memporium_services.transfer.ports.services import Filled

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Sequence

    from memporium.common.v1.digest_pb2 import Digest
    from memporium_platform.rpc.channels import Channels
    from memporium_services.transfer.ports.services import Target

# Largest piece of a blob in bytes that the vault takes.
_PIECE = 1 << 20
_PAGE = 1000


class GrpcVaults:
    """Calls the vault service with the rights of the call in progress."""

    def __init__(self, channels: Channels) -> None:
        """Call over these channels."""
        self._stub = channels.stub(VaultServiceStub)

    async def export(
        self,
        vault: str,
        *,
        cubes: Sequence[str],
        tags: Sequence[str],
        redistribute: bool,
        onward: tuple[str, str] = ("", ""),
    ) -> AsyncIterator[Vault | list[PortableCube]]:
        """Yield the vault, then its cubes in batches."""
        terms_sha256, listing = onward
        request = pb.ExportCubesRequest(
            parent=vault,
            names=cubes,
            action=_action(redistribute=redistribute),
            onward_terms_sha256=terms_sha256,
            onward_listing=listing,
        )
        if tags:
            request.filter.CopyFrom(CubeFilter(tags_any=tags))
        with peer_errors():
            async for response in self._stub.ExportCubes(request):
                if response.HasField("header"):
                    yield response.header.vault
                if response.cubes:
                    yield list(response.cubes)

    async def download(self, vault: str, blob: Digest, *, redistribute: bool) -> AsyncIterator[bytes]:
        """Yield a blob's bytes."""
        request = pb.DownloadBlobRequest(parent=vault, digest=blob, action=_action(redistribute=redistribute))
        with peer_errors():
            async for response in self._stub.DownloadBlob(request):
                yield response.data

    async def relations(self, vault: str) -> AsyncIterator[Relation]:
        """Yield the relations of a vault's cubes."""
        token = ""
        with peer_errors():
            while True:
                request = pb.ListRelationsRequest(parent=vault, page_size=_PAGE, page_token=token)
                response = await self._stub.ListRelations(request)
                for relation in response.relations:
                    yield relation
                token = response.next_page_token
                if not token:
                    return

    async def find(self, vault: str) -> Vault | None:
        """Return a vault, or None where there is none."""
        try:
            with peer_errors():
                return (await self._stub.GetVault(pb.GetVaultRequest(name=vault))).vault
        except PlatformError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise

    async def create(self, name: str, model: Vault, *, request_id: str) -> None:
        """Make a vault like `model`."""
        ids = VAULT.parse(name)
        request = pb.CreateVaultRequest(
            parent=ORG.format(org=ids["org"]), vault_id=ids["vault"], vault=model, request_id=request_id
        )
        for field in ("name", "uid", "etag", "owner", "revision", "usage", "create_time", "update_time"):
            request.vault.ClearField(field)
        try:
            with peer_errors():
                await self._stub.CreateVault(request)
        except PlatformError as error:
            if error.reason is not Reason.ALREADY_EXISTS:
                raise

    async def missing(self, vault: str, blob: Digest) -> bool:
        """Return whether a vault lacks a blob."""
        with peer_errors():
            response = await self._stub.FindMissingBlobs(pb.FindMissingBlobsRequest(parent=vault, digests=[blob]))
        return bool(response.missing)

    async def upload(
        self, vault: str, blob: Digest, data: AsyncIterable[bytes | memoryview], *, request_id: str
    ) -> None:
        """Store a blob in a vault."""
        header = pb.UploadBlobHeader(parent=vault, digest=blob, request_id=request_id)

        async def messages() -> AsyncIterator[pb.UploadBlobRequest]:
            yield pb.UploadBlobRequest(header=header)
            async for content in data:
                for start in range(0, len(content), _PIECE):
                    yield pb.UploadBlobRequest(data=bytes(content[start : start + _PIECE]))

        with peer_errors():
            await self._stub.UploadBlob(messages())

    async def import_cubes(self, target: Target, batches: AsyncIterable[list[PortableCube]]) -> Filled:
        """Fill a vault, all at once at the end of `batches`."""
        header = pb.ImportCubesHeader(
            parent=target.name,
            embedding_model=target.model,
            replace=target.terms is not None,
            restore=target.restore,
            reason=f"release {target.release}" if target.release else "load",
            request_id=target.request_id,
        )
        if target.terms is not None:
            licence = LicenceReference(
                agreement=target.terms.name,
                terms_sha256=target.terms.sha256,
                release=target.release,
                attribution=target.terms.attribution,
            )
            header.licence.CopyFrom(licence)
        failed: list[Exception] = []

        async def messages() -> AsyncIterator[pb.ImportCubesRequest]:
            yield pb.ImportCubesRequest(header=header)
            cubes = 0
            try:
                async for batch in batches:
                    yield pb.ImportCubesRequest(batch=pb.ImportCubesBatch(cubes=batch))
                    cubes += len(batch)
            except Exception as error:
                # Raised again below: gRPC tells the caller of a failing request stream nothing but that it was cut.
                failed.append(error)
                call.cancel()
                raise
            yield pb.ImportCubesRequest(end=pb.ImportCubesEnd(cubes=cubes))

        call = self._stub.ImportCubes(messages())
        try:
            with peer_errors():
                response = await call
        except BaseException:
            if failed:
                raise failed[0] from None
            raise
        return Filled(int(response.imported + response.deduplicated), dict(response.kept_as))

    async def relate(self, vault: str, relation: Relation, *, request_id: str) -> None:
        """Relate two cubes; a relation that is there already is no error."""
        request = pb.CreateRelationRequest(parent=vault, relation=relation, request_id=request_id)
        try:
            with peer_errors():
                await self._stub.CreateRelation(request)
        except PlatformError as error:
            if error.reason is not Reason.ALREADY_EXISTS:
                raise

    async def mount(self, into: str, vault: str, *, request_id: str) -> str:
        """Mount a vault into another; return the mount's name. One that is there already is no error."""
        request = pb.CreateMountRequest(parent=into, mount=Mount(vault=vault), request_id=request_id)
        try:
            with peer_errors():
                return (await self._stub.CreateMount(request)).mount.name
        except PlatformError as error:
            if error.reason is not Reason.ALREADY_EXISTS:
                raise
        with peer_errors():
            response = await self._stub.ListMounts(pb.ListMountsRequest(parent=into, page_size=_PAGE))
        return next((mount.name for mount in response.mounts if mount.vault == vault), "")


def _action(*, redistribute: bool) -> UseAction.ValueType:
    return UseAction.USE_ACTION_REDISTRIBUTE if redistribute else UseAction.USE_ACTION_EXPORT_BUNDLE
