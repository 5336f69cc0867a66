"""Seats of a consumer on another platform: told to the provider's by pseudonyms, and held against what was sold."""

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from memporium.memstore.v1 import entitlement_calls_pb2 as calls
from memporium.memstore.v1 import negotiation_calls_pb2, seat_calls_pb2, statement_calls_pb2
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.market import PLAINTEXT, licence
from support.peers import agreed, home, two_sides, until
from support.stated import line, state

HOLD_S = 1
DAY_US = 86_400_000_000


@pytest.fixture
async def sides(tmp_path):
    # No statement is made by itself: these tests say when.
    async with two_sides(tmp_path, peer={"USAGE_S": "3600"}) as both:
        yield both


def seated(max_seats=2, hold_s=HOLD_S):
    return licence("READ", calls=None, days=None, max_seats=max_seats, seat_hold=Duration(seconds=hold_s))


async def use(south, name, who):
    with south.market.on_behalf_of("buyer", who):
        stub = south.market.internal()
        request = {"agreement": name, "use_id": f"{who} of {name}"}
        await stub.ReserveUse(calls.ReserveUseRequest(action="LICENCE_ACTION_READ", form=PLAINTEXT, **request))
        await stub.CommitUse(calls.CommitUseRequest(**request))


async def seats(side, org, name):
    found = await side.market.stub(org).ListSeats(seat_calls_pb2.ListSeatsRequest(parent=name))
    return list(found.seats)


def states(found, key):
    return {getattr(one, key).rpartition("/")[2]: one.HasField("release_time") for one in found}


async def give_back(south, name, who):
    request = seat_calls_pb2.ReleaseSeatRequest(parent=name, principal=f"orgs/buyer/principals/{who}", reason="left")
    try:
        await south.market.stub("buyer").ReleaseSeat(request)
    except grpc.aio.AioRpcError as error:
        assert reason_of(error).reason is Reason.FAILED_PRECONDITION
        return False
    return True


async def test_the_provider_sees_by_pseudonyms_who_holds_seats_also_after_a_renewal(sides):
    north, south = sides
    name = await agreed(north, south, terms=seated())
    stating = south.parts.background._stating
    await use(south, name, "ada")
    await use(south, name, "ben")
    assert await stating.state(name)
    here, there = await seats(south, "buyer", name), await seats(north, "seller", home(name))
    assert states(there, "principal") == states(here, "holder") == dict.fromkeys((one.holder for one in here), False)
    assert {one.principal.rpartition("/")[0] for one in there} == {"orgs/buyer.south/holders"}
    assert not any(who in str(there) for who in ("ada", "ben"))
    assert not await stating.state(name)
    # A seat that is given back is told, though nothing more was used.
    await until(lambda: give_back(south, name, "ada"))
    assert await stating.state(name)
    there = await seats(north, "seller", home(name))
    assert states(there, "principal") == states(await seats(south, "buyer", name), "holder")
    assert sorted(states(there, "principal").values()) == [False, True]
    new = await renewed(north, south, name)
    [ben] = [one.holder for one in here if one.principal.endswith("/ben")]
    for found, key in (
        (await seats(north, "seller", home(new)), "principal"),
        (await seats(south, "buyer", new), "holder"),
    ):
        assert states(found, key) == {ben: False}
    # It was carried over before anything was used, and is told.
    assert await stating.state(new)
    assert not await stating.state(new)


async def renewed(north, south, name):
    """Renew an agreement by the provider's proposal; return the new one's name at south."""
    terms = seated(max_seats=3)
    stub = north.market.stub("seller")
    made = await stub.AmendAgreement(statement_calls_pb2.AmendAgreementRequest(name=home(name), terms=terms))
    at_north = made.negotiation.name
    at_south = at_north.replace("orgs/seller/", "orgs/seller.north/")

    async def talks(side, org, at):
        try:
            return (
                await side.market.stub(org).GetNegotiation(negotiation_calls_pb2.GetNegotiationRequest(name=at))
            ).negotiation
        except grpc.aio.AioRpcError:
            return None

    async def step(side, org, at, trigger, state):
        async def ready():
            found = await talks(side, org, at)
            return found if found and found.State.Name(found.state) == f"STATE_{state}" else None

        await side.market.step(await until(ready), trigger, org=org)

    await step(south, "buyer", at_south, "Accept", "OFFERED")
    await step(north, "seller", at_north, "Agree", "ACCEPTED")
    await step(south, "buyer", at_south, "Verify", "AGREED")
    await step(north, "seller", at_north, "Finalize", "VERIFIED")

    async def in_place():
        new = (await south.market.get(name, org="buyer")).renewed_by
        try:
            # Whichever of both comes last, the old one's end or the new one: then the seats have passed over.
            return (await south.market.get(new, org="buyer")).name if new else ""
        except grpc.aio.AioRpcError:
            return ""

    return await until(in_place)


def told(*holders, held=None):
    """Return seats as they are told; each holder is a letter, when it took its seat, and when it gave it back."""
    found = [{"holder": letter * 32, "take_us": take, "end_us": end} for letter, take, end in holders]
    return {"held": sum(not end for _, _, end in holders) if held is None else held, "holders": found}


A, B = ("a", DAY_US, 0), ("b", 2 * DAY_US, 0)


CONTRADICTIONS = [
    (told(A, B, ("c", DAY_US, 0)), "LICENCE_NOT_PERMITTED"),
    (told(A, B, held=3), "INVALID_FIELD"),
    (told(A, B, held=1), "INVALID_FIELD"),
    (told(A, A), "INVALID_FIELD"),
    (told(A, ("b", 2 * DAY_US, 3 * DAY_US)), "INVALID_FIELD"),
    (told(A, ("b", 2 * DAY_US, DAY_US)), "INVALID_FIELD"),
    (told(A), "INVALID_FIELD"),
    (told(A, ("b", 3 * DAY_US, 0)), "INVALID_FIELD"),
    (told(A, ("b", DAY_US, 0)), "INVALID_FIELD"),
    (told(A, ("g", DAY_US, 0)), "INVALID_FIELD"),
    ({"held": 2}, "INVALID_FIELD"),
    (["a"], "INVALID_FIELD"),
]


async def test_seats_that_contradict_what_was_sold_or_told_are_refused(sides):
    north, south = sides
    name = await agreed(north, south, terms=seated(hold_s=90 * 86_400))
    outcome, _, first = await state(south, name, 1, line(1), seats=told(A, B))
    assert outcome == "ACCEPTED"
    for seats_told, reason in CONTRADICTIONS:
        answer = await state(south, name, 2, line(2), previous=first, seats=seats_told)
        assert answer[:2] == ("REFUSED", reason), seats_told
    assert sorted(one.principal[-1] for one in await seats(north, "seller", home(name))) == ["a", "b"]
    later = told(("a", DAY_US, 91 * DAY_US), ("b", 92 * DAY_US, 0), ("c", 92 * DAY_US, 0))
    assert (await state(south, name, 2, line(2), previous=first, seats=later))[0] == "ACCEPTED"
    found = {one.principal[-1]: one.HasField("release_time") for one in await seats(north, "seller", home(name))}
    assert found == {"a": True, "b": False, "c": False}


async def test_a_platform_that_tells_of_no_seats_is_understood(sides):
    north, south = sides
    name = await agreed(north, south, terms=seated())
    assert (await state(south, name, 1, line(1)))[0] == "ACCEPTED"
    assert await seats(north, "seller", home(name)) == []
