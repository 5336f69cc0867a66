"""kill -9 while releases are sealed and agreements are made: none is lost, none is half there."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from memporium.client import MemporiumError
from memporium.memstore.v1 import agreement_pb2, listing_pb2
from memporium.transfer.v1 import transfer_pb2
from support.crash_ledger import Ledger, storm
from support.crash_world import DESK, LISTINGS, MARKS, PRESS, ROUNDS, SEED, SHELF, document, word

pytestmark = MARKS
_RELEASE = listing_pb2.Release


@dataclass
class Publisher:
    """Publishes one release of a listing after the other, each with one more cube than the last."""

    listing: str
    ledger: Ledger
    rng: random.Random
    minor: int = 0

    async def publish(self, client) -> None:
        more = Ledger(self.ledger.server)
        await more.send(client, "vault", "create_cube", parent=SHELF, cube=document(word(self.rng)))
        self.minor += 1
        fields = {"version": f"1.{self.minor}.0", "vault": SHELF, "parent": self.listing}
        await self.ledger.send(client, "memstore", "create_release", note=self.listing, **fields)


async def _negotiate(ledger: Ledger, client, listing: str) -> None:
    """Ask, and verify what the offer agrees to by itself: the last step makes the agreement."""
    offer = f"{listing}/offers/free"
    talks = (await ledger.send(client, "memstore", "request_negotiation", offer=offer)).negotiation
    fields = {"name": talks.name, "sequence": talks.sequence}
    await ledger.send(client, "memstore", "verify_negotiation", note=talks.name, **fields)


async def test_releases_and_agreements_survive(world):
    rng = random.Random(SEED + 1)
    releases, talks = Ledger(world.server), Ledger(world.server)
    publishers = [Publisher(listing, releases, random.Random(rng.random())) for listing in LISTINGS]
    async with world.clients() as (_, desk):
        # Those of the setup, and of other tests of the same server.
        earlier = {one.name for one in await _agreements(desk)}
    for _ in range(ROUNDS):
        before = len(releases.sent), len(talks.sent)
        async with world.clients() as (press, desk):
            workers = [lambda one=one: one.publish(press) for one in publishers]
            workers.append(lambda: _negotiate(talks, desk, rng.choice(LISTINGS)))
            await storm(world.server, rng, workers, longest_s=1.5)
        world.server.start()
        async with world.clients() as (press, desk):
            await _no_release_is_half_there(press, desk, releases)
            await _releases_are_the_same_again(press, releases.sent[before[0] :])
            await _agreements_are_there(desk, talks, before[1], earlier)
            await world.audit_holds(PRESS, press, releases.sent[before[0] :])
            await world.audit_holds(DESK, desk, talks.sent[before[1] :])


async def _no_release_is_half_there(press, desk, ledger) -> None:
    promised = {one.answer.release.name: one.answer.release for one in ledger.acknowledged}
    doubtful = {(one.note, one.request.version) for one in ledger.cut}
    bundles = {one.name: one for one in await _bundles(press)}
    named = set()
    for listing in LISTINGS:
        mine = (await press.memstore.list_releases(parent=listing, page_size=1000)).releases
        shown = (await desk.memstore.list_releases(parent=listing, page_size=1000)).releases
        assert [one for one in mine if one.state == _RELEASE.STATE_PUBLISHED] == list(shown)
        assert len({one.version for one in mine}) == len({one.number for one in mine}) == len(mine)
        newest = max(shown, key=lambda one: one.number)
        assert (await desk.memstore.get_listing(name=listing)).listing.latest_release == newest.name
        for one in mine:
            expected = promised.pop(one.name, None)
            assert expected is None or expected == one
            if one.state == _RELEASE.STATE_PUBLISHED:
                named.add(one.bundle)
                bundle = bundles[one.bundle]
                assert bundle.state == transfer_pb2.BUNDLE_STATE_SEALED
                assert (bundle.manifest_sha256, bundle.cube_count) == (one.manifest_sha256, one.cube_count)
            else:
                assert (listing, one.version) in doubtful
                await _hidden(desk, one.name)
        async for _ in press.transfer.verify_bundle(parent=PRESS, bundle=newest.bundle):
            pass
    assert not promised
    # A bundle that no release names is one whose release was cut between the sealing and the publication.
    assert len(set(bundles) - named) <= len(doubtful)


async def _bundles(press) -> list:
    """Return the bundles of the listings."""
    pages = [await press.transfer.list_bundles(parent=PRESS, line=line, page_size=1000) for line in LISTINGS]
    return [bundle for page in pages for bundle in page.bundles]


async def _hidden(client, release) -> None:
    with pytest.raises(MemporiumError) as caught:
        await client.memstore.get_release(name=release)
    assert caught.value.reason == "PERMISSION_DENIED"


async def _releases_are_the_same_again(press, sent) -> None:
    for one in sent:
        answer = await one.again(press)
        assert answer.release.state == _RELEASE.STATE_PUBLISHED
        assert one.answer is None or one.answer == answer
        one.answer = answer
        async for _ in press.transfer.verify_bundle(parent=PRESS, bundle=answer.release.bundle):
            pass
    releases = [
        release
        for listing in LISTINGS
        for release in (await press.memstore.list_releases(parent=listing, page_size=1000)).releases
    ]
    assert sorted(one.name for one in await _bundles(press)) == sorted(one.bundle for one in releases)


async def _agreements(desk) -> list:
    return list((await desk.memstore.list_agreements(parent=DESK, page_size=1000)).agreements)


async def _agreements_are_there(desk, ledger, since, earlier) -> None:
    for one in ledger.sent[since:]:
        if one.answer is None and one.method == "verify_negotiation":
            current = (await desk.memstore.get_negotiation(name=one.note)).negotiation
            assert bool(current.agreement) == (current.state == agreement_pb2.Negotiation.STATE_FINALIZED)
        first, one.answer = one.answer, await one.again(desk)
        assert first is None or first.negotiation.name == one.answer.negotiation.name
    names = {one.answer.negotiation.agreement for one in ledger.sent if one.method == "verify_negotiation"}
    made = [one for one in await _agreements(desk) if one.name not in earlier]
    # None twice, and none that nobody knows.
    assert sorted(one.name for one in made) == sorted(names)
    for one in made:
        assert one.state == agreement_pb2.Agreement.STATE_ACTIVE
        assert len(one.document.signatures) >= 2
