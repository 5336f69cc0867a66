"""Who is not a peer, who speaks for another, and a provider's platform that lies."""

import json
from dataclasses import replace
from datetime import UTC

import grpc
import pytest

from memporium.memstore.v1 import peer_service_pb2 as pb
from memporium.memstore.v1.peer_service_pb2_grpc import PeerServiceStub
from memporium_platform.errors import PlatformError
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.memstore.app.peering.peering import say
from memporium_services.memstore.domain.peering import speech
from memporium_services.memstore.domain.peering.peers import EntryState
from memporium_services.memstore.domain.statement import canonical_json
from support.certificates import Authority, self_signed
from support.market import licence, refused
from support.methods import all_methods
from support.peers import Shifted, leased, running_side, two_sides, until


@pytest.fixture
async def sides(tmp_path):
    async with two_sides(tmp_path) as both:
        yield both


async def _agreed(north, south):
    listing = await north.market.listing("pack")
    offer = await north.market.offer(listing.name, terms=licence(calls=5), auto_agree=True)
    talks = await south.market.request(offer.name.replace("orgs/seller/", "orgs/seller.north/"))
    closed = await south.market.step(talks, "Verify", org="buyer")

    async def there():
        try:
            return await south.market.get(closed.agreement, org="buyer")
        except grpc.aio.AioRpcError:
            return None

    return await until(there)


def _channel(side, key, certificate):
    trusted = side.market.module.peers.trade.identity().certificate.encode()
    credentials = grpc.ssl_channel_credentials(trusted, key, certificate)
    return grpc.aio.secure_channel(side.address, credentials, options=[("grpc.use_local_subchannel_pool", 1)])


async def _greet(side, key, certificate):
    async with _channel(side, key, certificate) as channel:
        return await PeerServiceStub(channel).Greet(pb.GreetRequest(nonce=b"n" * 32), timeout=30)


async def test_a_certificate_that_no_peer_has_ends_in_the_handshake(sides):
    north, _ = sides
    for name in ("south", "stranger"):
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await _greet(north, *self_signed(name))
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_of_a_peers_authority_counts_only_under_the_peers_name(tmp_path):
    async with running_side(tmp_path / "north", "north", "seller") as north:
        authority = Authority("an authority")
        other = running_side(tmp_path / "south", "south", "buyer")
        async with other as south:
            await north.register(south, address="")
        from memporium.memstore.v1 import peer_calls_pb2

        name = peer_calls_pb2.DeletePeerRequest(name="peers/south")
        await north.operator.DeletePeer(name)
        peer = peer_calls_pb2.CreatePeerRequest(peer_id="south")
        peer.peer.certificates, peer.peer.platform_key = authority.certificate.decode(), "00" * 32
        await north.operator.CreatePeer(peer)
        await until(lambda: _answers(north, authority.issue("south")))
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await _greet(north, *authority.issue("west"))
        assert reason_of(refusal.value).reason == "CREDENTIAL_INVALID"


async def _answers(side, shown):
    try:
        return await _greet(side, *shown)
    except grpc.aio.AioRpcError:
        return None


async def test_a_peer_reaches_no_method_but_those_for_peers(sides):
    north, _ = sides
    folder = sides[1].parts.calls._settings
    key, certificate = folder.tls_private_key.read_bytes(), folder.tls_certificate.read_bytes()
    async with _channel(north, key, certificate) as channel:
        for method in all_methods():
            call = channel.unary_unary(method.path)
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await call(b"", timeout=30)
            assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED, method.id


