"""The lease: without word from the provider's platform nothing of its memory is used."""

import asyncio
import time
from datetime import datetime, timedelta

import grpc
import pytest

from memporium.memstore.v1 import agreement_pb2, entitlement_calls_pb2
from memporium_platform.clock import SystemClock
from memporium_platform.errors import PlatformError, Reason
from support.market import licence, refused
from support.peers import leased, running_side, two_sides, until

LEASE_S = 1.0


async def agreed(north, south, **fields):
    listing = await north.market.listing(fields.pop("listing_id", "pack"))
    offer = await north.market.offer(listing.name, terms=licence(**fields), auto_agree=True)
    talks = await south.market.request(offer.name.replace("orgs/seller/", "orgs/seller.north/"))
    name = (await south.market.step(talks, "Verify", org="buyer")).agreement

    async def there():
        try:
            return await south.market.get(name, org="buyer")
        except grpc.aio.AioRpcError:
            return None

    await until(there)
    await leased(south, "north")
    return name


def cut(side):
    """Cut a platform off; return what puts it back."""
    calls = side.parts.calls
    kept = (calls.deliver, calls.watch, calls.lease)

    async def away(*_):
        raise PlatformError(Reason.UNAVAILABLE, "away")

    async def stream(*_):
        await away()
        yield

    calls.deliver, calls.watch, calls.lease = away, stream, away

    def back():
        calls.deliver, calls.watch, calls.lease = kept

    return back


async def test_an_unreachable_provider_ends_the_use_when_the_lease_is_over_and_not_before(tmp_path):
    async with two_sides(tmp_path, lease_s=LEASE_S) as (north, south):
        name = await agreed(north, south)
        back = cut(south)
        await south.market.use(name, "still-leased")
        began = time.monotonic()

        async def refused_now():
            try:
                await south.market.reserve(name, f"use-{time.monotonic()}")
            except (grpc.aio.AioRpcError, PlatformError):
                return True
            return False

        await until(refused_now)
        assert time.monotonic() - began <= LEASE_S + 0.5
        with refused("LICENCE_LEASE_EXPIRED") as caught:
            await south.market.reserve(name, "later")
        assert caught[0].metadata == {"agreement": name, "peer": "peers/north"}
        assert (await south.peer("north")).problem.startswith("UNAVAILABLE")
        back()
        await until(lambda: _usable(south, name))


async def _usable(side, name):
    try:
        await side.market.use(name, f"again-{time.monotonic()}")
    except (grpc.aio.AioRpcError, PlatformError):
        return False
    return True


async def test_an_answer_that_was_held_back_prolongs_nothing(tmp_path):
    async with two_sides(tmp_path, lease_s=LEASE_S) as (north, south):
        await agreed(north, south)
        lease = south.parts.calls.lease

        async def late(*arguments):
            answer = await lease(*arguments)
            await asyncio.sleep(LEASE_S * 1.5)
            return answer

        south.parts.calls.lease = late
        await asyncio.sleep(LEASE_S * 2.5)
        assert (await south.peer("north")).lease_time.ToMicroseconds() <= time.time() * 1e6


async def test_no_lease_for_a_platform_that_has_not_applied_everything(tmp_path):
    async with two_sides(tmp_path, lease_s=LEASE_S) as (north, south):
        name = await agreed(north, south)
        calls = south.parts.calls

        async def deaf(*_):
            raise PlatformError(Reason.UNAVAILABLE, "the stream is held back")
            yield

        calls.watch = deaf
        follower = south.market.module.peers.parts.background
        await follower.stop()
        follower.start()
        await north.market.end(name.replace("seller.north", "seller"), "Revoke")
        await asyncio.sleep(LEASE_S * 1.2)
        with refused("LICENCE_LEASE_EXPIRED"):
            await south.market.reserve(name, "revoked-but-not-told")


@pytest.mark.parametrize("verb", ["Revoke", "Suspend"])
async def test_what_the_provider_ends_is_refused_within_a_second(tmp_path, verb):
    async with two_sides(tmp_path) as (north, south):
        name = await agreed(north, south)
        began = time.monotonic()
        await north.market.end(name.replace("seller.north", "seller"), verb)

        async def ended():
            state = agreement_pb2.Agreement.State.Name((await south.market.get(name, org="buyer")).state)
            return state != "STATE_ACTIVE"

        await until(ended)
        assert time.monotonic() - began < 1.0
        with refused("LICENCE_REVOKED" if verb == "Revoke" else "LICENCE_SUSPENDED"):
            await south.market.reserve(name, "after")


