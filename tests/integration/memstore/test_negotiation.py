"""From the catalogue to an agreement, over gRPC."""

from __future__ import annotations

import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from memporium.memstore.v1 import agreement_pb2, listing_calls_pb2, negotiation_calls_pb2, offer_pb2
from memporium_services.memstore.domain.statement import pre_authentication_encoding
from support.market import licence, refused, request_id

State = agreement_pb2.Negotiation.State


async def test_whole_negotiation_with_counter_offers_ends_in_an_agreement_that_both_signed(market):
    listing = await market.listing(title="Python reference")
    offer = await market.offer(listing.name)
    found = await market.stub("buyer").SearchListings(listing_calls_pb2.SearchListingsRequest(query="python"))
    assert [each.name for each in found.listings] == [listing.name]

    talks = await market.request(offer.name, terms=licence(calls=500), reason="we need more")
    assert talks.state == State.STATE_REQUESTED
    talks = await market.step(talks, "Counter", org="seller", terms=licence(calls=100))
    assert talks.state == State.STATE_OFFERED
    talks = await market.step(talks, "Counter", org="buyer", terms=licence(calls=200))
    assert talks.state == State.STATE_REQUESTED
    talks = await market.step(talks, "Counter", org="seller", terms=licence(calls=150))
    talks = await market.step(talks, "Accept", org="buyer")
    talks = await market.step(talks, "Agree", org="seller")
    assert talks.state == State.STATE_AGREED
    assert [each.organisation for each in talks.document.signatures] == ["orgs/seller"]
    assert not talks.agreement
    talks = await market.step(talks, "Verify", org="buyer")
    assert talks.state == State.STATE_VERIFIED
    talks = await market.step(talks, "Finalize", org="seller")
    assert talks.state == State.STATE_FINALIZED

    agreement = await market.get(talks.agreement, org="buyer")
    assert agreement.state == agreement_pb2.Agreement.STATE_ACTIVE
    assert agreement.terms_document.terms.permissions[0].constraints.quotas[0].limit == 150
    assert hashlib.sha256(agreement.terms_document.content).hexdigest() == agreement.terms_document.sha256
    document = json.loads(agreement.document.payload)
    assert document["terms_sha256"] == agreement.terms_document.sha256
    assert document["agreement"] == agreement.name
    assert [each.organisation for each in agreement.document.signatures] == ["orgs/seller", "orgs/buyer"]
    assert [step.trigger for step in talks.history] == [
        "request", "counter", "counter", "counter", "accept", "agree", "verify", "finalize",
    ]  # fmt: skip


async def test_signatures_are_the_organisations_own_over_the_stored_bytes(market):
    agreement = await market.agreement()
    message = pre_authentication_encoding(agreement.document.payload_type, agreement.document.payload)
    keys = market.platform.kernel.keys
    for signature in agreement.document.signatures:
        key = (await keys.org_signing_key(signature.organisation.removeprefix("orgs/"))).public_key()
        key.verify(signature.signature, message)
        assert signature.key_id == hashlib.sha256(key.public_bytes_raw()).hexdigest()
    for step in agreement.history:
        org = step.organisation.removeprefix("orgs/")
        key: Ed25519PublicKey = (await keys.org_signing_key(org)).public_key()
        key.verify(
            step.signature,
            pre_authentication_encoding("application/vnd.memporium.transition.v1+json", step.statement),
        )


async def test_an_offer_that_agrees_by_itself_needs_two_calls(market):
    listing = await market.listing()
    offer = await market.offer(listing.name, auto_agree=True)
    talks = await market.request(offer.name)
    assert talks.state == State.STATE_AGREED
    talks = await market.step(talks, "Verify", org="buyer")
    assert talks.state == State.STATE_FINALIZED
    assert (await market.get(talks.agreement)).terms_document.content == offer.terms_document.content


