"""Methods about personal data."""

from __future__ import annotations

from typing import Any

from memporium.governance.v1 import pii_pb2 as pii_pb
from memporium_platform.call import current_call
from memporium_services.governance import convert
from memporium_services.governance.servicer.base import Methods


class PiiMethods(Methods):
    """Detection and redaction."""

    async def DetectPii(self, request: pii_pb.DetectPiiRequest, _context: Any) -> pii_pb.DetectPiiResponse:
        """Find personal data in texts."""
        found = await self._app.pii.detect(
            request.texts,
            entities=request.entities,
            min_score=request.min_score,
            language=request.language,
            org=current_call().principal.org,
        )
        return pii_pb.DetectPiiResponse(findings=convert.findings(found, self._app.pii.rules))

    async def RedactPii(self, request: pii_pb.RedactPiiRequest, _context: Any) -> pii_pb.RedactPiiResponse:
        """Return texts without personal data."""
        mode = convert.mode_of(request.mode)
        found = await self._app.pii.detect(
            request.texts,
            entities=request.entities,
            min_score=request.min_score,
            language=request.language,
            org=current_call().principal.org,
        )
        texts = self._app.pii.redact(request.texts, found, mode, org=current_call().principal.org)
        return pii_pb.RedactPiiResponse(texts=texts, findings=convert.findings(found, self._app.pii.rules))
