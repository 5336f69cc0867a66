"""Usage statements and bills: each use on one, sums that can be checked, amounts that add up, signatures that hold."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature

from memporium.memstore.v1 import offer_pb2
from memporium.memstore.v1 import statement_calls_pb2 as calls
from memporium_services.memstore.domain.statement import pre_authentication_encoding
from support.market import licence, refused, request_id

PER_CALL = offer_pb2.PricePlan(
    per_use=offer_pb2.UsePlan(
        price=offer_pb2.Price(currency="EUR", micros=250_000),
        unit="USE_UNIT_CALLS",
        cap=offer_pb2.Price(currency="EUR", micros=1_000_000),
    )
)


@pytest.fixture
async def agreement(market):
    return await market.agreement(licence(calls=None, duties=["COMPENSATE"]), price=PER_CALL)


async def close(market, agreement, org="seller", **fields):
    request = calls.CreateStatementRequest(parent=agreement.name, **fields)
    return (await market.stub(org).CreateStatement(request)).statement


async def billing(market, org, **fields):
    data, last = b"", None
    async for message in market.stub(org).ExportBilling(calls.ExportBillingRequest(parent=f"orgs/{org}", **fields)):
        data += message.data
        last = message
    return data, last


async def check(market, org, signature, kind, payload):
    signer = await market.module.market.signers.of(org)
    assert signature.key_id == signer.key_id
    keys = market.platform.kernel.keys
    key = await keys.org_signing_key(org) if org else keys.platform_signing_key()
    key.public_key().verify(signature.signature, pre_authentication_encoding(kind, payload))


async def test_each_use_stands_on_one_statement_and_amounts_add_up_to_the_cap(market, agreement):
    for number in range(3):
        await market.use(agreement.name, f"a{number}", purpose="support", units={"memories": 2})
    await market.use(agreement.name, "b", action="INFER_WITH")
    first = await close(market, agreement)
    assert [(one.action, one.purpose, one.uses, one.units.memories) for one in first.lines] == [
        (3, "", 1, 0),
        (1, "support", 3, 6),
    ]
    assert (first.number, first.uses, first.total.calls, first.amount.micros) == (1, 4, 4, 1_000_000)
    empty = await close(market, agreement, "buyer")
    assert (empty.number, empty.uses, empty.amount.micros) == (2, 0, 0)
    await market.use(agreement.name, "c")
    last = await close(market, agreement)
    # The cap was reached before.
    assert (last.number, last.uses, last.amount.micros) == (3, 1, 0)
    assert (last.previous_sha256, empty.previous_sha256) == (empty.sha256, first.sha256)
    assert first.start_time == agreement.activate_time
    assert last.start_time == empty.end_time
    listed = await market.stub("buyer").ListStatements(calls.ListStatementsRequest(parent=agreement.name, page_size=2))
    assert [one.number for one in listed.statements] == [1, 2]
    more = calls.ListStatementsRequest(parent=agreement.name, page_size=2, page_token=listed.next_page_token)
    assert [one.number for one in (await market.stub("buyer").ListStatements(more)).statements] == [3]


async def test_both_signatures_hold_over_the_stored_bytes(market, agreement):
    await market.use(agreement.name, "a")
    made = await close(market, agreement)
    found = (await market.stub("buyer").GetStatement(calls.GetStatementRequest(name=made.name))).statement
    assert found == made
    document = made.document
    assert sha256(document.payload).hexdigest() == made.sha256
    told = json.loads(document.payload)
    assert (told["number"], told["provider"], told["amount"]["micros"]) == (1, "orgs/seller", 250_000)
    consumer, platform = document.signatures
    assert (consumer.organisation, platform.organisation) == ("orgs/buyer", "services/memstore")
    for org, signature in (("buyer", consumer), ("", platform)):
        await check(market, org, signature, document.payload_type, document.payload)
        with pytest.raises(InvalidSignature):
            await check(market, org, signature, document.payload_type, document.payload + b" ")


async def test_the_same_request_makes_one_and_many_at_once_share_the_uses(market, agreement):
    for number in range(10):
        await market.use(agreement.name, f"a{number}")
    key = request_id()
    assert await close(market, agreement, request_id=key) == await close(market, agreement, request_id=key)
    for number in range(10):
        await market.use(agreement.name, f"b{number}")
    made = await asyncio.gather(*(close(market, agreement, org) for org in ("seller", "buyer") * 3))
    assert sum(one.uses for one in made) == 10
    assert sorted(one.number for one in made) == list(range(2, 8))


async def test_only_parties_see_statements(market, agreement):
    made = await close(market, agreement)
    for call in (
        close(market, agreement, "outsider"),
        market.stub("outsider").GetStatement(calls.GetStatementRequest(name=made.name)),
        market.stub("outsider").ListStatements(calls.ListStatementsRequest(parent=agreement.name)),
        market.stub("seller").GetStatement(calls.GetStatementRequest(name=f"{made.name}9")),
    ):
        with refused("PERMISSION_DENIED"):
            await call


async def test_a_bill_is_written_as_csv_and_json_and_signed(market, agreement, clock):
    await market.use(agreement.name, "a")
    await close(market, agreement)
    clock.advance(seconds=60)
    middle = clock.now()
    for number in range(2):
        await market.use(agreement.name, f"b{number}")
    await close(market, agreement)
    data, last = await billing(market, "seller")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert [(row["agreement"], row["statement"], row["uses"], row["amount"]) for row in rows] == [
        (agreement.name, "1", "1", "0.250000"),
        (agreement.name, "2", "2", "0.500000"),
    ]
    assert last.statements == 2
    await check(market, "seller", last.signature.signatures[0], last.signature.payload_type, data)
    as_json, last = await billing(market, "buyer", format=2, start_time=middle)
    [row] = json.loads(as_json)
    assert (row["statement"], row["consumer"], row["currency"]) == (2, "orgs/buyer", "EUR")
    await check(market, "buyer", last.signature.signatures[0], last.signature.payload_type, as_json)
    nothing, last = await billing(market, "outsider", format=2)
    assert (json.loads(nothing), last.statements) == ([], 0)
    with refused("PERMISSION_DENIED"):
        async for _ in market.stub("outsider").ExportBilling(calls.ExportBillingRequest(parent="orgs/seller")):
            pass
