"""What is hidden from a caller costs what is not there: the same statements, on rows of the caller alone."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from memporium.memstore.v1 import listing_calls_pb2, release_calls_pb2
from support.market import request_id


@contextmanager
def statements():
    """Collect the statements that any engine runs, without those of timers and of the log."""
    found = []

    def note(_connection, _cursor, statement, _parameters, _context, _many):
        if (statement.startswith("SELECT") and ("audiences" in statement or "listings" in statement)) or (
            statement.startswith("SELECT") and ("FROM offers" in statement or "FROM releases" in statement)
        ):
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
async def names(market):
    """Return what the outsider may not see: private, named to others, not published yet, withdrawn; and what is not."""
    private = await market.listing("private", scope="PRIVATE")
    others = await market.listing("others", scope="ORGANISATIONS", organisations=["orgs/buyer"])
    draft = listing_calls_pb2.CreateListingRequest(
        parent="orgs/seller", listing_id="draft", listing={"title": "D", "audience": {"scope": "SCOPE_PUBLIC"}}
    )
    drafted = (await market.stub("seller").CreateListing(draft)).listing
    suspended = await market.listing("suspended")
    await market.stub("seller").SuspendListing(listing_calls_pb2.SuspendListingRequest(name=suspended.name))
    return [one.name for one in (private, others, drafted, suspended)]


async def _cost(market, method, request):
    with statements() as found, pytest.raises(Exception, match="or it might not exist"):
        await getattr(market.stub("outsider"), method)(request)
    return found


async def test_listings(market, names):
    absent = await _cost(market, "GetListing", listing_calls_pb2.GetListingRequest(name="orgs/seller/listings/absent"))
    assert len(absent) == 1
    assert "audiences" in absent[0]
    for name in names:
        assert await _cost(market, "GetListing", listing_calls_pb2.GetListingRequest(name=name)) == absent


async def test_offers_and_releases(market, names):
    for name in names[:2]:
        offer = await market.offer(name)
        release = await market.release(name)
        for method, kind, shown in (
            ("GetOffer", release_calls_pb2.GetOfferRequest, offer.name),
            ("GetRelease", release_calls_pb2.GetReleaseRequest, release.name),
        ):
            absent = await _cost(market, method, kind(name=shown.replace(name, "orgs/seller/listings/absent")))
            assert await _cost(market, method, kind(name=shown)) == absent
            assert len(absent) == 1


async def test_who_may_see_it_still_does(market, names):
    stub = market.stub("buyer")
    assert (await stub.GetListing(listing_calls_pb2.GetListingRequest(name=names[1]))).listing.name == names[1]
    resume = listing_calls_pb2.ResumeListingRequest(name=names[3], request_id=request_id())
    await market.stub("seller").ResumeListing(resume)
    outsider = market.stub("outsider")
    assert (await outsider.GetListing(listing_calls_pb2.GetListingRequest(name=names[3]))).listing.name == names[3]
    for name in names:
        own = await market.stub("seller").GetListing(listing_calls_pb2.GetListingRequest(name=name))
        assert own.listing.name == name
