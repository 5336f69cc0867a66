"""Negotiations and the agreements that they end in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import agreement_calls_pb2 as agreement_pb
from memporium.memstore.v1 import agreement_pb2
from memporium.memstore.v1 import negotiation_calls_pb2 as negotiation_pb
from memporium.memstore.v1 import statement_calls_pb2 as statement_pb
from memporium_services.memstore.convert import agreements as to
from memporium_services.memstore.convert.values import enum_in

if TYPE_CHECKING:
    from memporium_services.memstore.app.agreements import Agreements
    from memporium_services.memstore.app.negotiations import Negotiations


class ContractMethods:
    """Methods of the service."""

    _negotiations: Negotiations
    _agreements: Agreements

    async def RequestNegotiation(
        self, request: negotiation_pb.RequestNegotiationRequest, context: Any
    ) -> negotiation_pb.RequestNegotiationResponse:
        proposal = to.proposal_in(request)
        talks = await self._negotiations.request(request.offer, proposal, renews=request.renews, reason=request.reason)
        return negotiation_pb.RequestNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def CounterOffer(
        self, request: negotiation_pb.CounterOfferRequest, context: Any
    ) -> negotiation_pb.CounterOfferResponse:
        proposal = to.proposal_in(request)
        talks = await self._negotiations.counter(request.name, request.sequence, proposal, reason=request.reason)
        return negotiation_pb.CounterOfferResponse(negotiation=to.negotiation_out(talks))

    async def AcceptNegotiation(
        self, request: negotiation_pb.AcceptNegotiationRequest, context: Any
    ) -> negotiation_pb.AcceptNegotiationResponse:
        talks = await self._negotiations.accept(request.name, request.sequence, reason=request.reason)
        return negotiation_pb.AcceptNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def AgreeNegotiation(
        self, request: negotiation_pb.AgreeNegotiationRequest, context: Any
    ) -> negotiation_pb.AgreeNegotiationResponse:
        talks = await self._negotiations.agree(request.name, request.sequence, reason=request.reason)
        return negotiation_pb.AgreeNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def VerifyNegotiation(
        self, request: negotiation_pb.VerifyNegotiationRequest, context: Any
    ) -> negotiation_pb.VerifyNegotiationResponse:
        talks = await self._negotiations.verify(request.name, request.sequence, reason=request.reason)
        return negotiation_pb.VerifyNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def FinalizeNegotiation(
        self, request: negotiation_pb.FinalizeNegotiationRequest, context: Any
    ) -> negotiation_pb.FinalizeNegotiationResponse:
        talks = await self._negotiations.finalize(request.name, request.sequence, reason=request.reason)
        return negotiation_pb.FinalizeNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def TerminateNegotiation(
        self, request: negotiation_pb.TerminateNegotiationRequest, context: Any
    ) -> negotiation_pb.TerminateNegotiationResponse:
        talks = await self._negotiations.terminate(request.name, request.sequence, reason=request.reason)
        return negotiation_pb.TerminateNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def GetNegotiation(
        self, request: negotiation_pb.GetNegotiationRequest, context: Any
    ) -> negotiation_pb.GetNegotiationResponse:
        talks = await self._negotiations.get(request.name)
        return negotiation_pb.GetNegotiationResponse(negotiation=to.negotiation_out(talks))

    async def ListNegotiations(
        self, request: negotiation_pb.ListNegotiationsRequest, context: Any
    ) -> negotiation_pb.ListNegotiationsResponse:
        page = await self._negotiations.list_of(
            request.parent, listing=request.listing, size=request.page_size, token=request.page_token
        )
        shown = [to.negotiation_out(each) for each in page.items]
        return negotiation_pb.ListNegotiationsResponse(negotiations=shown, next_page_token=page.next_page_token)

    async def AmendAgreement(
        self, request: statement_pb.AmendAgreementRequest, context: Any
    ) -> statement_pb.AmendAgreementResponse:
        talks = await self._negotiations.amend(request.name, to.proposal_in(request), reason=request.reason)
        return statement_pb.AmendAgreementResponse(negotiation=to.negotiation_out(talks))

    async def GetAgreement(
        self, request: agreement_pb.GetAgreementRequest, context: Any
    ) -> agreement_pb.GetAgreementResponse:
        found = await self._agreements.get(request.name)
        return agreement_pb.GetAgreementResponse(agreement=to.agreement_out(found))

    async def ListAgreements(
        self, request: agreement_pb.ListAgreementsRequest, context: Any
    ) -> agreement_pb.ListAgreementsResponse:
        state = enum_in(request.state, agreement_pb2.Agreement.State, "STATE_", default="", field="state")
        page = await self._agreements.list_of(
            request.parent, listing=request.listing, state=state, size=request.page_size, token=request.page_token
        )
        shown = [to.agreement_out(each) for each in page.items]
        return agreement_pb.ListAgreementsResponse(agreements=shown, next_page_token=page.next_page_token)

    async def SuspendAgreement(
        self, request: agreement_pb.SuspendAgreementRequest, context: Any
    ) -> agreement_pb.SuspendAgreementResponse:
        moved = await self._agreements.move(request.name, "suspend", reason=request.reason)
        return agreement_pb.SuspendAgreementResponse(agreement=to.agreement_out(moved))

    async def ResumeAgreement(
        self, request: agreement_pb.ResumeAgreementRequest, context: Any
    ) -> agreement_pb.ResumeAgreementResponse:
        moved = await self._agreements.move(request.name, "resume", reason=request.reason)
        return agreement_pb.ResumeAgreementResponse(agreement=to.agreement_out(moved))

    async def RevokeAgreement(
        self, request: agreement_pb.RevokeAgreementRequest, context: Any
    ) -> agreement_pb.RevokeAgreementResponse:
        trigger = "breach" if request.breach else "revoke"
        moved = await self._agreements.move(request.name, trigger, reason=request.reason)
        return agreement_pb.RevokeAgreementResponse(agreement=to.agreement_out(moved))

    async def CancelAgreement(
        self, request: agreement_pb.CancelAgreementRequest, context: Any
    ) -> agreement_pb.CancelAgreementResponse:
        moved = await self._agreements.move(request.name, "cancel", reason=request.reason)
        return agreement_pb.CancelAgreementResponse(agreement=to.agreement_out(moved))
