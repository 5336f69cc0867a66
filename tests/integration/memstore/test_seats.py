"""Licences by the seat: a principal takes one with its first use, and nobody gets one that is not there."""

from __future__ import annotations

import asyncio

import pytest

from memporium.memstore.v1 import entitlement_calls_pb2, licence_calls_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.rpc.errors_client import reason_of
from support.market import PLAINTEXT, licence, refused


@pytest.fixture
async def agreement(market):
    return await market.agreement(licence("READ", calls=None, max_seats=2))


async def use(market, agreement, who, use_id):
    request = entitlement_calls_pb2.ReserveUseRequest(
        agreement=agreement.name, action="LICENCE_ACTION_READ", form=PLAINTEXT, use_id=use_id
    )
    with market.on_behalf_of("buyer", who):
        return await market.internal().ReserveUse(request)


async def test_so_many_different_principals_and_no_more(market, agreement):
    for who, use_id in (("ada", "a"), ("ben", "b"), ("ada", "c")):
        await use(market, agreement, who, use_id)
    with refused("LICENCE_NOT_PERMITTED") as error:
        await use(market, agreement, "cid", "d")
    assert error[0].metadata["term"] == "seats"
    assert "2 seats, and all are taken" in error[0].message
    await use(market, agreement, "ben", "e")


async def test_many_at_once_take_exactly_the_seats_that_there_are(market, agreement):
    async def attempt(number):
        try:
            await use(market, agreement, f"agent-{number}", f"u{number}")
        except Exception as error:
            found = error if isinstance(error, PlatformError) else reason_of(error)
            assert found.reason is Reason.LICENCE_NOT_PERMITTED
            return 0
        return 1

    assert sum(await asyncio.gather(*(attempt(number) for number in range(12)))) == 2


async def test_what_is_left_and_who_would_be_refused_is_explained(market, agreement):
    await use(market, agreement, "ada", "a")
    explain = market.stub("buyer").ExplainTerms
    told = await explain(licence_calls_pb2.ExplainTermsRequest(agreement=agreement.name))
    assert "1 of 2 seats are free." in list(told.left)
    await use(market, agreement, "ben", "b")
    for who, answer in (("ada", 1), ("cid", 2)):
        imagined = licence_calls_pb2.ImaginedUse(
            action="LICENCE_ACTION_READ", form=PLAINTEXT, workload=f"orgs/buyer/principals/{who}"
        )
        told = await explain(licence_calls_pb2.ExplainTermsRequest(agreement=agreement.name, use=imagined))
        assert told.verdict.answer == answer
    assert told.verdict.term == "seats"
