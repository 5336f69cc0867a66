"""The gRPC face of claims: convert, call, convert back."""

# ruff: noqa: N802, D102, ARG002 - gRPC names its methods in upper camel case; the protos document them
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium_services.reader import convert_claims as convert

if TYPE_CHECKING:
    from memporium.reader.v1 import claims_pb2
    from memporium_services.reader.app.claiming import Claiming


class ClaimMethods:
    """The methods of `memporium.reader.v1.ReaderService` on claims."""

    _claiming: Claiming

    async def ListClaims(self, request: claims_pb2.ListClaimsRequest, context: Any) -> claims_pb2.ListClaimsResponse:
        return convert.listed_out(await self._claiming.claims(convert.sought_in(request)))
