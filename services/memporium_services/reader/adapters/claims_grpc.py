"""Statements by what they claim, and the vault's trust, by gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from memporium.cube.v1 import cube_pb2
from memporium.vault.v1 import cubes_pb2, search_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.reader import convert_cubes as cubes
from memporium_services.reader.adapters.vault_grpc import filter_of, read_at
from memporium_services.reader.domain.candidates import Candidate
from memporium_services.reader.domain.trust import TrustPolicy
from memporium_services.reader.ports_claims import MOST_CUBES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memporium_platform.rpc.channels import Channels
    from memporium_services.reader.ports import Conditions

# A filter holds no more words of one kind than some hundred.
_KEYS_AT_ONCE = 500
_PERSONS = ("user", "human", "system")
_LIVE = (cube_pb2.CUBE_STATE_GENERATED, cube_pb2.CUBE_STATE_ACTIVATED, cube_pb2.CUBE_STATE_MERGED)


class GrpcClaims:
    """`ClaimSource` over the kernel's channels, on behalf of the caller.

    It searches by the filter alone: that is one retrieval, so a licensed pack counts it as one with the search of the
    same call.
    """

    def __init__(self, channels: Channels) -> None:
        """Call as the reader."""
        self._stub: Any = channels.stub(VaultServiceStub)

    async def claimed(
        self, parent: str, keys: Sequence[str], *, conditions: Conditions, include_mounts: bool, cube: str = ""
    ) -> list[Candidate]:
        """Return the statements with claims of the newest cubes that claim on any of the keys, or of one cube."""
        found: dict[tuple[str, int], Candidate] = {}
        for start in range(0, max(len(keys), 1), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            for one in await self._search(parent, some, conditions, include_mounts=include_mounts, cube=cube):
                found[one.key] = one
        return list(found.values())

    async def _search(
        self, parent: str, keys: Sequence[str], conditions: Conditions, *, include_mounts: bool, cube: str
    ) -> list[Candidate]:
        chosen = filter_of(conditions)
        chosen.claims.extend(keys)
        chosen.states.extend(_LIVE)
        chosen.names.extend([cube] if cube else [])
        request = vault_service_pb2.SearchCubesRequest(
            parent=parent,
            mode=search_pb2.SEARCH_MODE_TAGS,
            filter=chosen,
            limit=MOST_CUBES,
            include_mounts=include_mounts,
            view=cubes_pb2.CUBE_VIEW_FULL,
        )
        read_at(request, conditions)
        hits = await self._hits(request)
        if len(hits) >= MOST_CUBES:
            # However many others claim lately, what persons themselves said is not crowded out.
            request.filter.roles.extend(_PERSONS)
            hits += await self._hits(request)
        return [one for hit in hits for one in _candidates(hit)]

    async def _hits(self, request: vault_service_pb2.SearchCubesRequest) -> list[search_pb2.SearchHit]:
        try:
            return [hit async for response in self._stub.SearchCubes(request) for hit in response.hits]
        except grpc.aio.AioRpcError as error:
            raise reason_of(error) from error

    async def policy(self, parent: str) -> TrustPolicy:
        """Return how far the vault trusts sources; the defaults where the caller may not see the vault's settings."""
        try:
            vault = (await self._stub.GetVault(vault_service_pb2.GetVaultRequest(name=parent))).vault
        except grpc.aio.AioRpcError as error:
            known = reason_of(error)
            if known.reason is Reason.PERMISSION_DENIED:
                return TrustPolicy()
            raise known from error
        return TrustPolicy(dict(vault.trust.roles), dict(vault.trust.sources))


def _candidates(hit: search_pb2.SearchHit) -> Iterator[Candidate]:
    """Yield the statements of a cube that claim something."""
    cube = hit.cube
    for ordinal, fact in enumerate(cube.payload.plaintext.mem_cell.facts):
        if fact.claims:
            yield Candidate(
                cube=cube.name,
                ordinal=ordinal,
                version=cube.behavioural.version,
                text=fact.text,
                context=fact.context,
                source=fact.source.source or cube.descriptive.source,
                locator=fact.source.locator,
                speaker=fact.source.speaker,
                role=fact.role,
                event_time=cubes.time_of(fact, "event_time"),
                source_time=cubes.time_of(fact.source, "time"),
                entities=tuple(cube.descriptive.entities),
                mount=hit.mount,
                agreement=hit.agreement,
                attribution=hit.attribution,
                round=2,
                claims=cubes.claims_in(fact.claims),
                trust=fact.trust if fact.HasField("trust") else None,
                origin=cube.descriptive.origin,
                made=cubes.time_of(cube.descriptive, "create_time"),
            )
