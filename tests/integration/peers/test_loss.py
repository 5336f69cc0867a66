"""Messages and records that are lost, doubled, late or out of order: both platforms end in the same state."""

import asyncio
import base64
import itertools
import json
from contextlib import contextmanager
from decimal import Decimal
from hashlib import sha256
from random import Random

import grpc
import pytest

from memporium.memstore.v1 import (
    agreement_pb2,
    consent_calls_pb2,
    entitlement_calls_pb2,
    offer_pb2,
    peer_calls_pb2,
    statement_calls_pb2,
    statement_pb2,
)
from memporium.memstore.v1 import negotiation_calls_pb2 as pb
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.memstore.app.peering import inbox
from support.market import licence, refused, request_id
from support.peers import agreed, home, two_sides, until
from support.settling import bill, close, listed

State = agreement_pb2.Negotiation.State
Statement = statement_pb2.UsageStatement.State
TALKS = 12


class Lossy:
    """A relay between two platforms: drops what is said or its answer, says it again, and holds it back."""

    def __init__(self, calls, seed):
        self.random = Random(seed)
        self.calls = calls
        self.deliver, self.watch = calls.deliver, calls.watch
        self.said = []
        calls.deliver, calls.watch = self.lossy_deliver, self.lossy_watch

    async def lossy_deliver(self, peer, message, statement):
        self.said.append((message, statement))
        if self.random.random() < 0.25:
            raise PlatformError(Reason.UNAVAILABLE, "dropped on the way there")
        if self.random.random() < 0.25:
            # Something that was said before comes again, out of its order.
            old = self.random.choice(self.said)
            await self.deliver(peer, *old)
        await asyncio.sleep(self.random.random() * 0.02)
        answer = await self.deliver(peer, message, statement)
        if self.random.random() < 0.25:
            raise PlatformError(Reason.UNAVAILABLE, "dropped on the way back")
        return answer

    async def lossy_watch(self, peer, after):
        # A reader that forgets where it was gets old records again.
        async for number, record in self.watch(peer, max(after - self.random.randrange(3), 0)):
            chance = self.random.random()
            if chance < 0.15:
                raise PlatformError(Reason.UNAVAILABLE, "the stream broke")
            yield number, record
            if chance < 0.4:
                yield number, record


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_both_end_equal_whatever_is_lost_doubled_or_reordered(tmp_path, seed):
    async with two_sides(tmp_path) as (north, south):
        Lossy(south.parts.calls, seed)
        listing = await north.market.listing("pack")
        offer = await north.market.offer(listing.name, terms=licence())
        random = Random(seed)
        walks = [walk(north, south, offer.name, random) for _ in range(TALKS)]
        names = await asyncio.gather(*walks)
        for name in names:
            await until(lambda name=name: equal(north, south, name))
        ended = {State.Name((await talks(south, name)).state) for name in names}
        assert ended <= {"STATE_FINALIZED", "STATE_TERMINATED"}

        async def all_answered():
            return not (await south.peer("north")).waiting_messages

        await until(all_answered)


async def walk(north, south, offer, random):
    """Negotiate to an end by chance; return the name at south."""
    there = offer.replace("orgs/seller/", "orgs/seller.north/")
    stub = south.market.stub("buyer")
    name = (await again(lambda key: stub.RequestNegotiation(_request(there, key)))).negotiation.name
    for turn in itertools.count():
        current = await talks(south, name)
        if State.Name(current.state) in {"STATE_FINALIZED", "STATE_TERMINATED"}:
            break
        try:
            await step(north, south, current, random, counters=turn < 20)
        except (grpc.aio.AioRpcError, PlatformError):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.02)
    return name


async def step(north, south, current, random, *, counters):
    """Make one step that is possible at this state, sometimes the end, sometimes both sides at once."""
    state = State.Name(current.state).removeprefix("STATE_")
    here = current.name.replace("seller.north", "seller")
    theirs = agreement_pb2.Negotiation(name=here, sequence=current.sequence)
    provider = {"REQUESTED": ["Agree", "Counter"], "ACCEPTED": ["Agree"], "VERIFIED": ["Finalize"]}.get(state, [])
    consumer = {"OFFERED": ["Accept", "Counter"], "AGREED": ["Verify"]}.get(state, [])
    last = random.randint(1, 2) if counters else 1
    moves = [north.market.step(theirs, trigger, org="seller") for trigger in provider[:last][-1:]]
    moves += [south.market.step(current, trigger, org="buyer") for trigger in consumer[:last][-1:]]
    if random.random() < 0.05:
        moves.append(south.market.step(current, "Terminate", org="buyer"))
    await asyncio.gather(*moves, return_exceptions=True)


