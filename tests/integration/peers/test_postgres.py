"""A platform on PostgreSQL trades with one on SQLite, as provider and as consumer."""

import grpc
import pytest

from support.market import licence, refused
from support.peers import leased, running_side, until
from support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures


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
