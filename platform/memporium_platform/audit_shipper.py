"""Audit records to governance's AppendAuditRecords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.governance.v1 import audit_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium_platform.call import acting_as, service_principal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.audit import AuditRecord
    from memporium_platform.rpc.channels import Channels

_SAME = (
    "decision_id",
    "principal",
    "principal_org",
    "credential",
    "via",
    "method",
    "action",
    "resource",
    "reason",
    "rule",
    "epoch",
    "purpose",
    "region",
    "memory_type",
    "terms_digest",
    "trace_id",
    "root_id",
    "request_id",
    "details",
)

_EFFECTS = {name: audit_pb2.AuditEffect.Value(f"AUDIT_EFFECT_{name}") for name in ("ALLOW", "DENY", "ERROR")}


class GovernanceShipper:
    """Appends records by RPC, as the kernel itself."""

    def __init__(self, channels: Channels) -> None:
        """Take the kernel's channels."""
        self._channels = channels

    async def append(self, records: Sequence[AuditRecord]) -> None:
        """Make the records durable in the log; grpc.aio.AioRpcError where that failed."""
        request = audit_pb2.AppendAuditRecordsRequest(records=[to_proto(record) for record in records])
        with acting_as(service_principal("kernel")):
            await self._channels.stub(GovernanceServiceStub).AppendAuditRecords(request)


def to_proto(record: AuditRecord) -> audit_pb2.AuditRecord:
    """Return the record as a message."""
    values = {name: value for name in _SAME if (value := getattr(record, name))}
    message = audit_pb2.AuditRecord(effect=_EFFECTS[record.effect], **values)
    seconds, micros = divmod(record.time_us, 1_000_000)
    message.time.seconds, message.time.nanos = seconds, micros * 1000
    return message
