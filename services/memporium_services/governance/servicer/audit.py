"""Methods about the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.governance.v1 import audit_pb2 as audit_pb
from memporium_platform.call import current_call
from memporium_services.governance import convert_audit as convert
from memporium_services.governance.servicer.base import Methods
from memporium_services.governance.servicer.pages import page_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# More than any log has entries.
_END = 1 << 62


class AuditMethods(Methods):
    """The audit log."""

    async def AppendAuditRecords(
        self, request: audit_pb.AppendAuditRecordsRequest, _context: Any
    ) -> audit_pb.AppendAuditRecordsResponse:
        """Append records to the logs that they belong to, each once."""
        records = [convert.record_from(record) for record in request.records]
        return audit_pb.AppendAuditRecordsResponse(appended=await self._app.log.append(records))

    async def QueryLog(self, request: audit_pb.QueryLogRequest, _context: Any) -> audit_pb.QueryLogResponse:
        """List entries of an organisation's log, newest first."""
        query = convert.filter_of(request.filter)
        page = page_of(self._tokens, request, "QueryLog", request.parent, repr(query), first=_END)
        found = await self._app.log.query(request.parent, query, before=page.after, limit=page.limit)
        items, token = page.cut(found, lambda leaf: leaf.index)
        return audit_pb.QueryLogResponse(entries=[convert.entry(leaf) for leaf in items], next_page_token=token)

    async def GetCheckpoint(
        self, request: audit_pb.GetCheckpointRequest, _context: Any
    ) -> audit_pb.GetCheckpointResponse:
        """Return the signed state of an organisation's log."""
        signed = await self._app.log.checkpoint(request.parent)
        return audit_pb.GetCheckpointResponse(checkpoint=convert.checkpoint(signed))

    async def GetInclusionProof(
        self, request: audit_pb.GetInclusionProofRequest, _context: Any
    ) -> audit_pb.GetInclusionProofResponse:
        """Prove that a record is in the log."""
        leaf, hashes, signed = await self._app.log.receipt(request.parent, request.decision_id)
        return audit_pb.GetInclusionProofResponse(
            entry=convert.entry(leaf), hashes=hashes, checkpoint=convert.checkpoint(signed)
        )

    async def GetConsistencyProof(
        self, request: audit_pb.GetConsistencyProofRequest, _context: Any
    ) -> audit_pb.GetConsistencyProofResponse:
        """Prove that the log was only appended to."""
        hashes, signed = await self._app.log.consistency(request.parent, request.first_size)
        return audit_pb.GetConsistencyProofResponse(hashes=hashes, checkpoint=convert.checkpoint(signed))

    async def ProveRecords(self, request: audit_pb.ProveRecordsRequest, _context: Any) -> audit_pb.ProveRecordsResponse:
        """Prove several records against one checkpoint."""
        proved, extends, signed = await self._app.log.prove(request.parent, request.decision_ids, request.first_size)
        records = [convert.proved(leaf, hashes) for leaf, hashes in proved]
        checkpoint = convert.checkpoint(signed)
        return audit_pb.ProveRecordsResponse(records=records, checkpoint=checkpoint, consistency=extends)

    async def ExportLog(
        self, request: audit_pb.ExportLogRequest, _context: Any
    ) -> AsyncIterator[audit_pb.ExportLogResponse]:
        """Stream the log as a file that can be verified offline."""
        query = convert.filter_of(request.filter)
        csv = request.format == audit_pb.EXPORT_FORMAT_CSV
        async for data in self._app.exports.write(request.parent, query, csv=csv):
            yield audit_pb.ExportLogResponse(data=data)

    async def EraseLogRecord(
        self, request: audit_pb.EraseLogRecordRequest, _context: Any
    ) -> audit_pb.EraseLogRecordResponse:
        """Erase the content of a record; proofs hold."""
        leaf = await self._app.log.erase(current_call(), request.parent, request.decision_id)
        return audit_pb.EraseLogRecordResponse(entry=convert.entry(leaf))
