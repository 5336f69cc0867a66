"""Statements and bills of two platforms that trade."""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager

from memporium.memstore.v1 import statement_calls_pb2 as calls
from memporium_platform.errors import invalid
from memporium_services.memstore.app.peering import inbox
from support.peers import until


async def close(side, name, org, **fields):
    """Close what was used since the last statement."""
    request = calls.CreateStatementRequest(parent=name, **fields)
    return (await side.market.stub(org).CreateStatement(request)).statement


async def listed(side, name, org):
    """Return the statements of an agreement."""
    found = await side.market.stub(org).ListStatements(calls.ListStatementsRequest(parent=name))
    return list(found.statements)


async def bill(side, org):
    """Return the rows of an organisation's bill."""
    data = b""
    async for message in side.market.stub(org).ExportBilling(calls.ExportBillingRequest(parent=f"orgs/{org}")):
        data += message.data
    return list(csv.DictReader(io.StringIO(data.decode())))


async def settled(south, name, count):
    """Return the statements at south once the provider's platform has signed so many."""

    async def signed():
        found = await listed(south, name, "buyer")
        return found if len(found) == count and all(len(one.document.signatures) == 3 for one in found) else None

    return await until(signed)


@contextmanager
def refusing():
    """Let the provider's platform refuse every statement; voids it takes."""
    before = inbox.take_statement

    async def no(market, name, fields):
        raise invalid("document", "is not what we count")

    inbox.take_statement = no
    try:
        yield
    finally:
        inbox.take_statement = before


async def void(side, name, org="buyer", **fields):
    """Void a statement that was refused."""
    request = calls.VoidStatementRequest(name=name, **({"reason": "their clock was wrong"} | fields))
    return (await side.market.stub(org).VoidStatement(request)).statement
