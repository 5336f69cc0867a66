"""Objects of another platform's bundles: fetched once, on from where they were cut off, never above their cap."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from memporium_platform.bundle.limits import GRANT_MAX
from memporium_platform.errors import PlatformError, Reason
from memporium_services.transfer.app.peer_bundles import PeerBundle, _Fetched
from memporium_services.transfer.domain.bundles import BundleKind, BundleState
from memporium_services.transfer.ports.peers import PeerRelease

DATA = bytes(range(256)) * 40
DIGEST = "ab" * 32


def bundle():
    found = PeerRelease("a", "r", "1.0.0", 1, "b", "b", "p", "c", "a", "l", (b"k" * 32,), newest=True)
    return PeerBundle(
        org="press.north",
        bundle_id="b",
        kind=BundleKind.RELEASE,
        state=BundleState.SEALED,
        vault="",
        line="l",
        version="1.0.0",
        number=1,
        create_time=datetime(2026, 1, 1, tzinfo=UTC),
        found=found,
    )


class Store:
    def __init__(self):
        self.kept = {}

    async def has_segment(self, _bundle, digest):
        return digest in self.kept

    async def segment(self, _bundle, digest):
        return self.kept[digest]

    async def put_segment(self, _bundle, digest, data):
        self.kept[digest] = data
        return True


class Peers:
    """Answers with pieces, and breaks off after so many bytes of an answer."""

    def __init__(self, *, breaks_after=1 << 30, size=None, reason=Reason.UNAVAILABLE):
        self.asked, self.sent, self.breaks_after = [], 0, breaks_after
        self.size, self.reason = size or len(DATA), reason

    async def read(self, _found, name, *, offset):
        self.asked.append((name, offset))
        yield self.size, b""
        sent = 0
        for start in range(offset, len(DATA), 1000):
            if sent >= self.breaks_after:
                raise PlatformError(self.reason, "cut off")
            piece = DATA[start : start + 1000]
            sent += len(piece)
            self.sent += len(piece)
            yield 0, piece


async def test_a_segment_is_asked_for_once():
    store, peers = Store(), Peers()
    fetched = _Fetched(store, peers)
    assert await fetched.segment(bundle(), DIGEST) == DATA
    assert await fetched.segment(bundle(), DIGEST) == DATA
    assert peers.asked == [(DIGEST, 0)]


async def test_what_was_cut_off_goes_on_where_it_was():
    peers = Peers(breaks_after=3000)
    assert await _Fetched(Store(), peers).segment(bundle(), DIGEST) == DATA
    assert [offset for _, offset in peers.asked] == [0, 3000, 6000, 9000]
    assert peers.sent == len(DATA)


async def test_a_peer_that_sends_nothing_more_is_not_asked_for_ever():
    peers = Peers(breaks_after=0)
    with pytest.raises(PlatformError) as refusal:
        await _Fetched(Store(), peers).segment(bundle(), DIGEST)
    assert refusal.value.reason is Reason.UNAVAILABLE
    assert len(peers.asked) == 1


async def test_a_refusal_in_the_middle_is_not_tried_again():
    peers = Peers(breaks_after=1000, reason=Reason.LICENCE_REVOKED)
    with pytest.raises(PlatformError) as refusal:
        await _Fetched(Store(), peers).segment(bundle(), DIGEST)
    assert refusal.value.reason is Reason.LICENCE_REVOKED


async def test_an_object_above_its_cap_is_refused_by_its_stated_size():
    peers = Peers(size=GRANT_MAX + 1)
    with pytest.raises(PlatformError) as refusal:
        await _Fetched(Store(), peers).document(bundle(), "grant", GRANT_MAX)
    assert refusal.value.reason is Reason.BUNDLE_REJECTED
    assert peers.sent <= 1000


async def test_endless_data_ends_at_the_cap():
    peers = Peers(size=10)
    with pytest.raises(PlatformError) as refusal:
        await _Fetched(Store(), peers).document(bundle(), "grant", 2500)
    assert refusal.value.reason is Reason.BUNDLE_REJECTED
    assert peers.sent <= 3000
