"""The governance service's detector of personal data over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium.governance.v1.pii_pb2 import DetectPiiRequest, PiiFinding, RedactPiiRequest
from memporium_services.transfer.adapters.peers import peer_errors
from memporium_services.transfer.ports.services import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memporium_platform.rpc.channels import Channels


class GrpcPiiScanner:
    """Calls the governance service with the rights of the call in progress."""

    def __init__(self, channels: Channels) -> None:
        """Call over these channels."""
        self._stub = channels.stub(GovernanceServiceStub)

    async def detect(self, texts: Sequence[str]) -> list[Finding]:
        """Return what was found."""
        with peer_errors():
            return _findings((await self._stub.DetectPii(DetectPiiRequest(texts=texts))).findings)

    async def redact(self, texts: Sequence[str]) -> tuple[list[str], list[Finding]]:
        """Return the texts with what was found masked, and what that was."""
        with peer_errors():
            response = await self._stub.RedactPii(RedactPiiRequest(texts=texts))
        return list(response.texts), _findings(response.findings)


def _findings(found: Iterable[PiiFinding]) -> list[Finding]:
    return [Finding(one.text_index, one.entity, one.direct_identifier) for one in found]
