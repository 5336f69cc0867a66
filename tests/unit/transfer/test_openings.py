"""Contents of a stored bundle: each verified while the next is fetched and opened."""

from __future__ import annotations

import threading
from contextlib import aclosing
from types import SimpleNamespace

import pytest

from memporium_platform.bundle.content import ContentVerifier
from memporium_platform.bundle.steps import SEGMENT_STEPS
from memporium_platform.bundle.verifier import BundleVerifier
from memporium_platform.errors import PlatformError, Reason
from memporium_services.transfer.app.events import Passed
from memporium_services.transfer.app.keeping import Shelf
from memporium_services.transfer.app.verification import Opening
from support.bundle_attacks import press
from support.bundles import SMALL, Publisher, policy, text_record


class Store:
    """Gives the segments of one bundle, but for some that are gone."""

    def __init__(self, objects, *, gone=()):
        self.objects, self.gone = objects, gone

    async def segment(self, _bundle, digest):
        if digest in self.gone:
            raise PlatformError(Reason.NOT_FOUND, "gone")
        return self.objects[digest]


@pytest.fixture(scope="module")
def sealed():
    return Publisher(sizes=SMALL).seal([text_record(f"c{number}", chr(97 + number) * 700) for number in range(20)])


def opened(sealed, *, gone=(), damaged=()) -> tuple[Opening, list[str]]:
    """The opening of a bundle whose documents are verified, and its segments' names; some are gone, some damaged."""
    verifier = BundleVerifier(policy())
    list(verifier.documents(press.documents(sealed)))
    names = [segment.sha256.hex() for segment in verifier.manifest.segments]
    assert len(names) > 3
    objects = sealed.objects | {names[index]: b"x" for index in damaged}
    store = Store(objects, gone=[names[index] for index in gone])
    opening = Opening(SimpleNamespace(store=store, shelf=Shelf(0)), None, "a", terms=None, newest=False)
    opening._verifier = verifier
    return opening, names


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("bundle-check")]


async def test_every_content_comes_verified_with_the_time_of_each_check(sealed):
    opening, names = opened(sealed)
    told = [event async for event in opening.contents()]
    assert [event.step for event in told if isinstance(event, Passed)] == list(SEGMENT_STEPS)
    assert all(event.duration_s > 0 for event in told if isinstance(event, Passed))
    assert told[len(names) - 1].segments == len(names)
    contents = [bytes(content) async for content in opening.stream(0)]
    assert sum(map(len, contents)) == opening.content_bytes[0]
    alone = opening._verifier.content()
    assert contents == [bytes(alone.segment(index, sealed.objects[name])) for index, name in enumerate(names)]
    assert threads() == []


async def test_a_segment_that_is_gone_is_told_after_what_is_wrong_with_the_one_before(sealed, monkeypatch):
    opening, _ = opened(sealed, gone=[2])
    with pytest.raises(PlatformError) as caught:
        [event async for event in opening.contents()]
    assert caught.value.reason is Reason.NOT_FOUND
    monkeypatch.setattr(ContentVerifier, "check_format", refuse)
    with pytest.raises(ZeroDivisionError):
        [event async for event in opened(sealed, gone=[1])[0].contents()]
    assert threads() == []


def refuse(_verifier, _index, _content):
    raise ZeroDivisionError


async def test_a_damaged_segment_ends_it(sealed):
    opening, _ = opened(sealed, damaged=[3])
    with pytest.raises(PlatformError) as caught:
        [event async for event in opening.contents()]
    assert caught.value.metadata == {"step": "SEGMENT_DIGEST"}
    assert threads() == []


async def test_whoever_stops_in_the_middle_leaves_no_thread(sealed):
    opening, _ = opened(sealed)
    async with aclosing(opening.stream(0)) as contents:
        assert await anext(contents)
        assert len(threads()) == 1
    assert threads() == []
