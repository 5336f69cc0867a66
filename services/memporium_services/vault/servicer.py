"""The gRPC face of the vault: convert, call the app, convert back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from google.protobuf.duration_pb2 import Duration

from memporium.vault.v1 import blob_check_pb2, cubes_pb2, search_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceServicer
from memporium_platform.call import current_call
from memporium_platform.idempotency import RETENTION
from memporium_services.vault import convert, convert_units
from memporium_services.vault.app.as_of import Moment
from memporium_services.vault.app.changing import Edit
from memporium_services.vault.app.exporting import Onward
from memporium_services.vault.app.retention import seconds
from memporium_services.vault.app.watch import DEFAULT_PROGRESS_S
from memporium_services.vault.domain.lifecycle import Trigger
from memporium_services.vault.servicer_changes import ChangeMethods

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_services.vault.app.service import VaultApp

_api = vault_service_pb2


class VaultServicer(ChangeMethods, VaultServiceServicer):
    """Memory at rest."""

    def __init__(self, app: VaultApp) -> None:
        """Serve this app."""
        self._app = app

    # Vaults.

    async def CreateVault(self, request: _api.CreateVaultRequest, context: Any) -> _api.CreateVaultResponse:
        moment = Moment(request.branch_revision, convert.time_us(request, "branch_time"))
        made = await self._app.branching.create(
            current_call(),
            request.parent,
            request.vault_id,
            request.vault,
            request.branch_of,
            moment,
            wait_s=seconds(request.branch_wait) if request.HasField("branch_wait") else None,
        )
        return convert.branched(made)

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
        [made], revision = await self._app.creating.create(
            current_call(),
            request.parent,
            [new],
            request.reason,
            batch=False,
            expired=request.expired,
            require_parents=request.require_parents,
        )
        return _api.CreateCubeResponse(
            cube=made.cube, deduplicated=made.deduplicated, near_duplicates=made.near, revision=revision
        )

    async def BatchCreateCubes(
        self, request: _api.BatchCreateCubesRequest, context: Any
    ) -> _api.BatchCreateCubesResponse:
        made, revision = await self._app.creating.create(
            current_call(), request.parent, list(request.cubes), request.reason, batch=True
        )
        return _api.BatchCreateCubesResponse(cubes=[convert.created(one) for one in made], revision=revision)

    async def GetCube(self, request: _api.GetCubeRequest, context: Any) -> _api.GetCubeResponse:
        cube, revision, uses = await self._app.cubes.get(
            current_call(),
            request.name,
            full=request.view != convert.BASIC,
            version=request.version,
            moment=Moment(request.read_revision, convert.time_us(request, "read_time")),
        )
        return _api.GetCubeResponse(cube=cube, revision=revision, licences=convert.used(uses, [cube]))

    async def BatchGetCubes(self, request: _api.BatchGetCubesRequest, context: Any) -> _api.BatchGetCubesResponse:
        found = await self._app.cubes.batch_get(
            current_call(), request.parent, request.names, full=request.view != convert.BASIC
        )
        licences = convert.used(found.uses, found.cubes)
        return _api.BatchGetCubesResponse(cubes=found.cubes, revision=found.revision, licences=licences)

    async def ListCubes(self, request: _api.ListCubesRequest, context: Any) -> _api.ListCubesResponse:
        found = await convert.listed(self._app.cubes, current_call(), request)
        return _api.ListCubesResponse(
            cubes=found.cubes,
            next_page_token=found.next_page_token,
            revision=found.revision,
            licences=convert.used(found.uses, found.cubes),
            refusals=[convert.refusal_of(one) for one in found.refusals],
        )

    # Search and watch.

    async def SearchCubes(
        self, request: _api.SearchCubesRequest, context: Any
    ) -> AsyncIterator[_api.SearchCubesResponse]:
        found = await self._app.search.search(current_call(), request.parent, convert.search_of(request))
        for message in convert.search_messages(found, explain=request.explain):
            yield message

    async def SearchUnits(
        self, request: search_pb2.SearchUnitsRequest, context: Any
    ) -> AsyncIterator[search_pb2.SearchUnitsResponse]:
        found = await self._app.unit_search.search(current_call(), request.parent, convert_units.asked(request))
        for message in convert_units.messages(found):
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
            uid=request.vault_uid,
        ):
            yield _api.WatchCubesResponse(revision=revision, events=[convert.event(one) for one in events])

    async def GetCapabilities(self, request: _api.GetCapabilitiesRequest, context: Any) -> _api.GetCapabilitiesResponse:
        retention = Duration()
        retention.FromTimedelta(RETENTION)
        return _api.GetCapabilitiesResponse(**self._app.capabilities(), request_id_retention=retention)

    async def UpdateCube(self, request: _api.UpdateCubeRequest, context: Any) -> _api.UpdateCubeResponse:
        mask = request.update_mask if request.HasField("update_mask") else None
        cube, revision = await self._app.updating.update(
            current_call(), request.cube, mask, request.unit_vectors, request.reason
        )
        return _api.UpdateCubeResponse(cube=cube, revision=revision)

    async def ForgetCubes(self, request: _api.ForgetCubesRequest, context: Any) -> _api.ForgetCubesResponse:
        gone = await self._app.forgetting.forget(current_call(), request.parent, convert.forget_of(request))
        return _api.ForgetCubesResponse(
            receipt=gone.receipt,
            revision=gone.revision,
            candidates=gone.candidates,
            near_duplicates=gone.near_duplicates,
            more=gone.more,
            branch_receipts=gone.branch_receipts,
            other_receipts=gone.other_receipts,
            elsewhere=gone.elsewhere,
        )

    async def MergeCubes(self, request: _api.MergeCubesRequest, context: Any) -> _api.MergeCubesResponse:
        cube, revision = await self._app.merging.merge(
            current_call(),
            request.parent,
            request.names,
            cube_id=request.cube_id,
            given=request.cube if request.HasField("cube") else None,
            vectors=request.unit_vectors,
            reason=request.reason,
        )
        return _api.MergeCubesResponse(cube=cube, revision=revision)

    async def UseCubes(self, request: _api.UseCubesRequest, context: Any) -> _api.UseCubesResponse:
        found = await self._app.cubes.use(
            current_call(),
            request.parent,
            request.names,
            full=request.view != convert.BASIC,
            action=request.action,
            form=request.form,
            tokens=request.tokens,
            running=request.running,
        )
        licences = convert.used(found.uses, found.cubes)
        return _api.UseCubesResponse(cubes=found.cubes, licences=licences, revision=found.revision)

    # Lifecycle.

    async def ActivateCube(self, request: _api.ActivateCubeRequest, context: Any) -> _api.ActivateCubeResponse:
        cube, revision = await self._change(request, Trigger.ACTIVATE)
        return _api.ActivateCubeResponse(cube=cube, revision=revision)

    async def ArchiveCube(self, request: _api.ArchiveCubeRequest, context: Any) -> _api.ArchiveCubeResponse:
        cube, revision = await self._change(request, Trigger.ARCHIVE)
        return _api.ArchiveCubeResponse(cube=cube, revision=revision)

    async def ExpireCube(self, request: _api.ExpireCubeRequest, context: Any) -> _api.ExpireCubeResponse:
        cube, revision = await self._change(request, Trigger.EXPIRE)
        return _api.ExpireCubeResponse(cube=cube, revision=revision)

    async def RestoreCube(self, request: _api.RestoreCubeRequest, context: Any) -> _api.RestoreCubeResponse:
        cube, revision = await self._change(request, Trigger.RESTORE)
        return _api.RestoreCubeResponse(cube=cube, revision=revision)

    async def FreezeCube(self, request: _api.FreezeCubeRequest, context: Any) -> _api.FreezeCubeResponse:
        cube, revision = await self._change(request, Trigger.FREEZE)
        return _api.FreezeCubeResponse(cube=cube, revision=revision)

    async def UnfreezeCube(self, request: _api.UnfreezeCubeRequest, context: Any) -> _api.UnfreezeCubeResponse:
        cube, revision = await self._change(request, Trigger.UNFREEZE)
        return _api.UnfreezeCubeResponse(cube=cube, revision=revision)

    async def _change(self, request: Any, trigger: Trigger) -> tuple[Cube, int]:
        edit = Edit(trigger, etag=request.etag, reason=request.reason)
        return await self._app.changer.change(current_call(), request.name, edit)

    # Versions.

    async def ListCubeVersions(
        self, request: _api.ListCubeVersionsRequest, context: Any
    ) -> _api.ListCubeVersionsResponse:
        page, following = await self._app.history.versions(
            current_call(), request.name, size=request.page_size, token=request.page_token
        )
        return _api.ListCubeVersionsResponse(versions=page, next_page_token=following)

    async def DiffCubeVersions(
        self, request: _api.DiffCubeVersionsRequest, context: Any
    ) -> _api.DiffCubeVersionsResponse:
        changes, before, after, uses = await self._app.history.diff(
            current_call(), request.name, request.from_version, request.to_version
        )
        return _api.DiffCubeVersionsResponse(
            changes=changes, from_version=before, to_version=after, licences=convert.used(uses)
        )

    async def RollbackCube(self, request: _api.RollbackCubeRequest, context: Any) -> _api.RollbackCubeResponse:
        cube, revision = await self._app.updating.rollback(
            current_call(), request.name, request.version, request.etag, request.reason
        )
        return _api.RollbackCubeResponse(cube=cube, revision=revision)

    # Relations and tags.

    async def CreateRelation(self, request: _api.CreateRelationRequest, context: Any) -> _api.CreateRelationResponse:
        relation, revision = await self._app.relations.create(current_call(), request.parent, request.relation)
        return _api.CreateRelationResponse(relation=relation, revision=revision)

    async def DeleteRelation(self, request: _api.DeleteRelationRequest, context: Any) -> _api.DeleteRelationResponse:
        return _api.DeleteRelationResponse(revision=await self._app.relations.delete(current_call(), request.name))

    async def ListRelations(self, request: _api.ListRelationsRequest, context: Any) -> _api.ListRelationsResponse:
        page, following = await self._app.relations.list(
            current_call(),
            request.parent,
            cube=request.cube,
            kinds=request.kinds,
            size=request.page_size,
            token=request.page_token,
        )
        return _api.ListRelationsResponse(relations=page, next_page_token=following)

    async def ListTags(self, request: _api.ListTagsRequest, context: Any) -> _api.ListTagsResponse:
        page, following = await self._app.relations.tags(
            current_call(), request.parent, prefix=request.prefix, size=request.page_size, token=request.page_token
        )
        tags = [cubes_pb2.TagCount(tag=tag, cubes=count) for tag, count in page]
        return _api.ListTagsResponse(tags=tags, next_page_token=following)

    # Blobs.

    async def FindMissingBlobs(
        self, request: _api.FindMissingBlobsRequest, context: Any
    ) -> _api.FindMissingBlobsResponse:
        found = await self._app.blobs.find_missing(request.parent, request.digests)
        partial = [cubes_pb2.PartialBlob(digest=digest, committed_bytes=kept) for digest, kept in found.partial]
        return _api.FindMissingBlobsResponse(missing=found.missing, partial=partial)

    async def UploadBlob(
        self, request_iterator: AsyncIterator[_api.UploadBlobRequest], context: Any
    ) -> _api.UploadBlobResponse:
        header = await convert.first_header(request_iterator)
        chunks = convert.rest(request_iterator, "data")
        present = await self._app.blobs.upload(current_call(), header.parent, header.digest, header.offset, chunks)
        return _api.UploadBlobResponse(digest=header.digest, already_present=present)

    async def DownloadBlob(
        self, request: _api.DownloadBlobRequest, context: Any
    ) -> AsyncIterator[_api.DownloadBlobResponse]:
        pieces = self._app.blobs.download(
            current_call(),
            request.parent,
            request.digest,
            offset=request.offset,
            limit=request.limit,
            action=request.action,
        )
        async for data, offset, size in pieces:
            yield _api.DownloadBlobResponse(data=data, offset=offset, size_bytes=size)

    async def CheckBlobs(
        self, request_iterator: AsyncIterator[blob_check_pb2.CheckBlobsRequest], context: Any
    ) -> AsyncIterator[blob_check_pb2.CheckBlobsResponse]:
        async for request in request_iterator:
            gone = await self._app.blob_check.gone(request.vault, request.sha256)
            known = await self._app.blob_check.knows(request.vault, request.training)
            yield blob_check_pb2.CheckBlobsResponse(vault=request.vault, gone_sha256=gone, training_known=known)

    # Mounts.

    async def CreateMount(self, request: _api.CreateMountRequest, context: Any) -> _api.CreateMountResponse:
        mount = await self._app.mounts.create(current_call(), request.parent, request.mount_id, request.mount.vault)
        return _api.CreateMountResponse(mount=mount)

    async def ListMounts(self, request: _api.ListMountsRequest, context: Any) -> _api.ListMountsResponse:
        page, following = await self._app.mounts.list(
            current_call(), request.parent, size=request.page_size, token=request.page_token
        )
        return _api.ListMountsResponse(mounts=page, next_page_token=following)

    async def DeleteMount(self, request: _api.DeleteMountRequest, context: Any) -> _api.DeleteMountResponse:
        await self._app.mounts.delete(current_call(), request.name)
        return _api.DeleteMountResponse()

    # Transfer, housekeeping, receipts.

    async def ImportCubes(
        self, request_iterator: AsyncIterator[_api.ImportCubesRequest], context: Any
    ) -> _api.ImportCubesResponse:
        header = await convert.first_header(request_iterator)
        batches = convert.batches(request_iterator)
        done = await self._app.transfer.take_in(current_call(), header, batches)
        return _api.ImportCubesResponse(
            imported=done.imported,
            deduplicated=done.deduplicated,
            removed=done.removed,
            embedded=done.embedded,
            revision=done.revision,
            kept_as=done.kept_as,
        )

    async def ExportCubes(
        self, request: _api.ExportCubesRequest, context: Any
    ) -> AsyncIterator[_api.ExportCubesResponse]:
        pieces = self._app.exporting.export(
            current_call(),
            request.parent,
            request.names,
            convert.selection_of(request.filter),
            action=request.action,
            vectors=not request.without_vectors,
            onward=Onward(request.onward_terms_sha256, request.onward_listing),
        )
        async for piece in pieces:
            yield convert.export_message(piece)

    async def SweepVaults(self, request: _api.SweepVaultsRequest, context: Any) -> _api.SweepVaultsResponse:
        swept = await self._app.sweep.sweep(current_call(), request.parent, request.cursor, request.limit)
        return _api.SweepVaultsResponse(**asdict(swept))

    async def DeleteVault(self, request: _api.DeleteVaultRequest, context: Any) -> _api.DeleteVaultResponse:
        receipt = await self._app.erasing.delete_vault(
            current_call(), request.name, request.etag, erase=request.erase, reason=request.reason
        )
        return _api.DeleteVaultResponse(receipt=receipt)

    async def GetReceipt(self, request: _api.GetReceiptRequest, context: Any) -> _api.GetReceiptResponse:
        return _api.GetReceiptResponse(receipt=await self._app.errands.receipt(request.name))
