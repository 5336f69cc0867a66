"""The lease: without word from the provider's platform nothing of its memory is used."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, timedelta

import grpc
import pytest

from memporium.memstore.v1 import agreement_pb2, entitlement_calls_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_services.memstore.app.peering.following import Following
from memporium_services.memstore.app.peering.lapsing import tell
from memporium_services.memstore.app.peering.replicas import Replicas
from support.market import licence, refused
from support.peers import Shifted, leased, running_side, two_sides, until

# None ends by itself while a test runs, however slow the machine: clocks are put forward.
LEASE_S = 120.0


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


async def lease_end(side):
    return (await side.peer("north")).lease_time.ToDatetime(tzinfo=UTC)


async def begun_anew(side):
    """Follow the peers from the start: it asks for a lease at once."""
    await side.parts.background.stop()
    side.parts.background.start()


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


@asynccontextmanager
async def watched(south, name):
    """Follow what whoever enforces agreements is told of one; yield how to wait for a state."""
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
    try:
        yield lambda state: until(lambda: last(state))
    finally:
        watching.cancel()


async def test_an_unreachable_provider_ends_the_use_when_the_lease_is_over_and_not_before(tmp_path):
    clock = Shifted()
    async with two_sides(tmp_path, lease_s=LEASE_S, clock=clock) as (north, south):
        name = await agreed(north, south)
        back = cut(south)
        await begun_anew(south)
        until_then = await lease_end(south)
        clock.reach(until_then - timedelta(seconds=LEASE_S / 2))
        await south.market.use(name, "still-leased")
        clock.reach(until_then)
        with refused("LICENCE_LEASE_EXPIRED") as caught:
            await south.market.reserve(name, "later")
        assert caught[0].metadata == {"agreement": name, "peer": "peers/north"}

        async def told():
            return (await south.peer("north")).problem.startswith("UNAVAILABLE")

        await until(told)
        assert await lease_end(south) == until_then
        back()
        await until(lambda: _usable(south, name))


async def _usable(side, name):
    try:
        await side.market.use(name, f"again-{time.monotonic()}")
    except (grpc.aio.AioRpcError, PlatformError):
        return False
    return True


async def test_an_answer_that_was_held_back_prolongs_nothing(tmp_path):
    clock = Shifted()
    async with two_sides(tmp_path, lease_s=LEASE_S, clock=clock) as (north, south):
        await agreed(north, south)
        lease, before = south.parts.calls.lease, await lease_end(south)

        async def late(*arguments):
            answer = await lease(*arguments)
            clock.shift += timedelta(seconds=LEASE_S * 1.5)
            return answer

        async def renewed():
            return await lease_end(south) != before

        south.parts.calls.lease = late
        await begun_anew(south)
        await until(renewed)
        assert await lease_end(south) <= clock.now()


async def test_no_lease_for_a_platform_that_has_not_applied_everything(tmp_path):
    clock = Shifted()
    async with two_sides(tmp_path, lease_s=LEASE_S, clock=clock) as (north, south):
        name = await agreed(north, south)
        calls, asked = south.parts.calls, []
        lease = calls.lease

        async def deaf(*_):
            raise PlatformError(Reason.UNAVAILABLE, "the stream is held back")
            yield

        async def counted(*arguments):
            asked.append(arguments)
            return await lease(*arguments)

        async def asked_again():
            return len(asked) > 1

        calls.watch, calls.lease = deaf, counted
        await south.parts.background.stop()
        before = await lease_end(south)
        await north.market.end(name.replace("seller.north", "seller"), "Revoke")
        south.parts.background.start()
        await until(asked_again)
        assert await lease_end(south) == before
        clock.reach(before)
        with refused("LICENCE_LEASE_EXPIRED"):
            await south.market.reserve(name, "revoked-but-not-told")


@pytest.mark.parametrize("verb", ["Revoke", "Suspend"])
async def test_what_the_provider_ends_is_refused_at_once(tmp_path, monkeypatch, verb):
    """It is pushed: nobody looks for changes while this runs. How long it takes is measured by bench_peers.py."""
    monkeypatch.setenv("MEMPORIUM_MEMSTORE_POLL_S", "3600")
    async with two_sides(tmp_path) as (north, south):
        name = await agreed(north, south)
        await north.market.end(name.replace("seller.north", "seller"), verb)

        async def ended():
            state = agreement_pb2.Agreement.State.Name((await south.market.get(name, org="buyer")).state)
            return state != "STATE_ACTIVE"

        await until(ended)
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


async def _two(tmp_path, clock):
    north = running_side(tmp_path / "north", "north", "seller")
    south = running_side(tmp_path / "south", "south", "buyer", clock=clock)
    return north, south


@pytest.mark.parametrize("minutes", [-240, -3, 3])
async def test_clocks_that_differ_do_not_matter_to_leases(tmp_path, minutes):
    clock = Shifted(timedelta(minutes=minutes))
    north_, south_ = await _two(tmp_path, clock)
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
        await begun_anew(south)
        until_then = await lease_end(south)
        clock.reach(until_then - timedelta(seconds=LEASE_S / 2))
        await south.market.use(name, "still-leased")
        clock.reach(until_then)
        with refused("LICENCE_LEASE_EXPIRED"):
            await south.market.reserve(name, "two")


async def test_a_clock_that_is_far_ahead_is_told_so(tmp_path):
    north_, south_ = await _two(tmp_path, Shifted(timedelta(hours=1)))
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
    clock = Shifted()
    async with two_sides(tmp_path, lease_s=LEASE_S, clock=clock) as (north, south):
        name = await agreed(north, south)
        async with watched(south, name) as told:
            await told("ACTIVE")
            back = cut(south)
            await begun_anew(south)
            clock.reach(await lease_end(south))
            await told("SUSPENDED")
            assert (await south.market.get(name, org="buyer")).state == agreement_pb2.Agreement.State.STATE_ACTIVE
            with refused("LICENCE_LEASE_EXPIRED"):
                await south.market.reserve(name, "silent")
            back()
            await told("ACTIVE")


async def test_whoever_saw_a_lease_as_over_is_told_that_it_is_back_also_where_nobody_else_has_noticed(tmp_path):
    clock = Shifted()
    async with two_sides(tmp_path, lease_s=LEASE_S, clock=clock) as (north, south):
        name = await agreed(north, south)
        async with watched(south, name) as told:
            await told("ACTIVE")
            await south.parts.background.stop()
            clock.reach(await lease_end(south))
            # Something else about the agreement changes in the moment between the lease's end and its renewal.
            peering = south.parts.peering
            await peering.market.store.write(lambda tx: tell(tx, frozenset({"north"})))
            await told("SUSPENDED")
            [peer] = await peering.market.store.read(lambda tx: list(tx.peering.peers()))
            await Following(peering, Replicas(peering)).renew(peer)
            await told("ACTIVE")


async def test_an_agreement_whose_time_is_over_ends_here_also_while_the_provider_is_away(tmp_path):
    clock = Shifted()
    async with two_sides(tmp_path, lease_s=3600, clock=clock) as (north, south):
        listing = await north.market.listing("pack")
        terms = licence(days=None)
        terms.permissions[0].constraints.window.duration.FromSeconds(600)
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
        clock.shift += timedelta(seconds=601)
        await until(lambda: here(("EXPIRED", 1)))
        with refused("LICENCE_EXPIRED"):
            await south.market.reserve(name, "late")
        south.parts.background.start()
        await until(lambda: here(("EXPIRED", 2)))
        assert await state(north, name.replace("seller.north", "seller"), "seller") == ("EXPIRED", 2)
