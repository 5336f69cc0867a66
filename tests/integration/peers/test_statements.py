"""Statements and bills between two platforms: made where memory is used, the same bytes on both, signed by both."""

from __future__ import annotations

import base64
import json

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from memporium.memstore.v1 import offer_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_services.memstore.app.statements import closed
from memporium_services.memstore.domain.peering.peers import EntryState
from memporium_services.memstore.domain.statement import canonical_json, pre_authentication_encoding
from memporium_services.memstore.domain.statements import STATEMENT_TYPE
from support.market import licence, refused, request_id
from support.peers import agreed, home, two_sides
from support.settling import bill, close, listed, settled

PER_CALL = offer_pb2.PricePlan(
    per_use=offer_pb2.UsePlan(price=offer_pb2.Price(currency="EUR", micros=250_000), unit="USE_UNIT_CALLS")
)


@pytest.fixture
async def sides(tmp_path):
    async with two_sides(tmp_path) as (north, south):
        yield north, south, await agreed(north, south, terms=licence(calls=None), price=PER_CALL)


async def test_a_statement_made_where_memory_is_used_stands_on_both_platforms(sides):
    north, south, name = sides
    for number in range(3):
        await south.market.use(name, f"a{number}", purpose="support")
    key = request_id()
    made = await close(south, name, "buyer", request_id=key)
    assert (made.number, made.uses, made.amount.micros) == (1, 3, 750_000)
    assert (await close(south, name, "buyer", request_id=key)).sha256 == made.sha256
    [ours] = await settled(south, name, 1)
    [theirs] = await listed(north, home(name), "seller")
    assert (theirs.document.payload, theirs.sha256) == (ours.document.payload, ours.sha256)
    assert theirs.consumer == "orgs/buyer.south"
    assert json.loads(ours.document.payload)["agreement"] == home(name)
    signatures = {each.organisation: each for each in ours.document.signatures}
    assert set(signatures) == {"orgs/buyer", "services/memstore", "peers/north"}
    message = pre_authentication_encoding(STATEMENT_TYPE, ours.document.payload)
    platform = bytes.fromhex((await north.identity()).platform_key)
    Ed25519PublicKey.from_public_bytes(platform).verify(signatures["peers/north"].signature, message)
    await south.market.use(name, "b")
    await close(south, name, "buyer")
    await settled(south, name, 2)
    bills = [await bill(south, "buyer"), await bill(north, "seller")]
    told = [[(row["statement"], row["amount"], row["uses"], row["sha256"]) for row in rows] for rows in bills]
    assert told[0] == told[1]
    assert [row[1] for row in told[0]] == ["0.750000", "0.250000"]


async def test_the_providers_platform_makes_none_of_its_own(sides):
    north, south, name = sides
    await south.market.use(name, "a")
    with refused("FAILED_PRECONDITION") as error:
        await close(north, home(name), "seller")
    assert "orgs/buyer.south" in error[0].message
    assert not await listed(north, home(name), "seller")


async def test_a_statement_waits_while_the_other_platform_is_away_and_comes_after_the_usage(sides):
    north, south, name = sides
    deliver, said = south.parts.calls.deliver, []

    async def away(*_):
        raise PlatformError(Reason.UNAVAILABLE, "away")

    async def heard(peer, message, statement):
        answer = await deliver(peer, message, statement)
        said.append(json.loads(message.payload)["kind"])
        return answer

    south.parts.calls.deliver = away
    await south.market.use(name, "a")
    for _ in range(2):
        await close(south, name, "buyer")
    south.parts.calls.deliver = heard
    first, second = await settled(south, name, 2)
    assert (first.uses, second.uses) == (1, 0)
    assert said.index("usage") < said.index("settlement")
    assert [one.uses for one in await listed(north, home(name), "seller")] == [1, 0]


async def test_a_period_that_ends_makes_one_on_both_without_anybodys_call(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_MEMSTORE_STATEMENTS_EVERY_S", "0.5")
    async with two_sides(tmp_path) as (north, south):
        name = await agreed(north, south, terms=licence(calls=None), price=PER_CALL)
        for number in range(2):
            await south.market.use(name, f"a{number}")
            found = await settled(south, name, number + 1)
        assert [one.uses for one in found] == [1, 1]
        assert [one.sha256 for one in await listed(north, home(name), "seller")] == [one.sha256 for one in found]


CHANGES = {
    "less_owed": lambda told: told["due"].update(micros=0) or told["amount"].update(micros=0),
    "sum": lambda told: told["amount"].update(micros=1),
    "currency": lambda told: told["due"].update(currency="USD") or told["amount"].update(currency="USD"),
    "number": lambda told: told.update(number=2, name=told["name"][:-1] + "2"),
    "previous": lambda told: told.update(previous_sha256="0" * 64),
    "another": lambda told: told.update(agreement=told["agreement"] + "x"),
    "party": lambda told: told.update(consumer="orgs/mallory.south"),
    "start": lambda told: told.update(start_us=told["start_us"] + 1),
    "future": lambda told: told.update(end_us=told["end_us"] + 3_600_000_000),
    "more": lambda told: told.update(note="free of charge"),
    "lines": lambda told: told["lines"][0].update(action="EVERYTHING"),
}


async def test_a_statement_that_is_not_right_is_refused_and_kept(sides):
    north, south, name = sides
    await south.market.use(name, "a")
    await south.parts.background._stating.state(name)
    honest = await _told(south, name)
    for change in [*CHANGES, "signature"]:
        told = json.loads(json.dumps(honest))
        if change in CHANGES:
            CHANGES[change](told)
        entry = await _say(south, name, canonical_json(told), bad_signature=change == "signature")
        assert entry.state is EntryState.REFUSED, change
    assert not await listed(north, home(name), "seller")
    assert (await _say(south, name, canonical_json(honest))).state is EntryState.ACCEPTED
    assert len(await listed(north, home(name), "seller")) == 1


async def _say(south, name, content, *, bad_signature=False):
    """Say that this is the first statement; return what became of it."""
    signer = await south.market.module.market.signers.of("buyer")
    peer = await south.parts.peering.peer("north")
    signature = signer.sign(pre_authentication_encoding(STATEMENT_TYPE, content + b" " * bad_signature))
    entry = south.parts.outbox.message(
        signer, peer, "buyer", kind="settlement", trigger="settle", about=name, sequence=1,
        document=base64.b64encode(content).decode(), document_signature=signature.hex(),
    )  # fmt: skip
    return await south.parts.outbox.send(peer, entry)


async def _told(south, name):
    """Return what an honest statement would say, without making it."""
    made = {}

    def look(tx):
        agreement = tx.agreements.get(name)
        statement = closed(tx, agreement, agreement.activate_us + 1_000_000)
        made.update(json.loads(south.market.module._servicer._statements.payload_of(tx, agreement, statement)))
        raise PlatformError(Reason.CONFLICT, "looked only")

    with pytest.raises(PlatformError):
        await south.market.module.market.store.write(look)
    return made


async def test_strangers_see_none(sides):
    _, south, name = sides
    with pytest.raises(grpc.aio.AioRpcError):
        await close(south, name.replace("seller.north", "seller"), "buyer")