async def test_the_ordinary_listener_serves_nothing_for_peers(sides):
    north, _ = sides
    channel = north.market.platform.channel(north.market.keys["seller"])
    for method in pb.DESCRIPTOR.services_by_name["PeerService"].methods:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await channel.unary_unary(f"/{method.containing_service.full_name}/{method.name}")(b"", timeout=30)
        assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def _message(south, org="buyer", **changed):
    """Return a message of south, signed by the key of `org`, and the statement about it."""
    peering = south.parts.peering
    fields = {
        "from": "south",
        "to": "north",
        "id": "1",
        "organisation": f"orgs/{org}",
        "kind": "request",
        "resource": "orgs/seller/listings/pack/offers/standard",
        "sequence": 0,
        "trigger": "request",
        "time_us": 1,
        "terms": "",
        "price": None,
        "renews": "",
        "reason": "",
    } | changed
    said = say(await peering.market.signers.of(org), speech.MESSAGE_TYPE, speech.written("message", **fields))
    return said, await peering.statement(org)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"from": "west"}, "INVALID_FIELD"),
        ({"to": "west"}, "INVALID_FIELD"),
        ({"organisation": "orgs/other"}, "PERMISSION_DENIED"),
        ({"organisation": "orgs/seller.north"}, "INVALID_FIELD"),
        ({"resource": "orgs/seller.west/listings/pack/offers/standard"}, "INVALID_FIELD"),
        ({"sequence": -1}, "INVALID_FIELD"),
    ],
)
async def test_a_message_of_another_or_for_another_is_refused(sides, changed, reason):
    north, south = sides
    peer = await south.parts.peering.peer("north")
    said, statement = await _message(south, **changed)
    with refused(reason):
        await south.parts.calls.deliver(peer, said, statement)
    assert not await north.market.module.market.store.read(lambda tx: tx.peering.entry("south", said.sha256))


async def test_a_message_that_another_key_signed_is_refused(sides):
    _, south = sides
    peer = await south.parts.peering.peer("north")
    said, statement = await _message(south)
    forged, _ = await _message(south, org="mallory", organisation="orgs/buyer")
    with refused("PERMISSION_DENIED"):
        await south.parts.calls.deliver(peer, forged, statement)
    flipped = replace(said, signature=bytes([said.signature[0] ^ 1]) + said.signature[1:])
    with refused("PERMISSION_DENIED"):
        await south.parts.calls.deliver(peer, flipped, statement)


async def test_a_statement_that_the_platform_did_not_sign_is_refused(sides):
    _, south = sides
    peer = await south.parts.peering.peer("north")
    said, statement = await _message(south)
    own = json.loads(statement.payload)
    payload = speech.written("organisation", **{key: own[key] for key in own if key != "format"})
    forged = say(await south.parts.peering.market.signers.of("buyer"), speech.STATEMENT_TYPE, payload)
    with refused("PERMISSION_DENIED"):
        await south.parts.calls.deliver(peer, said, forged)


async def test_only_the_organisations_that_the_operator_named_may_trade(tmp_path):
    async with (
        running_side(tmp_path / "north", "north", "seller") as north,
        running_side(tmp_path / "south", "south", "buyer", "outsider") as south,
    ):
        await north.register(south, organisations=["outsider"])
        await south.register(north)
        listing = await north.market.listing("pack")
        offer = await north.market.offer(listing.name, terms=licence(), auto_agree=True)
        there = offer.name.replace("orgs/seller/", "orgs/seller.north/")
        with refused("PERMISSION_DENIED"):
            await south.market.request(there)
        assert (await south.market.request(there, org="outsider")).consumer == "orgs/outsider"


async def test_the_same_message_again_gets_the_same_answer_and_does_nothing(sides):
    north, south = sides
    agreement = await _agreed(north, south)
    entries = await south.market.module.market.store.read(lambda tx: tx.peering.account([agreement.negotiation]))
    peer = await south.parts.peering.peer("north")
    statement = await south.parts.peering.statement("buyer")
    sent = [entry for entry in entries if entry.sent]
    assert [entry.trigger for entry in sent] == ["request", "verify"]
    before = await north.market.get(agreement.name.replace("seller.north", "seller"))
    from memporium_services.memstore.app.peering.inbox import answer_in
    from memporium_services.memstore.app.peering.records import said_of

    for entry in sent:
        answer, _ = await south.parts.calls.deliver(peer, said_of(entry), statement)
        assert answer == answer_in(entry.answer)
    assert await north.market.get(before.name) == before


