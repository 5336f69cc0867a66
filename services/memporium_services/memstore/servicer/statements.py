"""Usage statements and bills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import statement_calls_pb2 as statement_pb
from memporium_services.memstore.convert import statements as to
from memporium_services.memstore.convert.values import time_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.memstore.app.statements import Statements


class StatementMethods:
    """Methods of the service."""

    _statements: Statements

    async def CreateStatement(
        self, request: statement_pb.CreateStatementRequest, context: Any
    ) -> statement_pb.CreateStatementResponse:
        made = await self._statements.create(request.parent)
        return statement_pb.CreateStatementResponse(statement=to.statement_out(made))

    async def GetStatement(
        self, request: statement_pb.GetStatementRequest, context: Any
    ) -> statement_pb.GetStatementResponse:
        found = await self._statements.get(request.name)
        return statement_pb.GetStatementResponse(statement=to.statement_out(found))

    async def ListStatements(
        self, request: statement_pb.ListStatementsRequest, context: Any
    ) -> statement_pb.ListStatementsResponse:
        page = await self._statements.list_of(request.parent, size=request.page_size, token=request.page_token)
        shown = [to.statement_out(each) for each in page.items]
        return statement_pb.ListStatementsResponse(statements=shown, next_page_token=page.next_page_token)

    async def VoidStatement(
        self, request: statement_pb.VoidStatementRequest, context: Any
    ) -> statement_pb.VoidStatementResponse:
        voided = await self._statements.void(request.name, request.reason)
        return statement_pb.VoidStatementResponse(statement=to.statement_out(voided))

    async def ExportBilling(
        self, request: statement_pb.ExportBillingRequest, context: Any
    ) -> AsyncIterator[statement_pb.ExportBillingResponse]:
        form = to.form_in(request.format)
        start_us, end_us = time_in(request, "start_time"), time_in(request, "end_time")
        found = await self._statements.billing(request.parent, form, start_us=start_us, end_us=end_us)
        for message in to.billing_out(form, *found):
            yield message