async def test_changed_terms_or_price_wait_for_the_provider(market):
    listing = await market.listing()
    paid = offer_pb2.PricePlan(
        per_use=offer_pb2.UsePlan(price=offer_pb2.Price(currency="EUR", micros=10_000), unit="USE_UNIT_CALLS")
    )
    offer = await market.offer(listing.name, auto_agree=True, price=paid)
    cheaper = offer_pb2.PricePlan(free=offer_pb2.FreePlan())
    assert (await market.request(offer.name, terms=licence(calls=51))).state == State.STATE_REQUESTED
    assert (await market.request(offer.name, price=cheaper)).state == State.STATE_REQUESTED
    assert (await market.request(offer.name, terms=licence(), price=paid)).state == State.STATE_AGREED


async def test_a_repeated_message_counts_once_and_a_late_one_is_refused(market):
    listing = await market.listing()
    offer = await market.offer(listing.name)
    talks = await market.request(offer.name)
    message = request_id()
    first = await market.step(talks, "Counter", org="seller", terms=licence(calls=7), request_id=message)
    again = await market.step(talks, "Counter", org="seller", terms=licence(calls=7), request_id=message)
    assert again == first
    with refused("CONFLICT"):
        await market.step(talks, "Agree", org="seller")
    with refused("ILLEGAL_TRANSITION"):
        await market.step(first, "Agree", org="seller")
    with refused("ILLEGAL_TRANSITION"):
        await market.step(first, "Accept", org="seller")
    ended = await market.step(first, "Terminate", org="buyer", reason="no")
    assert ended.state == State.STATE_TERMINATED
    with refused("ILLEGAL_TRANSITION"):
        await market.step(ended, "Terminate", org="seller")


async def test_others_see_neither_the_talks_nor_the_agreement(market):
    agreement = await market.agreement()
    talks = agreement.negotiation
    absent = "orgs/seller/agreements/01aaaaaaaaaaaaaaaaaaaaaaaa"
    with refused("PERMISSION_DENIED") as hidden:
        await market.get(agreement.name, org="outsider")
    with refused("PERMISSION_DENIED") as missing:
        await market.get(absent, org="outsider")
    assert hidden[0].message.replace(agreement.name, "x") == missing[0].message.replace(absent, "x")
    outsider = market.stub("outsider")
    with refused("PERMISSION_DENIED"):
        await outsider.GetNegotiation(negotiation_calls_pb2.GetNegotiationRequest(name=talks))
    with refused("PERMISSION_DENIED"):
        await outsider.TerminateNegotiation(
            negotiation_calls_pb2.TerminateNegotiationRequest(name=talks, sequence=3, request_id=request_id())
        )
    for verb in ("Suspend", "Resume", "Revoke", "Cancel"):
        with refused("PERMISSION_DENIED"):
            await market.end(agreement.name, verb, org="outsider")
    mine = await outsider.ListNegotiations(negotiation_calls_pb2.ListNegotiationsRequest(parent="orgs/outsider"))
    assert not mine.negotiations
    for org in ("seller", "buyer"):
        theirs = await market.stub(org).ListNegotiations(
            negotiation_calls_pb2.ListNegotiationsRequest(parent=f"orgs/{org}")
        )
        assert [each.name for each in theirs.negotiations] == [talks]


async def test_a_renewal_takes_the_place_of_the_agreement(market):
    old = await market.agreement(licence(calls=1))
    offer = await market.offer(old.listing, "bigger", terms=licence(calls=5), auto_agree=True)
    talks = await market.step(await market.request(offer.name, renews=old.name), "Verify", org="buyer")
    renewed = await market.get(old.name)
    assert renewed.state == agreement_pb2.Agreement.STATE_RENEWED
    assert renewed.renewed_by == talks.agreement
    # What was delivered under the old agreement is used, and counted, under the new one.
    granted = await market.reserve(old.name, "u1")
    assert granted.reservation.agreement == talks.agreement
    assert (await market.commit(old.name, "u1")).reservation.agreement == talks.agreement