async def talks(side, name, org="buyer"):
    return (await side.market.stub(org).GetNegotiation(pb.GetNegotiationRequest(name=name))).negotiation


async def equal(north, south, name):
    ours = await talks(south, name)
    theirs = await talks(north, name.replace("seller.north", "seller"), "seller")
    same = [step.statement for step in ours.history] == [step.statement for step in theirs.history]
    return same and ours.state == theirs.state and ours.document.payload == theirs.document.payload


def _request(offer, key):
    return pb.RequestNegotiationRequest(offer=offer, request_id=key)


async def again(call):
    """Make a call with one request id until it is answered."""
    key = request_id()
    for _ in range(60):
        try:
            return await call(key)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE, error.details()
            await asyncio.sleep(0.05)
    raise AssertionError("never answered")


PURPOSES = ("support", "teaching")
PER_CALL = offer_pb2.PricePlan(
    per_use=offer_pb2.UsePlan(price=offer_pb2.Price(currency="EUR", micros=250_000), unit="USE_UNIT_CALLS")
)


async def test_consents_statements_and_amendments_end_equal_whatever_is_lost(tmp_path):
    async with two_sides(tmp_path) as (north, south):
        terms = licence("READ", calls=None, duties=["OBTAIN_CONSENT"])
        names = [
            await agreed(north, south, terms=terms, listing_id=f"pack-{number}", price=PER_CALL) for number in range(2)
        ]
        Lossy(south.parts.calls, 7)
        with refusing_some() as refusals:
            await asyncio.gather(*(live(north, south, name, Random(number)) for number, name in enumerate(names)))
        assert refusals >= set(map(home, names))

        async def silent():
            return not (await south.peer("north")).waiting_messages

        await until(silent)
        for name in names:
            await until(lambda name=name: same_rest(north, south, name))
            said = await south.market.stub("buyer").ListLedger(peer_calls_pb2.ListLedgerRequest(parent=name))
            assert {"consent-step", "consent", "settlement", "statement", "usage"} <= {one.kind for one in said.entries}
            await each_use_counts_once(north, south, name)


@contextmanager
def refusing_some():
    """Let the provider's platform refuse the first statement of each agreement and some that follow; yield of which."""
    honest, refusals = inbox.take_statement, set()

    async def take(market, name, fields):
        document = base64.b64decode(fields["document"])
        number = json.loads(document)["number"]
        if number == 1 or (number < 7 and sha256(document).digest()[0] % 3 == 0):
            refusals.add(name)
            raise invalid("document", "is not what we count")
        await honest(market, name, fields)

    inbox.take_statement = take
    try:
        yield refusals
    finally:
        inbox.take_statement = honest


async def settles(south, name):
    """Void what was refused, the oldest first, and say whether every statement is settled or void, and every use on one.

    Answers may be lost, so whatever fails is tried again.
    """
    made = await listed(south, name, "buyer")
    states = [Statement.Name(one.state) for one in made]
    if "STATE_ISSUED" in states:
        return False
    if "STATE_REFUSED" in states:
        bad = made[states.index("STATE_REFUSED")]
        request = statement_calls_pb2.VoidStatementRequest(name=bad.name, reason="refused")
        await asyncio.gather(south.market.stub("buyer").VoidStatement(request), return_exceptions=True)
        return False
    usage = await south.market.stub("buyer").ListUsage(entitlement_calls_pb2.ListUsageRequest(parent=name))
    if sum(one.uses for one in made if one.state == Statement.STATE_SETTLED) == usage.total.calls:
        return True
    await asyncio.gather(close(south, name, "buyer"), return_exceptions=True)
    return False


async def each_use_counts_once(north, south, name):
    """Demand that what is settled adds up to what was used, and that both bills say so."""
    usage = await south.market.stub("buyer").ListUsage(entitlement_calls_pb2.ListUsageRequest(parent=name))
    assert usage.total.calls
    for side, org, at in ((south, "buyer", name), (north, "seller", home(name))):
        rows = [row for row in await bill(side, org) if row["agreement"] == at]
        assert {row["state"] for row in rows} == {"settled", "voided"}
        assert [int(row["statement"]) for row in rows] == list(range(1, len(rows) + 1))
        assert sum(int(row["calls"]) for row in rows) == usage.total.calls
        assert sum(Decimal(row["amount"]) for row in rows) == usage.total.calls * Decimal("0.25")


