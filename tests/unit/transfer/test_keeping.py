"""Verified content that waits in memory for its import."""

from __future__ import annotations

from memporium.transfer.v1.bundle_pb2 import Manifest
from memporium_services.transfer.app.keeping import Kept, Shelf


def listed(*sizes: int) -> Manifest:
    made = Manifest()
    for size in sizes:
        made.streams.add(segment_count=1 if size else 0, padded_bytes=size)
    return made


def test_nothing_comes_out_before_all_was_verified():
    kept = Kept(Shelf(100), listed(10))
    kept.add(0, b"content")
    assert kept.of(0) is None
    kept.release()
    assert kept.of(0) == [b"content"]


def test_streams_that_do_not_fit_are_not_kept_and_later_ones_may_be():
    shelf = Shelf(100)
    kept = Kept(shelf, listed(60, 50, 0, 40))
    for stream in (0, 1, 3):
        kept.add(stream, b"content")
    kept.release()
    assert [kept.of(stream) is not None for stream in range(4)] == [True, False, False, True]
    assert shelf.free_bytes == 0


def test_what_is_dropped_makes_room_once():
    shelf = Shelf(100)
    first, second = Kept(shelf, listed(80)), Kept(shelf, listed(80))
    first.drop()
    first.drop()
    second.drop()
    assert shelf.free_bytes == 100
    first.release()
    assert first.of(0) is None
    assert Kept(shelf, None).of(0) is None
