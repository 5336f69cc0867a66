"""Statements that the provider's platform refuses: voided on both sides, their uses stated anew, nothing counted twice."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from memporium.memstore.v1 import offer_pb2, peer_calls_pb2, statement_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_services.memstore.app.market import parsed_terms
from memporium_services.memstore.domain.entitlements import Draw
from memporium_services.memstore.domain.peering.peers import EntryState
from memporium_services.memstore.domain.statement import canonical_json, pre_authentication_encoding
from memporium_services.memstore.domain.voids import VOID_TYPE
from support.market import licence, refused, request_id
from support.peers import agreed, home, two_sides, until
from support.settling import bill, close, listed, refusing, settled, void

State = statement_pb2.UsageStatement.State
PER_CALL = offer_pb2.PricePlan(
    per_use=offer_pb2.UsePlan(price=offer_pb2.Price(currency="EUR", micros=250_000), unit="USE_UNIT_CALLS")
)


@pytest.fixture
async def sides(tmp_path):
    async with two_sides(tmp_path) as (north, south):
        yield north, south, await agreed(north, south, terms=licence(calls=None), price=PER_CALL)


async def states(south, name, *wanted):
    """Return the statements once they stand so."""

    async def look():
        found = await listed(south, name, "buyer")
        return found if [State.Name(one.state).removeprefix("STATE_") for one in found] == list(wanted) else None

    return await until(look, limit_s=60)


async def refused_one(south, name, uses=2):
    for number in range(uses):
        await south.market.use(name, f"r{number}")
    with refusing():
        await close(south, name, "buyer")
        (found,) = await states(south, name, "REFUSED")
    return found


async def test_a_refused_statement_is_voided_on_both_and_its_uses_are_on_the_next(sides):
    north, south, name = sides
    bad = await refused_one(south, name)
    assert "is not what we count" in bad.refusal
    await south.market.use(name, "later")
    # Nothing follows what was refused.
    with refused("FAILED_PRECONDITION") as error:
        await close(south, name, "buyer")
    assert "must be voided first" in error[0].message
    key = request_id()
    voided = await void(south, bad.name, request_id=key)
    assert (voided.state, voided.voiding.reason) == (State.STATE_VOIDED, "their clock was wrong")
    assert (await void(south, bad.name, request_id=key)).voiding.sha256 == voided.voiding.sha256
    assert (await void(south, bad.name)).voiding.sha256 == voided.voiding.sha256
    good = await close(south, name, "buyer")
    assert (good.number, good.uses, good.amount.micros) == (2, 3, 750_000)
    assert (good.previous_sha256, good.start_time) == (voided.voiding.sha256, bad.start_time)
    await states(south, name, "VOIDED", "SETTLED")
    ours, theirs = await listed(south, name, "buyer"), await listed(north, home(name), "seller")
    for one, other in zip(ours, theirs, strict=True):
        assert (one.number, one.state, one.sha256) == (other.number, other.state, other.sha256)
        assert one.document.payload == other.document.payload
        assert one.voiding.document.payload == other.voiding.document.payload
    bills = [await bill(south, "buyer"), await bill(north, "seller")]
    told = [[tuple(row[key] for key in ("statement", "uses", "amount", "state")) for row in rows] for rows in bills]
    assert told[0] == told[1] == [("1", "0", "0.000000", "voided"), ("2", "3", "0.750000", "settled")]
    await check_bytes(north, south, name, bad, voided)


async def check_bytes(north, south, name, bad, voided):
    """The bytes that void it are signed by both, and stand in both ledgers."""
    document = voided.voiding.document
    told = json.loads(document.payload)
    assert (told["number"], told["statement_sha256"], told["reason"]) == (1, bad.sha256, "their clock was wrong")
    assert sha256(document.payload).hexdigest() == voided.voiding.sha256
    signatures = {each.organisation: each for each in document.signatures}
    assert set(signatures) == {"orgs/buyer", "peers/north"}
    message = pre_authentication_encoding(VOID_TYPE, document.payload)
    platform = bytes.fromhex((await north.identity()).platform_key)
    Ed25519PublicKey.from_public_bytes(platform).verify(signatures["peers/north"].signature, message)
    buyer = await south.market.platform.kernel.keys.org_signing_key("buyer")
    buyer.public_key().verify(signatures["orgs/buyer"].signature, message)
    for side, org, at in ((south, "buyer", name), (north, "seller", home(name))):
        said = await side.market.stub(org).ListLedger(peer_calls_pb2.ListLedgerRequest(parent=at))
        assert {one.kind for one in said.entries} >= {"settlement", "statement"}


async def test_only_the_consumer_voids_and_only_what_was_refused(sides):
    north, south, name = sides
    await south.market.use(name, "a")
    made = await close(south, name, "buyer")
    await settled(south, name, 1)
    with refused("ILLEGAL_TRANSITION"):
        await void(south, made.name)
    with refused("ILLEGAL_TRANSITION"):
        await void(north, home(made.name), "seller")
    with refused("INVALID_FIELD"):
        await void(south, made.name, reason="x" * 1001)
    assert [one.state for one in await listed(north, home(name), "seller")] == [State.STATE_SETTLED]
    await turned_away(south, name)


async def test_those_that_followed_a_refused_one_are_voided_after_it(sides):
    north, south, name = sides
    deliver = south.parts.calls.deliver

    async def away(*_):
        raise PlatformError(Reason.UNAVAILABLE, "away")

    south.parts.calls.deliver = away
    for number in range(2):
        await south.market.use(name, f"a{number}")
        await close(south, name, "buyer")
    with refusing():
        south.parts.calls.deliver = deliver
        first, second = await states(south, name, "REFUSED", "REFUSED")
    with refused("FAILED_PRECONDITION") as error:
        await void(south, second.name)
    assert "statement 1 was refused, too" in error[0].message
    await void(south, first.name)
    await void(south, second.name)
    last = await close(south, name, "buyer")
    assert (last.number, last.uses, last.amount.micros) == (3, 2, 500_000)
    await states(south, name, "VOIDED", "VOIDED", "SETTLED")
    await refused_usage(north, south)


CHANGES = {
    "never_refused": lambda told: told.update(message_sha256="0" * 64),
    "another_statement": lambda told: told.update(statement_sha256="0" * 64),
    "number": lambda told: told.update(number=2, statement=told["statement"][:-1] + "2"),
    "previous": lambda told: told.update(previous_sha256="0" * 64),
    "name": lambda told: told.update(statement=told["statement"] + "1"),
    "agreement": lambda told: told.update(agreement=told["agreement"] + "x"),
    "future": lambda told: told.update(time_us=told["time_us"] + 3_600_000_000),
    "more": lambda told: told.update(note="free of charge"),
    "no_reason": lambda told: told.update(reason=""),
}


async def test_a_void_that_is_not_right_is_refused(sides):
    north, south, name = sides
    bad = await refused_one(south, name)
    statements = south.market.module._servicer._statements
    peer = await south.parts.peering.peer("north")
    honest = {}

    def look(tx):
        statement = tx.statements.get(bad.name)
        message, before = statements._refused(tx, peer, statement)
        honest.update(json.loads(statements._void_of(peer, statement, message, before, "why").payload))

    await south.market.module.market.store.write(look)
    for change in [*CHANGES, "signature"]:
        told = json.loads(json.dumps(honest))
        if change in CHANGES:
            CHANGES[change](told)
        entry = await _say(south, peer, name, canonical_json(told), bad_signature=change == "signature")
        assert entry.state is EntryState.REFUSED, change
    assert not await listed(north, home(name), "seller")
    assert [one.state for one in await listed(south, name, "buyer")] == [State.STATE_REFUSED]


async def _say(south, peer, name, content, *, bad_signature=False):
    signer = await south.market.module.market.signers.of("buyer")
    signature = signer.sign(pre_authentication_encoding(VOID_TYPE, content + b" " * bad_signature))
    entry = south.parts.outbox.message(
        signer, peer, "buyer", kind="settlement", trigger="void", about=name, sequence=1,
        document=base64.b64encode(content).decode(), document_signature=signature.hex(),
    )  # fmt: skip
    return await south.parts.outbox.send(peer, entry)


async def turned_away(south, name):
    """What was turned away without an answer is asked for once more, before anything is voided."""
    deliver = south.parts.calls.deliver

    async def half(peer, message, statement):
        answer = await deliver(peer, message, statement)
        if json.loads(message.payload)["kind"] == "settlement":
            raise PlatformError(Reason.PERMISSION_DENIED, "turned away after it was taken")
        return answer

    await south.market.use(name, "a")
    south.parts.calls.deliver = half
    made = await close(south, name, "buyer")
    await states(south, name, "SETTLED", "REFUSED")
    south.parts.calls.deliver = deliver
    with refused("ILLEGAL_TRANSITION") as error:
        await void(south, made.name)
    assert "SETTLED" in error[0].message
    await states(south, name, "SETTLED", "SETTLED")


async def refused_usage(north, south):
    """A statement over usage that was refused does not wait for ever: it is refused, too, and can be voided."""
    name = await agreed(north, south, terms=licence(calls=3), price=PER_CALL, listing_id="limited")
    # North counts more than south has stated, so it refuses what comes next.
    assert await north.market.module.market.store.write(lambda tx: count_two(tx, home(name)))
    for number in range(2):
        await south.market.use(name, f"a{number}")
    await close(south, name, "buyer")
    (found,) = await states(south, name, "REFUSED")
    assert "more was refused" in found.refusal
    assert (await void(south, found.name)).state == State.STATE_VOIDED


def count_two(tx, name):
    terms = parsed_terms(tx.document(tx.agreements.get(name).terms_sha256))
    (quota,) = {quota for rule in terms.rules.values() for quota in rule.quotas}
    return tx.meter.take(name, Draw(quota.unit, quota.period, quota.pool, 0, 2), quota.limit)


async def test_where_statements_are_made_by_themselves_so_is_the_one_in_its_place(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_MEMSTORE_STATEMENTS_EVERY_S", "0.5")
    async with two_sides(tmp_path) as (north, south):
        name = await agreed(north, south, terms=licence(calls=None), price=PER_CALL)
        with refusing():
            await south.market.use(name, "a")
            (bad,) = await states(south, name, "REFUSED")
        await south.market.end(name, "Cancel", org="buyer")
        await void(south, bad.name)
        _, good = await states(south, name, "VOIDED", "SETTLED")
        assert (good.uses, good.amount.micros, good.start_time) == (1, 250_000, bad.start_time)
        assert [one.state for one in await listed(north, home(name), "seller")] == [
            State.STATE_VOIDED, State.STATE_SETTLED,
        ]  # fmt: skip
