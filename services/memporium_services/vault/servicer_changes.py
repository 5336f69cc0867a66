"""The gRPC face of sets of changes, and of forgetting in all vaults: convert, call the app, convert back."""

# ruff: noqa: N802, D102, ARG002 - gRPC names its methods in upper camel case; the protos document them
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.vault.v1 import changes_pb2, vault_service_pb2
from memporium_platform.call import current_call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.vault.app.service import VaultApp


class ChangeMethods:
    """The methods of `memporium.vault.v1.VaultService` on many memories at once."""

    _app: VaultApp

    async def ApplyChanges(
        self, request: changes_pb2.ApplyChangesRequest, context: Any
    ) -> changes_pb2.ApplyChangesResponse:
        results, revision = await self._app.applying.apply(
            current_call(),
            request.parent,
            request.changes,
            request.reason,
            require_parents=request.require_parents,
        )
        return changes_pb2.ApplyChangesResponse(results=results, revision=revision)

    async def ForgetEverywhere(
        self, request: vault_service_pb2.ForgetEverywhereRequest, context: Any
    ) -> AsyncIterator[vault_service_pb2.ForgetEverywhereResponse]:
        async for answer in self._app.errands.forget(current_call(), request.parent, request.SerializeToString()):
            yield answer
