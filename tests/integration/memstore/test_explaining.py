"""Terms in plain words, and why a use would be refused."""

from __future__ import annotations

import json

import pytest

from memporium.memstore.v1 import licence_calls_pb2 as calls
from memporium.memstore.v1 import terms_pb2
from support.market import licence, refused

PERMITTED, DENIED, UNKNOWN = 1, 2, 3


def imagined(action="READ", **fields):
    return calls.ImaginedUse(action=f"LICENCE_ACTION_{action}", **fields)


async def explained(market, org="buyer", **fields):
    return await market.stub(org).ExplainTerms(calls.ExplainTermsRequest(**fields))


async def test_an_agreement_in_plain_words(market):
    agreement = await market.agreement(licence(attribution="by the seller", duties=["INFORM"]))
    await market.use(agreement.name, "a")
    told = await explained(market, agreement=agreement.name)
    assert told.title == "test"
    assert told.terms_sha256 == agreement.terms_document.sha256
    assert told.standing[0].startswith("The agreement is in force until ")
    assert told.allowed[0] == (
        "You may read, search and answer with text: for 30 days after the agreement came into force; "
        "at most 50 calls in all."
    )
    assert list(told.left) == ["49 of 50 calls are left."]
    assert told.balances[0].used == 1
    assert not told.HasField("verdict")
    for org in ("seller", "outsider"):
        if org == "seller":
            await explained(market, org, agreement=agreement.name)
            continue
        with refused("PERMISSION_DENIED"):
            await explained(market, org, agreement=agreement.name)


async def test_what_would_happen_is_what_happens(market):
    only = terms_pb2.AllowedValues(values=["support"])
    agreement = await market.agreement(licence(calls=1, purposes=only))

    async def verdict(use):
        return (await explained(market, agreement=agreement.name, use=use)).verdict

    assert (await verdict(imagined(purpose="support"))).answer == PERMITTED
    missing = await verdict(imagined())
    assert (missing.answer, missing.term) == (UNKNOWN, "purposes")
    with refused("LICENCE_NOT_PERMITTED") as error:
        await market.reserve(agreement.name, "x")
    assert missing.message == error[0].message
    denied = await verdict(imagined("REDISTRIBUTE"))
    assert (denied.answer, denied.term) == (DENIED, "permissions")
    await market.use(agreement.name, "a", purpose="support")
    spent = await verdict(imagined(purpose="support"))
    assert (spent.answer, spent.term, spent.message) == (DENIED, "quotas", "0 of 1 calls are left")
    await market.end(agreement.name, "Suspend")
    ended = await verdict(imagined())
    assert (ended.answer, ended.term) == (DENIED, "state")
    assert len(ended.further) == 2


async def test_nothing_is_taken_by_asking(market):
    terms = licence(calls=1, duties=["OBTAIN_CONSENT"], max_concurrency=1)
    terms.permissions[0].constraints.rates.add(limit=1).interval.FromSeconds(60)
    agreement = await market.agreement(terms)
    for _ in range(3):
        told = await explained(market, agreement=agreement.name, use=imagined())
        assert told.verdict.term == "obtain_consent"
    assert list(told.left) == ["1 of 1 calls are left."]


async def test_offers_and_terms_are_explained_too(market):
    listing = await market.listing()
    offer = await market.offer(listing.name, terms=licence(calls=7))
    told = await explained(market, offer=offer.name, use=imagined("DERIVE_LORA"))
    assert "at most 7 calls in all" in told.allowed[0]
    assert told.verdict.term == "permissions"
    assert not told.standing
    told = await explained(market, terms=licence(calls=8), use=imagined(units={"calls": 1, "memories": 2}))
    assert told.verdict.answer == PERMITTED
    hidden = await market.listing("hidden", scope="PRIVATE")
    secret = await market.offer(hidden.name)
    for name in (secret.name, f"{hidden.name}/offers/absent"):
        with refused("PERMISSION_DENIED"):
            await explained(market, offer=name)
    with refused("INVALID_FIELD"):
        await explained(market, terms=licence(), use=calls.ImaginedUse(action=77))


async def test_terms_go_to_odrl_and_back(market):
    agreement = await market.agreement(licence(duties=["SHARE_ALIKE", "DELETE_ON_EXPIRY"]))
    stub = market.stub("buyer")
    there = await stub.ConvertTerms(calls.ConvertTermsRequest(agreement=agreement.name))
    assert json.loads(there.odrl)["uid"] == f"urn:sha256:{agreement.terms_document.sha256}"
    back = await stub.ConvertTerms(calls.ConvertTermsRequest(odrl=there.odrl))
    assert back.terms == agreement.terms_document.terms
    assert back.terms_sha256 == there.terms_sha256 == agreement.terms_document.sha256
    template = "title: T\npermissions:\n  - actions: [read]\n    forms: [plaintext]\n"
    assert (await stub.ConvertTerms(calls.ConvertTermsRequest(template=template))).terms.title == "T"


@pytest.mark.parametrize(
    "source", [{}, {"odrl": "{"}, {"odrl": '{"assignee": 1}'}, {"template": "a: ["}, {"template": "title: [" * 9}]
)
async def test_what_cannot_be_read_is_refused(market, source):
    with refused("INVALID_FIELD"):
        await market.stub("buyer").ConvertTerms(calls.ConvertTermsRequest(**source))
