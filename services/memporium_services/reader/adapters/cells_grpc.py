"""The episodes of a vault and the cubes that refer to them, by gRPC."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import numpy as np
from google.protobuf.field_mask_pb2 import FieldMask

from memporium.cube.v1 import cube_pb2
from memporium.inference.v1.embed_pb2 import EMBED_INPUT_TYPE_DOCUMENT, EmbedRequest
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.vault.v1 import cubes_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import PlatformError, Reason, etag_mismatch
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.reader import convert_cells as convert

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from memporium_platform.rpc.channels import Channels
    from memporium_services.reader.ports_cells import Cell, Derived, Outline

# Cubes of a page with payloads: an episode's cube holds some hundred KB at most, a message 4 MiB.
_FULL_PAGE = 16
_BASIC_PAGE = 1_000
# Derived cubes refer to 256 episodes at most, some 250 bytes each.
_DERIVED_PAGE = 32
# Names of one filter.
_NAMES = 200
# Cubes of one batch, texts of one embedding call.
_BATCH, _TEXTS = 64, 64
# Scenes that one recollection looks at.
_MOST_SCENES = 512
_INSTANT = timedelta(microseconds=1)
_Item = TypeVar("_Item")
_BASIC = cubes_pb2.CUBE_VIEW_BASIC
CHANGED = ("payload", "descriptive.event_time", "behavioural.lineage")


class GrpcCellStore:
    """`CellStore` over the kernel's channels, on behalf of the caller."""

    def __init__(self, channels: Channels) -> None:
        """Call as the reader."""
        self._vault: Any = channels.stub(VaultServiceStub)
        self._inference: Any = channels.stub(InferenceServiceStub)

    async def limits(self, parent: str) -> tuple[float | None, timedelta | None]:
        """Return the threshold and gap of scenes that a vault wants; None: it names none."""
        vault = (await _answer(self._vault.GetVault(vault_service_pb2.GetVaultRequest(name=parent)))).vault
        wanted = vault.scenes
        return (
            wanted.threshold if wanted.HasField("threshold") else None,
            wanted.gap.ToTimedelta() if wanted.HasField("gap") else None,
        )

    async def outlines(self, parent: str, *, persona: str = "", names: Sequence[str] | None = None) -> list[Outline]:
        """Return the episodes of a vault that are there: all, or of these names, or of a persona."""
        chosen = [_episodes(persona)] if names is None else [_named(some) for some in _parts(names, _NAMES)]
        return [
            convert.outline_in(cube)
            for one in chosen
            async for cube in self._all(parent, one, view=cubes_pb2.CUBE_VIEW_BASIC, size=_BASIC_PAGE)
        ]

    async def cells(self, parent: str, names: Sequence[str]) -> list[Cell]:
        """Return those of these episodes that are there."""
        return [
            convert.cell_in(cube)
            for some in _parts(names, _NAMES)
            async for cube in self._all(parent, _named(some), view=cubes_pb2.CUBE_VIEW_FULL, size=_FULL_PAGE)
        ]

    async def gone(self, parent: str, names: Sequence[str]) -> frozenset[str]:  # noqa: ARG002 - names are absolute
        """Return those of these episodes that do not exist; not those that the caller may not see."""
        found = []
        for name in names:
            try:
                await _answer(self._vault.GetCube(vault_service_pb2.GetCubeRequest(name=name, view=_BASIC)))
            except PlatformError as error:
                if error.reason is Reason.NOT_FOUND:
                    found.append(name)
                elif error.reason is not Reason.PERMISSION_DENIED:
                    raise
        return frozenset(found)

    async def cell_page(self, parent: str, *, persona: str, size: int, token: str) -> tuple[list[Cell], str]:
        """Return a page of episodes, and the token of the next one."""
        page = await self._page(parent, _episodes(persona), size=min(size, _FULL_PAGE), token=token)
        return [convert.cell_in(cube) for cube in page.cubes], page.next_page_token

    async def derived(self, parent: str, kind: int, *, persona: str = "") -> list[Derived]:
        """Return all derived cubes of a kind, of a persona ("": of all)."""
        view, chosen = cubes_pb2.CUBE_VIEW_FULL, _of_kind(kind, persona)
        found = [convert.derived_in(cube) async for cube in self._all(parent, chosen, view=view, size=_DERIVED_PAGE)]
        return [one for one in found if one is not None]

    async def derived_page(
        self, parent: str, kind: int, *, persona: str, size: int, token: str
    ) -> tuple[list[Derived], str]:
        """Return a page of derived cubes, and the token of the next one."""
        page = await self._page(parent, _of_kind(kind, persona), size=min(size, _DERIVED_PAGE), token=token)
        found = [convert.derived_in(cube) for cube in page.cubes]
        return [one for one in found if one is not None], page.next_page_token

    async def derived_named(self, name: str, kind: int) -> Derived | None:
        """Return a derived cube; None where there is none of that kind."""
        request = vault_service_pb2.GetCubeRequest(name=name, view=cubes_pb2.CUBE_VIEW_FULL)
        try:
            answer = await _answer(self._vault.GetCube(request))
        except PlatformError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise
        found = convert.derived_in(answer.cube)
        return found if found is not None and found.kind == kind else None

    async def scenes_begun(self, parent: str, start: datetime, end: datetime, *, persona: str) -> list[Derived]:
        """Return scenes that began within a time, both ends included, some hundred at most."""
        chosen = _of_kind(cube_pb2.SEMANTIC_TYPE_SCENE, persona)
        chosen.event_time_min.FromDatetime(start)
        chosen.event_time_max.FromDatetime(end + _INSTANT)
        found: list[Derived] = []
        async for cube in self._all(parent, chosen, view=cubes_pb2.CUBE_VIEW_FULL, size=_DERIVED_PAGE):
            one = convert.derived_in(cube)
            found += [one] if one is not None else []
            if len(found) >= _MOST_SCENES:
                break
        return found

    async def make(self, parent: str, cubes: Sequence[Derived]) -> None:
        """Store new derived cubes.

        Raises:
            PlatformError: ETAG_MISMATCH where another consolidation made one, and what the vault raises.
        """
        for some in _parts(cubes, _BATCH):
            request = vault_service_pb2.BatchCreateCubesRequest(
                parent=parent,
                cubes=[cubes_pb2.NewCube(cube_id=one.cube_id, cube=convert.derived_out(one)) for one in some],
                reason="consolidated",
            )
            try:
                await _answer(self._vault.BatchCreateCubes(request))
            except PlatformError as error:
                if error.reason is Reason.ALREADY_EXISTS:
                    raise etag_mismatch(parent) from error
                raise

    async def change(self, cube: Derived) -> None:
        """Store what a derived cube refers to now."""
        stored = convert.derived_out(cube)
        stored.name, stored.etag = cube.name, cube.etag
        request = vault_service_pb2.UpdateCubeRequest(
            cube=stored, update_mask=FieldMask(paths=CHANGED), reason="consolidated"
        )
        await _answer(self._vault.UpdateCube(request))

    async def vectors(self, parent: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, d) unit vectors of texts by the vault's embedding model."""
        vault = (await _answer(self._vault.GetVault(vault_service_pb2.GetVaultRequest(name=parent)))).vault
        rows: list[Sequence[float]] = []
        for some in _parts(texts, _TEXTS):
            # Of episodes against one another: memory, all of it.
            request = EmbedRequest(model=vault.embedding_model, texts=some, input_type=EMBED_INPUT_TYPE_DOCUMENT)
            answer = await _answer(self._inference.Embed(request))
            rows += [one.values for one in answer.embeddings]
        return np.array(rows, np.float32)

    async def _page(self, parent: str, chosen: cubes_pb2.CubeFilter, *, size: int, token: str) -> Any:
        request = vault_service_pb2.ListCubesRequest(
            parent=parent, page_size=size, page_token=token, filter=chosen, view=cubes_pb2.CUBE_VIEW_FULL
        )
        return await _answer(self._vault.ListCubes(request))

    async def _all(
        self, parent: str, chosen: cubes_pb2.CubeFilter, *, view: Any, size: int
    ) -> AsyncIterator[cube_pb2.Cube]:
        token = ""
        while True:
            request = vault_service_pb2.ListCubesRequest(
                parent=parent, page_size=size, page_token=token, filter=chosen, view=view
            )
            page = await _answer(self._vault.ListCubes(request))
            for cube in page.cubes:
                yield cube
            token = page.next_page_token
            if not token:
                return


async def _answer(call: Awaitable[Any]) -> Any:
    """Return a peer's answer.

    Raises:
        PlatformError: What it answered instead.
    """
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise reason_of(error) from error


def _episodes(persona: str) -> cubes_pb2.CubeFilter:
    return _of_kind(cube_pb2.SEMANTIC_TYPE_EPISODE, persona)


def _of_kind(kind: int, persona: str) -> cubes_pb2.CubeFilter:
    return cubes_pb2.CubeFilter(
        semantic_types=[kind],  # type: ignore[list-item]  # a number of the enum
        personas=[persona] if persona else [],
    )


def _named(names: Sequence[str]) -> cubes_pb2.CubeFilter:
    return cubes_pb2.CubeFilter(names=names, semantic_types=[cube_pb2.SEMANTIC_TYPE_EPISODE])


def _parts(items: Sequence[_Item], size: int) -> list[list[_Item]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
