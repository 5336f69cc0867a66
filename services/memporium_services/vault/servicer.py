"""The gRPC face of the vault: convert, call the app, convert back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.duration_pb2 import Duration

from memporium.vault.v1 import cubes_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceServicer
from memporium_platform.call import current_call
from memporium_platform.idempotency import RETENTION
from memporium_services.vault import convert
from memporium_services.vault.app.retention import seconds
from memporium_services.vault.app.watch import DEFAULT_PROGRESS_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.vault.app.service import VaultApp

_api = vault_service_pb2


class VaultServicer(VaultServiceServicer):
    """Memory at rest."""

    def __init__(self, app: VaultApp) -> None:
        """Serve this app."""
        self._app = app

    # Vaults.

    async def CreateVault(self, request: _api.CreateVaultRequest, context: Any) -> _api.CreateVaultResponse:
        made = await self._app.vaults.create(current_call(), request.parent, request.vault_id, request.vault)
        return _api.CreateVaultResponse(vault=made)

    async def GetVault(self, request: _api.GetVaultRequest, context: Any) -> _api.GetVaultResponse:
        return _api.GetVaultResponse(vault=await self._app.vaults.get(request.name))

    async def ListVaults(self, request: _api.ListVaultsRequest, context: Any) -> _api.ListVaultsResponse:
        page = await self._app.vaults.list(
            current_call(), request.parent, size=request.page_size, token=request.page_token
        )
        return _api.ListVaultsResponse(vaults=page.vaults, next_page_token=page.next_page_token)

    async def UpdateVault(self, request: _api.UpdateVaultRequest, context: Any) -> _api.UpdateVaultResponse:
        mask = request.update_mask if request.HasField("update_mask") else None
        return _api.UpdateVaultResponse(vault=await self._app.vaults.update(current_call(), request.vault, mask))

    # Cubes.

    async def CreateCube(self, request: _api.CreateCubeRequest, context: Any) -> _api.CreateCubeResponse:
        new = cubes_pb2.NewCube(cube_id=request.cube_id, cube=request.cube, unit_vectors=request.unit_vectors)
        [made], revision = await self._app.cubes.create(
            current_call(), request.parent, [new], request.reason, batch=False
        )
        return _api.CreateCubeResponse(
            cube=made.cube, deduplicated=made.deduplicated, near_duplicates=made.near, revision=revision
        )

    async def BatchCreateCubes(
        self, request: _api.BatchCreateCubesRequest, context: Any
    ) -> _api.BatchCreateCubesResponse:
        made, revision = await self._app.cubes.create(
            current_call(), request.parent, list(request.cubes), request.reason, batch=True
        )
        return _api.BatchCreateCubesResponse(cubes=[convert.created(one) for one in made], revision=revision)

    async def GetCube(self, request: _api.GetCubeRequest, context: Any) -> _api.GetCubeResponse:
        cube, revision, uses = await self._app.cubes.get(
            current_call(),
            request.name,
            full=request.view != convert.BASIC,
            version=request.version,
            read_time_us=convert.time_us(request, "read_time"),
        )
        return _api.GetCubeResponse(cube=cube, revision=revision, licences=convert.used(uses, [cube]))

    async def BatchGetCubes(self, request: _api.BatchGetCubesRequest, context: Any) -> _api.BatchGetCubesResponse:
        found = await self._app.cubes.batch_get(
            current_call(), request.parent, request.names, full=request.view != convert.BASIC
        )
        licences = convert.used(found.uses, found.cubes)
        return _api.BatchGetCubesResponse(cubes=found.cubes, revision=found.revision, licences=licences)

    async def ListCubes(self, request: _api.ListCubesRequest, context: Any) -> _api.ListCubesResponse:
        found = await self._app.cubes.list(
            current_call(),
            request.parent,
            convert.selection_of(request.filter),
            order=convert.ORDERS[request.order],
            size=request.page_size,
            token=request.page_token,
            full=request.view == convert.FULL,
        )
        return _api.ListCubesResponse(
            cubes=found.cubes,
            next_page_token=found.next_page_token,
            revision=found.revision,
            licences=convert.used(found.uses, found.cubes),
        )

    # Search and watch.

    async def SearchCubes(
        self, request: _api.SearchCubesRequest, context: Any
    ) -> AsyncIterator[_api.SearchCubesResponse]:
        found = await self._app.search.search(current_call(), request.parent, convert.search_of(request))
        for message in convert.search_messages(found, explain=request.explain):
            yield message

    async def WatchCubes(self, request: _api.WatchCubesRequest, context: Any) -> AsyncIterator[_api.WatchCubesResponse]:
        progress_s = seconds(request.progress_interval) if request.HasField("progress_interval") else DEFAULT_PROGRESS_S
        async for revision, events in self._app.watch.watch(
            current_call(),
            request.parent,
            start=request.start_revision,
            tags=request.tags_any,
            full=request.view == convert.FULL,
            progress_s=progress_s,
        ):
            yield _api.WatchCubesResponse(revision=revision, events=[convert.event(one) for one in events])

    async def GetCapabilities(self, request: _api.GetCapabilitiesRequest, context: Any) -> _api.GetCapabilitiesResponse:
        retention = Duration()
        retention.FromTimedelta(RETENTION)
        return _api.GetCapabilitiesResponse(**self._app.capabilities(), request_id_retention=retention)