async def test_a_record_that_says_something_else_about_the_same_step_changes_nothing_and_is_kept(sides):
    north, south = sides
    agreement = await _agreed(north, south)
    store = south.market.module.market.store
    entries = await store.read(lambda tx: tx.peering.account([agreement.name]))
    fields = json.loads(entries[-1].payload)
    fields["time_us"] += 1
    lie = say(
        north.parts.peering.voice,
        speech.RECORD_TYPE,
        speech.written("record", **{key: fields[key] for key in fields if key != "format"}),
    )
    peer = await south.parts.peering.peer("north")
    problem = await south.parts.outbox._replicas.take(peer, lie)
    assert "something else" in problem
    after = await store.read(lambda tx: tx.peering.account([agreement.name]))
    assert [entry.state for entry in after][-1] is EntryState.REJECTED
    await _unchanged(south, agreement)


async def _unchanged(south, agreement):
    """Demand that an agreement is what it was, but for its revision for those who watch: a lease that comes is a new one."""
    found = await south.market.get(agreement.name, org="buyer")
    found.revision = agreement.revision
    assert found == agreement


@pytest.mark.parametrize("field", ["state", "consumer", "terms_sha256", "price", "listing", "expire_us"])
async def test_a_record_that_contradicts_what_was_agreed_is_rejected(sides, field):
    north, south = sides
    agreement = await _agreed(north, south)
    store = south.market.module.market.store
    entries = await store.read(lambda tx: tx.peering.account([agreement.name]))
    fields = json.loads(entries[-1].payload)
    lies = {
        "state": "REVOKED",
        "consumer": "other.south",
        "terms_sha256": fields["entity"]["document_sha256"],
        "price": {**fields["entity"]["price"], "kind": "PER_USE"},
        "listing": "orgs/seller/listings/another",
        "expire_us": 1,
    }
    fields["entity"][field] = lies[field]
    fields["entity"]["sequence"] = fields["sequence"] = 2
    lie = say(
        north.parts.peering.voice,
        speech.RECORD_TYPE,
        speech.written("record", **{key: fields[key] for key in fields if key != "format"}),
    )
    peer = await south.parts.peering.peer("north")
    assert await south.parts.outbox._replicas.take(peer, lie)
    await _unchanged(south, agreement)


async def test_a_removed_peer_is_cut_off_and_its_memory_can_be_used_no_more(tmp_path):
    from memporium.memstore.v1 import peer_calls_pb2

    clock = Shifted()
    async with two_sides(tmp_path, clock=clock) as (north, south):
        agreement = await _agreed(north, south)
        await leased(south, "north")
        await south.market.use(agreement.name, "before")
        await north.operator.DeletePeer(peer_calls_pb2.DeletePeerRequest(name="peers/south"))
        # From the start it asks for a lease at once, and is refused.
        await south.parts.background.stop()
        lease_end = (await south.peer("north")).lease_time.ToDatetime(tzinfo=UTC)
        south.parts.background.start()

        async def told():
            return (await south.peer("north")).problem

        await until(told)
        clock.reach(lease_end)
        with refused("LICENCE_LEASE_EXPIRED"):
            await south.market.reserve(agreement.name, "after")
        await south.operator.DeletePeer(peer_calls_pb2.DeletePeerRequest(name="peers/north"))
        with refused("LICENCE_LEASE_EXPIRED"):
            await south.market.reserve(agreement.name, "later")


async def test_a_peer_that_forgets_an_organisations_hybrid_key_is_not_believed(tmp_path):
    async with two_sides(tmp_path) as (north, south):
        peer = await north.parts.peering.peer("south")
        statement = await south.parts.peering.statement("buyer")
        keys = await north.parts.peering.learn(peer, statement)
        assert len(keys.hybrid_key) == 2 * 1216
        fields = json.loads(statement.payload)
        for changed, reason in (("", "hybrid key"), ("00", "malformed")):
            later = canonical_json(fields | {"hybrid_key": changed, "issue_us": fields["issue_us"] + 1})
            weaker = say(south.parts.peering.voice, speech.STATEMENT_TYPE, later)
            with pytest.raises(PlatformError, match=reason):
                await north.parts.peering.learn(peer, weaker)
        assert await north.parts.peering.learn(peer, statement) == keys
