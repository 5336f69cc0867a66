"""A platform on PostgreSQL trades with one on SQLite, as provider and as consumer."""

import grpc
import pytest

from support.market import licence, refused
from support.peers import leased, running_side, until
from support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures
from support.settling import close, listed, refusing, void


@pytest.mark.parametrize("on_postgres", ["north", "south"])
async def test_an_agreement_its_use_statement_and_end(tmp_path, postgres_url, on_postgres):  # noqa: F811 - the fixture
    urls = {on_postgres: {"database_url": postgres_url}}
    async with (
        running_side(tmp_path / "north", "north", "seller", **urls.get("north", {})) as north,
        running_side(tmp_path / "south", "south", "buyer", **urls.get("south", {})) as south,
    ):
        await north.register(south)
        await south.register(north)
        listing = await north.market.listing("pack")
        offer = await north.market.offer(listing.name, terms=licence(calls=5), auto_agree=True)
        talks = await south.market.request(offer.name.replace("orgs/seller/", "orgs/seller.north/"))
        name = (await south.market.step(talks, "Verify", org="buyer")).agreement
        here = name.replace("orgs/seller.north/", "orgs/seller/")
        await until(lambda: _state(south, name))
        await leased(south, "north")
        await south.market.use(name, "one")

        async def stated():
            from memporium.memstore.v1 import entitlement_calls_pb2 as pb

            return (await north.market.stub("seller").ListUsage(pb.ListUsageRequest(parent=here))).total.calls == 1

        await until(stated)
        await a_refused_statement_is_voided(north, south, name, here)
        await north.market.end(here, "Revoke")

        async def ended():
            return (await _state(south, name)) == (await north.market.get(here)).state

        await until(ended)
        with refused("LICENCE_REVOKED"):
            await south.market.reserve(name, "two")


async def _state(side, name):
    try:
        return (await side.market.get(name, org="buyer")).state
    except grpc.aio.AioRpcError:
        return None


async def a_refused_statement_is_voided(north, south, name, here):
    with refusing():
        bad = await close(south, name, "buyer")

        async def told():
            return (await listed(south, name, "buyer"))[0].refusal

        await until(told, limit_s=60)
    await void(south, bad.name)
    good = await close(south, name, "buyer")
    assert (good.number, good.uses) == (2, 1)

    async def equal():
        found = [await listed(south, name, "buyer"), await listed(north, here, "seller")]
        states = [[(one.number, one.state, one.sha256) for one in each] for each in found]
        return states[0] == states[1] and len(states[0]) == 2

    await until(equal, limit_s=60)
