"""What came under share-alike terms is passed on under these same terms, or not at all."""

from __future__ import annotations

import pytest

from support.market import licence, refused


@pytest.fixture
async def agreement(market):
    return await market.agreement(licence("READ", "REDISTRIBUTE", duties=["SHARE_ALIKE"]))


def onward(agreement, listing="", digest=""):
    return {
        "action": "REDISTRIBUTE",
        "onward_terms_sha256": digest or agreement.terms_document.sha256,
        "onward_listing": listing,
    }


async def test_other_terms_are_refused(market, agreement):
    for digest in ("", "00" * 32):
        with refused("LICENCE_NOT_PERMITTED") as error:
            await market.reserve(agreement.name, "a", action="REDISTRIBUTE", onward_terms_sha256=digest)
        assert error[0].metadata["term"] == "share_alike"
    await market.use(agreement.name, "a", **onward(agreement))
    # Its tensors follow under the same use.
    await market.reserve(agreement.name, "a", action="REDISTRIBUTE")
    await market.reserve(agreement.name, "r")


async def test_a_listing_that_holds_shared_memory_is_had_under_these_terms_alone(market, agreement):
    terms = agreement.terms_document.terms
    listing = await market.listing("onward", org="buyer", terms=terms)
    early = await market.offer(listing.name, "early", org="buyer", terms=licence(), auto_agree=True)
    await market.use(agreement.name, "a", **onward(agreement, listing.name))
    with refused("LICENCE_NOT_PERMITTED"):
        await market.offer(listing.name, "wide", org="buyer", terms=licence())
    # An offer from before binds nobody any more, by itself or by hand.
    with refused("LICENCE_NOT_PERMITTED"):
        await market.request(early.name, org="outsider")
    same = await market.offer(listing.name, "same", org="buyer", terms=terms, auto_agree=True)
    talks = await market.step(await market.request(same.name, org="outsider"), "Verify", org="outsider")
    assert talks.agreement
    changed = await market.request(same.name, org="outsider", terms=licence())
    with refused("LICENCE_NOT_PERMITTED"):
        await market.step(changed, "Agree", org="buyer")


async def test_memory_under_two_such_licences_goes_nowhere(market, agreement):
    other = await market.agreement(licence("READ", "REDISTRIBUTE", calls=9, duties=["SHARE_ALIKE"]), "second")
    listing = await market.listing("onward", org="buyer", terms=agreement.terms_document.terms)
    await market.use(agreement.name, "a", **onward(agreement, listing.name))
    with refused("LICENCE_NOT_PERMITTED"):
        await market.reserve(other.name, "a", **onward(agreement, listing.name))


async def test_without_the_duty_any_terms_will_do(market):
    free = await market.agreement(licence("REDISTRIBUTE"))
    listing = await market.listing("onward", org="buyer")
    await market.use(free.name, "a", **onward(free, listing.name, "00" * 32))
    await market.offer(listing.name, "wide", org="buyer", terms=licence(calls=1))
