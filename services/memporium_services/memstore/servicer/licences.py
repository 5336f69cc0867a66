"""Consents, and terms explained or written in other ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import consent_calls_pb2, consent_pb2
from memporium.memstore.v1 import licence_calls_pb2 as licence_pb
from memporium_platform.licence.check import check_terms
from memporium_services.memstore.convert import licences as to
from memporium_services.memstore.convert.values import enum_in, time_in

if TYPE_CHECKING:
    from memporium_services.memstore.app.consents import Consents
    from memporium_services.memstore.app.explaining import Explaining


class LicenceMethods:
    """Methods of the service."""

    _consents: Consents
    _explaining: Explaining

    async def RequestConsent(
        self, request: consent_calls_pb2.RequestConsentRequest, context: Any
    ) -> consent_calls_pb2.RequestConsentResponse:
        action = to.action_in(request.action).value
        made = await self._consents.request(request.parent, action, request.purpose, request.reason)
        return consent_calls_pb2.RequestConsentResponse(consent=to.consent_out(made))

    async def GrantConsent(
        self, request: consent_calls_pb2.GrantConsentRequest, context: Any
    ) -> consent_calls_pb2.GrantConsentResponse:
        expire_us = time_in(request, "expire_time")
        made = await self._consents.decide(request.name, "grant", reason=request.reason, expire_us=expire_us)
        return consent_calls_pb2.GrantConsentResponse(consent=to.consent_out(made))

    async def DenyConsent(
        self, request: consent_calls_pb2.DenyConsentRequest, context: Any
    ) -> consent_calls_pb2.DenyConsentResponse:
        made = await self._consents.decide(request.name, "deny", reason=request.reason)
        return consent_calls_pb2.DenyConsentResponse(consent=to.consent_out(made))

    async def WithdrawConsent(
        self, request: consent_calls_pb2.WithdrawConsentRequest, context: Any
    ) -> consent_calls_pb2.WithdrawConsentResponse:
        made = await self._consents.decide(request.name, "withdraw", reason=request.reason)
        return consent_calls_pb2.WithdrawConsentResponse(consent=to.consent_out(made))

    async def ListConsents(
        self, request: consent_calls_pb2.ListConsentsRequest, context: Any
    ) -> consent_calls_pb2.ListConsentsResponse:
        state = enum_in(request.state, consent_pb2.Consent.State, "STATE_", default="", field="state")
        page = await self._consents.list_of(
            request.parent, state=state, size=request.page_size, token=request.page_token
        )
        shown = [to.consent_out(each) for each in page.items]
        return consent_calls_pb2.ListConsentsResponse(consents=shown, next_page_token=page.next_page_token)

    async def ExplainTerms(
        self, request: licence_pb.ExplainTermsRequest, context: Any
    ) -> licence_pb.ExplainTermsResponse:
        use, subject = to.use_in(request), request.WhichOneof("subject")
        if subject == "agreement":
            return to.explained_out(await self._explaining.agreement(request.agreement, use))
        if subject == "offer":
            return to.explained_out(await self._explaining.offer(request.offer, use))
        return to.explained_out(self._explaining.terms(check_terms(request.terms, "terms"), use))

    async def ConvertTerms(
        self, request: licence_pb.ConvertTermsRequest, context: Any
    ) -> licence_pb.ConvertTermsResponse:
        if request.WhichOneof("source") == "agreement":
            return to.converted_out((await self._explaining.agreement(request.agreement, None)).terms)
        return to.converted_out(to.terms_of_source(request))
