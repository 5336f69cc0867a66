"""Methods about API keys and issuers of tokens."""

from __future__ import annotations

from typing import Any

from memporium.governance.v1 import issuer_pb2 as issuer_pb
from memporium.governance.v1 import principal_pb2 as principal_pb
from memporium_platform.call import current_call
from memporium_services.governance import convert
from memporium_services.governance.servicer.base import Methods
from memporium_services.governance.servicer.pages import page_of


class CredentialMethods(Methods):
    """API keys and issuers."""

    async def CreateApiKey(
        self, request: principal_pb.CreateApiKeyRequest, _context: Any
    ) -> principal_pb.CreateApiKeyResponse:
        """Create an API key; its secret is shown only in the answer."""
        draft = request.api_key
        expires = convert.time_of(draft.expire_time, present=draft.HasField("expire_time"), name="api_key.expire_time")
        made = await self._app.principals.create_key(
            current_call(), request.parent, display_name=draft.display_name, expires=expires
        )
        return principal_pb.CreateApiKeyResponse(
            api_key=convert.api_key(made.key), secret=made.secret, epoch=made.epoch
        )

    async def ListApiKeys(
        self, request: principal_pb.ListApiKeysRequest, _context: Any
    ) -> principal_pb.ListApiKeysResponse:
        """List the API keys of a principal."""
        page = page_of(self._tokens, request, "ListApiKeys", request.parent)
        found = await self._app.principals.list_keys(request.parent, after=page.after, limit=page.limit)
        items, token = page.cut(found, lambda item: item.key_id)
        return principal_pb.ListApiKeysResponse(
            api_keys=[convert.api_key(item) for item in items], next_page_token=token
        )

    async def RevokeApiKey(
        self, request: principal_pb.RevokeApiKeyRequest, _context: Any
    ) -> principal_pb.RevokeApiKeyResponse:
        """Refuse an API key from now on."""
        changed = await self._app.principals.revoke_key(current_call(), request.name)
        return principal_pb.RevokeApiKeyResponse(api_key=convert.api_key(changed.record), epoch=changed.epoch)

    async def CreateIssuer(
        self, request: issuer_pb.CreateIssuerRequest, _context: Any
    ) -> issuer_pb.CreateIssuerResponse:
        """Trust an issuer of tokens for principals of the organisation."""
        draft = convert.issuer_draft(request.issuer)
        changed = await self._app.issuers.create(current_call(), request.parent, request.issuer_id, draft)
        return issuer_pb.CreateIssuerResponse(issuer=convert.issuer(changed.record), epoch=changed.epoch)

    async def ListIssuers(self, request: issuer_pb.ListIssuersRequest, _context: Any) -> issuer_pb.ListIssuersResponse:
        """List the issuers that an organisation trusts."""
        page = page_of(self._tokens, request, "ListIssuers", request.parent)
        found = await self._app.issuers.page(request.parent, after=page.after, limit=page.limit)
        items, token = page.cut(found, lambda item: item.id)
        return issuer_pb.ListIssuersResponse(issuers=[convert.issuer(item) for item in items], next_page_token=token)

    async def DeleteIssuer(
        self, request: issuer_pb.DeleteIssuerRequest, _context: Any
    ) -> issuer_pb.DeleteIssuerResponse:
        """Trust an issuer no more."""
        epoch = await self._app.issuers.delete(current_call(), request.name)
        return issuer_pb.DeleteIssuerResponse(epoch=epoch)