async def live(north, south, name, random):
    """Let an agreement live: uses, consents, statements, an amendment; both sides move at once."""
    for turn in range(14):
        purpose = random.choice(PURPOSES)
        moves = [consent(south, "Request", name, purpose), use(south, name, f"{turn}", purpose)]
        verb = random.choice(["Grant", "Grant", "Deny", "Withdraw"])
        moves.append(decide(north, "seller", verb, home(name), purpose))
        if turn % 4 == 1:
            moves.append(decide(south, "buyer", "Withdraw", name, purpose))
        if turn % 5 == 3:
            request = statement_calls_pb2.CreateStatementRequest(parent=name, request_id=request_id())
            moves.append(south.market.stub("buyer").CreateStatement(request))
        if turn == 9:
            request = statement_calls_pb2.AmendAgreementRequest(name=home(name), terms=licence(calls=7))
            moves.append(north.market.stub("seller").AmendAgreement(request))
        await asyncio.gather(*moves, return_exceptions=True)
    await until(lambda: used_once(north, south, name))
    await until(lambda: settles(south, name))


async def consent(south, verb, name, purpose):
    request = consent_calls_pb2.RequestConsentRequest(parent=name, action="LICENCE_ACTION_READ", purpose=purpose)
    return await getattr(south.market.stub("buyer"), f"{verb}Consent")(request)


async def decide(side, org, verb, name, purpose):
    for one in await consents(side, org, name):
        if one.purpose == purpose:
            request = getattr(consent_calls_pb2, f"{verb}ConsentRequest")(name=one.name)
            await getattr(side.market.stub(org), f"{verb}Consent")(request)


async def used_once(north, south, name):
    """Whether one use went through: by chance each of those above may have met a consent that was just taken back."""
    purpose = PURPOSES[0]
    for move in (consent(south, "Request", name, purpose), decide(north, "seller", "Grant", home(name), purpose)):
        await asyncio.gather(move, return_exceptions=True)
    (found,) = await asyncio.gather(use(south, name, "last", purpose), return_exceptions=True)
    return not isinstance(found, BaseException)


async def use(south, name, use_id, purpose):
    await south.market.use(name, use_id, purpose=purpose)


async def consents(side, org, name):
    return (await side.market.stub(org).ListConsents(consent_calls_pb2.ListConsentsRequest(parent=name))).consents


async def same_rest(north, south, name):
    """Whether consents, statements and talks are the same on both sides."""
    ours, theirs = await consents(south, "buyer", name), await consents(north, "seller", home(name))
    steps = [[[step.statement for step in one.history] for one in found] for found in (ours, theirs)]
    made = [
        (await side.market.stub(org).ListStatements(statement_calls_pb2.ListStatementsRequest(parent=at))).statements
        for side, org, at in ((south, "buyer", name), (north, "seller", home(name)))
    ]
    documents = [[(one.document.payload, one.voiding.document.payload) for one in found] for found in made]
    signed = all(len(one.document.signatures) == 3 or one.state == Statement.STATE_VOIDED for one in made[0])
    talks_ = [
        len(
            (
                await side.market.stub(org).ListNegotiations(pb.ListNegotiationsRequest(parent=f"orgs/{org}"))
            ).negotiations
        )
        for side, org in ((south, "buyer"), (north, "seller"))
    ]
    return steps[0] == steps[1] and documents[0] == documents[1] and signed and talks_[0] == talks_[1]


async def test_a_step_that_could_not_be_sent_goes_out_when_the_peer_is_back(tmp_path):
    async with two_sides(tmp_path) as (north, south):
        listing = await north.market.listing("pack")
        offer = await north.market.offer(listing.name, terms=licence(), auto_agree=True)
        talks_ = await south.market.request(offer.name.replace("orgs/seller/", "orgs/seller.north/"))
        deliver = south.parts.calls.deliver

        async def away(*_):
            raise PlatformError(Reason.UNAVAILABLE, "away")

        south.parts.calls.deliver = away
        with refused("UNAVAILABLE"):
            await south.market.step(talks_, "Verify", org="buyer")
        with refused("CONFLICT"):
            await south.market.step(talks_, "Terminate", org="buyer")
        south.parts.calls.deliver = deliver

        async def closed():
            return State.Name((await talks(south, talks_.name)).state) == "STATE_FINALIZED"

        await until(closed)