async def test_what_the_consumer_cancels_ends_at_once_also_while_the_provider_is_away(tmp_path):
    async with two_sides(tmp_path) as (north, south):
        name = await agreed(north, south)
        back = cut(south)
        await south.market.end(name, "Cancel", org="buyer")
        with refused("LICENCE_REVOKED"):
            await south.market.reserve(name, "after")
        back()

        async def known():
            theirs = await north.market.get(name.replace("seller.north", "seller"))
            return theirs.state == agreement_pb2.Agreement.State.STATE_CANCELLED

        await until(known)


class Shifted(SystemClock):
    """A clock that is wrong."""

    def __init__(self, shift: timedelta) -> None:
        self.shift = shift

    def now(self) -> datetime:
        return super().now() + self.shift


async def _two(tmp_path, shift):
    north = running_side(tmp_path / "north", "north", "seller")
    south = running_side(tmp_path / "south", "south", "buyer", clock=Shifted(shift))
    return north, south


@pytest.mark.parametrize("minutes", [-240, -3, 3])
async def test_clocks_that_differ_do_not_matter_to_leases(tmp_path, minutes):
    north_, south_ = await _two(tmp_path, timedelta(minutes=minutes))
    async with north_ as north, south_ as south:
        await north.register(south, lease_s=LEASE_S)
        await south.register(north)
        if minutes < -5:
            # What north certifies lies in the future here.
            with refused("PERMISSION_DENIED"):
                await agreed(north, south)
            return
        name = await agreed(north, south)
        await south.market.use(name, "one")
        cut(south)
        await asyncio.sleep(LEASE_S * 1.2)
        with refused("LICENCE_LEASE_EXPIRED"):
            await south.market.reserve(name, "two")


async def test_a_clock_that_is_far_ahead_is_told_so(tmp_path):
    north_, south_ = await _two(tmp_path, timedelta(hours=1))
    async with north_ as north, south_ as south:
        await north.register(south)
        await south.register(north)
        with refused("PERMISSION_DENIED") as caught:
            await agreed(north, south)
        assert "clocks differ" in caught[0].message


async def test_memory_that_must_stay_on_its_platform_stays_there(tmp_path):
    async with two_sides(tmp_path) as (north, south):
        name = await agreed(north, south, on_platform_only=True)
        with refused("LICENCE_NOT_PERMITTED"):
            await south.market.reserve(name, "one")
        peer = await south.parts.peering.peer("north")
        with refused("LICENCE_NOT_PERMITTED"):
            await south.parts.calls.open_release(peer, name.replace("seller.north", "seller"), "")


async def test_whoever_enforces_agreements_is_told_when_the_lease_ends_and_when_it_comes_back(tmp_path):
    async with two_sides(tmp_path, lease_s=LEASE_S) as (north, south):
        name = await agreed(north, south)
        seen = []

        async def watch():
            with south.market.on_behalf_of():
                stream = south.market.internal().WatchEntitlements(entitlement_calls_pb2.WatchEntitlementsRequest())
            async for message in stream:
                seen.extend(
                    agreement_pb2.Agreement.State.Name(each.state).removeprefix("STATE_")
                    for each in message.entitlements
                    if each.agreement == name
                )

        async def last(state):
            return seen and seen[-1] == state

        watching = asyncio.create_task(watch())
        await until(lambda: last("ACTIVE"))
        back = cut(south)
        await until(lambda: last("SUSPENDED"))
        assert (await south.market.get(name, org="buyer")).state == agreement_pb2.Agreement.State.STATE_ACTIVE
        with refused("LICENCE_LEASE_EXPIRED"):
            await south.market.reserve(name, "silent")
        back()
        await until(lambda: last("ACTIVE"))
        watching.cancel()


async def test_an_agreement_whose_time_is_over_ends_here_also_while_the_provider_is_away(tmp_path):
    async with two_sides(tmp_path, lease_s=30) as (north, south):
        listing = await north.market.listing("pack")
        terms = licence(days=None)
        terms.permissions[0].constraints.window.duration.FromSeconds(4)
        offer = await north.market.offer(listing.name, terms=terms, auto_agree=True)
        talks = await south.market.request(offer.name.replace("orgs/seller/", "orgs/seller.north/"))
        name = (await south.market.step(talks, "Verify", org="buyer")).agreement

        async def state(side, agreement, org):
            try:
                found = await side.market.get(agreement, org=org)
            except grpc.aio.AioRpcError:
                return None
            return agreement_pb2.Agreement.State.Name(found.state).removeprefix("STATE_"), len(found.history)

        async def here(wanted):
            return (await state(south, name, "buyer")) == wanted

        await until(lambda: here(("ACTIVE", 1)))
        await south.parts.background.stop()
        await until(lambda: here(("EXPIRED", 1)))
        with refused("LICENCE_EXPIRED"):
            await south.market.reserve(name, "late")
        south.parts.background.start()
        await until(lambda: here(("EXPIRED", 2)))
        assert await state(north, name.replace("seller.north", "seller"), "seller") == ("EXPIRED", 2)
