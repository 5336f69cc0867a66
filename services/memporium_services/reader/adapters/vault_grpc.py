"""The vault service, by gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from memporium.vault.v1 import cubes_pb2, search_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.reader import convert_cubes as cubes
from memporium_services.reader.convert_units import found_in
from memporium_services.reader.ports import Conditions, Found, Kept, Known, Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.rpc.channels import Channels
    from memporium_services.reader.domain.values import Episode, Prospect

# Cubes of a page with payloads; an episode's cube holds some hundred KB at most, a message 4 MiB.
_PAGE = 16
# Cubes whose expectations one recollection reads.
_READ = 16
# Questions of one search.
_QUERIES = 8


class GrpcVault:
    """`Vault` over the kernel's channels, on behalf of the caller."""

    def __init__(self, channels: Channels) -> None:
        """Call as the reader."""
        self._stub: Any = channels.stub(VaultServiceStub)

    async def known(self, parent: str, session: str, *, persona: str) -> Known:
        """Return what the vault holds of a session."""
        chosen = cubes_pb2.CubeFilter(sources=[session], personas=[persona] if persona else [])
        kept: list[Kept] = []
        turns: dict[str, str] = {}
        token = ""
        while True:
            request = vault_service_pb2.ListCubesRequest(
                parent=parent, page_size=_PAGE, page_token=token, filter=chosen, view=cubes_pb2.CUBE_VIEW_FULL
            )
            try:
                page = await self._stub.ListCubes(request)
            except grpc.aio.AioRpcError as error:
                raise reason_of(error) from error
            for cube in page.cubes:
                if cube.descriptive.persona == persona and cube.payload.plaintext.HasField("mem_cell"):
                    kept.append(cubes.kept(cube, created=False))
                    for locator, text in cubes.turns_of(cube):
                        turns.setdefault(locator, text)
            token = page.next_page_token
            if not token:
                kept.sort(key=lambda one: (one.start is None, one.start, one.cube))
                return Known(tuple(kept), turns)

    async def keep(
        self, parent: str, episodes: Sequence[Episode], labels: Labels, *, request_id: str
    ) -> tuple[list[Kept], int]:
        """Store episodes as cubes, in one batch; return them and the vault's revision."""
        made = [cubes_pb2.NewCube(cube_id=episode.cube_id, cube=cubes.cube_of(episode, labels)) for episode in episodes]
        request = vault_service_pb2.BatchCreateCubesRequest(
            parent=parent, cubes=made, reason="remembered", request_id=request_id
        )
        try:
            response = await self._stub.BatchCreateCubes(request)
        except grpc.aio.AioRpcError as error:
            raise reason_of(error) from error
        kept = [
            cubes.kept_as(created.cube.name, episode, created=not created.deduplicated)
            for created, episode in zip(response.cubes, episodes, strict=True)
        ]
        return kept, response.revision

    async def search(
        self, parent: str, queries: Sequence[str], *, limit: int, conditions: Conditions, include_mounts: bool
    ) -> list[Found]:
        """Return the best statements for each of several queries, with each leg's raw score."""
        found: list[Found] = []
        for start in range(0, len(queries), _QUERIES):
            asked = [search_pb2.UnitQuery(query=query) for query in queries[start : start + _QUERIES]]
            found += await self._units(parent, asked, limit=limit, conditions=conditions, include_mounts=include_mounts)
        return found

    async def meaning(
        self, parent: str, query: str, *, limit: int, conditions: Conditions, include_mounts: bool
    ) -> Found:
        """Return the statements nearest to a query in meaning, without what they say."""
        asked = [search_pb2.UnitQuery(query=query, mode=search_pb2.SEARCH_MODE_SEMANTIC, scores_only=True)]
        return (await self._units(parent, asked, limit=limit, conditions=conditions, include_mounts=include_mounts))[0]

    async def _units(
        self,
        parent: str,
        queries: Sequence[search_pb2.UnitQuery],
        *,
        limit: int,
        conditions: Conditions,
        include_mounts: bool,
    ) -> list[Found]:
        request = search_pb2.SearchUnitsRequest(
            parent=parent, queries=queries, filter=filter_of(conditions), limit=limit, include_mounts=include_mounts
        )
        read_at(request, conditions)
        try:
            return found_in([message async for message in self._stub.SearchUnits(request)], len(queries))
        except grpc.aio.AioRpcError as error:
            raise reason_of(error) from error

    async def prospects(
        self, parent: str, cubes_named: Sequence[str], *, conditions: Conditions
    ) -> list[tuple[str, Prospect]]:
        """Return what cubes of the vault let expect, each with its cube's name."""
        if conditions.past:
            return await self._prospects_then(parent, cubes_named[:_READ], conditions)
        request = vault_service_pb2.BatchGetCubesRequest(
            parent=parent, names=list(cubes_named[:_READ]), view=cubes_pb2.CUBE_VIEW_FULL
        )
        try:
            response = await self._stub.BatchGetCubes(request)
        except grpc.aio.AioRpcError as error:
            raise reason_of(error) from error
        return [(cube.name, prospect) for cube in response.cubes for prospect in cubes.prospects_of(cube)]

    async def _prospects_then(
        self, parent: str, cubes_named: Sequence[str], conditions: Conditions
    ) -> list[tuple[str, Prospect]]:
        """Return what cubes let expect as they were, in the given order."""
        request = vault_service_pb2.SearchCubesRequest(
            parent=parent,
            mode=search_pb2.SEARCH_MODE_TAGS,
            filter=cubes_pb2.CubeFilter(names=cubes_named),
            limit=_READ,
            view=cubes_pb2.CUBE_VIEW_FULL,
        )
        read_at(request, conditions)
        try:
            hits = [hit async for response in self._stub.SearchCubes(request) for hit in response.hits]
        except grpc.aio.AioRpcError as error:
            raise reason_of(error) from error
        found = {hit.cube.name: hit.cube for hit in hits}
        then = [found[name] for name in cubes_named if name in found]
        return [(cube.name, prospect) for cube in then for prospect in cubes.prospects_of(cube)]


def read_at(
    request: search_pb2.SearchUnitsRequest | vault_service_pb2.SearchCubesRequest, conditions: Conditions
) -> None:
    """Let a search be as of the moment that the conditions name; mounts are not of the past."""
    if not conditions.past:
        return
    request.include_mounts = False
    request.read_revision = conditions.read_revision
    if conditions.read_time is not None:
        request.read_time.FromDatetime(conditions.read_time)


def filter_of(conditions: Conditions) -> cubes_pb2.CubeFilter:
    """Return the filter of the vault for conditions."""
    chosen = cubes_pb2.CubeFilter(
        tags_any=conditions.tags_any,
        tags_all=conditions.tags_all,
        sources=conditions.sources,
        entities=conditions.entities,
        semantic_types=conditions.semantic_types,  # type: ignore[arg-type]  # numbers of the enum
        personas=[conditions.persona] if conditions.persona else [],
    )
    if conditions.start is not None:
        chosen.event_time_min.FromDatetime(conditions.start)
    if conditions.end is not None:
        chosen.event_time_max.FromDatetime(conditions.end)
    return chosen
