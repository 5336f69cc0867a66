"""Licences by the seat: a principal takes one with its first use, and nobody gets one that is not there."""

from __future__ import annotations

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration

from memporium.memstore.v1 import entitlement_calls_pb2, licence_calls_pb2, seat_calls_pb2, statement_calls_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.rpc.errors_client import reason_of
from support.market import PLAINTEXT, licence, refused, request_id


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


@pytest.fixture
async def held(market):
    """An agreement on two seats, each held for ninety days at least."""
    hold = Duration(seconds=90 * 86_400)
    return await market.agreement(licence("READ", calls=None, days=None, max_seats=2, seat_hold=hold))


def person(who, org="buyer"):
    return f"orgs/{org}/principals/{who}"


async def release(market, agreement, who, to="", org="buyer", **fields):
    request = seat_calls_pb2.ReleaseSeatRequest(
        parent=agreement.name,
        principal=person(who),
        successor=person(to) if to else "",
        reason="has left",
        **fields,
    )
    return (await market.stub(org).ReleaseSeat(request)).seat


async def seats(market, agreement, org="buyer"):
    found = await market.stub(org).ListSeats(seat_calls_pb2.ListSeatsRequest(parent=agreement.name))
    return {one.principal.rpartition("/")[2]: one for one in found.seats}


async def test_a_seat_is_given_back_when_it_was_held_as_long_as_the_terms_say(market, held, clock):
    await use(market, held, "ada", "a")
    await use(market, held, "ben", "b")
    with refused("FAILED_PRECONDITION") as error:
        await release(market, held, "ada")
    free = (await seats(market, held))["ada"].free_time.ToDatetime()
    assert error[0].metadata["free_time"].startswith(free.isoformat()[:19])
    clock.advance(days=89, seconds=86_399)
    with refused("FAILED_PRECONDITION"):
        await release(market, held, "ada")
    clock.advance(seconds=1)
    key = request_id()
    given = await release(market, held, "ada", request_id=key)
    assert await release(market, held, "ada", request_id=key) == given
    assert given.HasField("release_time")
    (step,) = given.history
    assert (step.trigger, step.to_state, step.organisation, step.reason) == (
        "release", "GIVEN_BACK", "orgs/buyer", "has left",
    )  # fmt: skip
    with refused("FAILED_PRECONDITION"):
        await release(market, held, "ada")
    await use(market, held, "cid", "c")
    with refused("LICENCE_NOT_PERMITTED"):
        await use(market, held, "ada", "d")
    found = await seats(market, held, "seller")
    assert {who: one.HasField("release_time") for who, one in found.items()} == {
        "ada": True,
        "ben": False,
        "cid": False,
    }


async def test_a_seat_passes_to_a_successor_and_no_sooner_to_the_next(market, held, clock):
    await use(market, held, "ada", "a")
    await use(market, held, "ben", "b")
    clock.advance(days=90)
    for to, of in (("ben", "buyer"), ("cid", "seller")):
        with refused("INVALID_FIELD"):
            await market.stub("buyer").ReleaseSeat(
                seat_calls_pb2.ReleaseSeatRequest(
                    parent=held.name, principal=person("ada"), successor=person(to, of), reason="x"
                )
            )
    await release(market, held, "ada", to="cid")
    await use(market, held, "cid", "c")
    with refused("LICENCE_NOT_PERMITTED"):
        await use(market, held, "ada", "d")
    clock.advance(days=89)
    with refused("FAILED_PRECONDITION"):
        await release(market, held, "cid", to="dora")
    await release(market, held, "ben")
    await use(market, held, "ada", "e")
    assert not (await seats(market, held))["ada"].HasField("release_time")


async def test_many_at_once_pass_one_seat_on_once(market, held, clock):
    await use(market, held, "ada", "a")
    clock.advance(days=91)

    async def attempt(number):
        try:
            await release(market, held, "ada", to=f"agent-{number}")
        except Exception as error:
            assert reason_of(error).reason is Reason.FAILED_PRECONDITION
            return 0
        return 1

    assert sum(await asyncio.gather(*(attempt(number) for number in range(8)))) == 1
    assert sum(not one.HasField("release_time") for one in (await seats(market, held)).values()) == 1


async def test_the_provider_may_let_a_seat_go_at_any_time_and_terms_that_name_none_keep_it(market, agreement):
    await use(market, agreement, "ada", "a")
    with refused("FAILED_PRECONDITION") as error:
        await release(market, agreement, "ada")
    assert "while the agreement lasts" in error[0].message
    assert not (await seats(market, agreement))["ada"].HasField("free_time")
    for who, org in (("ada", "outsider"), ("nobody", "seller")):
        with refused("PERMISSION_DENIED" if org == "outsider" else "FAILED_PRECONDITION"):
            await release(market, agreement, who, org=org)
    assert (await release(market, agreement, "ada", org="seller")).history[0].organisation == "orgs/seller"
    with refused("PERMISSION_DENIED"):
        await seats(market, agreement, "outsider")


async def renewed(market, old, **fields):
    """Renew an agreement; return the one in its place."""
    terms = licence("READ", calls=None, days=None, seat_hold=Duration(seconds=90 * 86_400), **fields)
    request = statement_calls_pb2.AmendAgreementRequest(name=old.name, terms=terms, reason="another year")
    talks = (await market.stub("seller").AmendAgreement(request)).negotiation
    for trigger, org in (("Accept", "buyer"), ("Agree", "seller"), ("Verify", "buyer"), ("Finalize", "seller")):
        talks = await market.step(talks, trigger, org=org)
    return await market.get(talks.agreement)


async def test_a_renewal_takes_the_seats_over_and_the_time_goes_on(market, held, clock):
    await use(market, held, "ada", "a")
    clock.advance(days=1)
    await use(market, held, "ben", "b")
    before = await seats(market, held)
    clock.advance(days=40)
    new = await renewed(market, held, max_seats=3)
    assert await seats(market, new) == before
    with refused("FAILED_PRECONDITION") as error:
        await release(market, held, "ada")
    assert error[0].metadata["renewed_by"] == new.name
    # Through the old agreement, too, what is left is one seat.
    await use(market, held, "cid", "c")
    with refused("LICENCE_NOT_PERMITTED"):
        await use(market, new, "dora", "d")
    with refused("FAILED_PRECONDITION"):
        await release(market, new, "ada")
    clock.advance(days=49)
    await release(market, new, "ada")
    with refused("FAILED_PRECONDITION"):
        await release(market, new, "ben")


async def test_of_fewer_seats_those_who_came_first_keep_theirs(market, held, clock):
    for who in ("ben", "ada"):
        await use(market, held, who, who)
        clock.advance(seconds=1)
    new = await renewed(market, held, max_seats=1)
    assert set(await seats(market, new)) == {"ben"}
    with refused("LICENCE_NOT_PERMITTED"):
        await use(market, held, "ada", "a2")
