"""Consolidation reads what is new and what it may join, and no more; what was lost is made anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.reader.app import consolidating
from memporium_services.reader.app.consolidating import PROFILE, SCENE, Consolidating, Order
from memporium_services.reader.domain import scenes
from memporium_services.reader.domain.profiles import Told
from memporium_services.reader.domain.values import Span
from memporium_services.reader.ports_cells import Cell, Outline
from memporium_services.reader.settings import ReaderSettings

START = datetime(2023, 5, 1, tzinfo=UTC)


class Shelf:
    """Keeps cells and derived cubes in memory, and counts what is read."""

    def __init__(self):
        self.held, self.kept, self.read, self.embedded = {}, {}, [], 0
        self.hidden, self.refusing = set(), set()

    def add(self, name, *said, day=0, persona="", speaker="Ada", agreements=()):
        time = START + timedelta(days=day)
        span = Span("s", name, speaker, time)
        told = tuple(Told(name, unit, text, text, span, time) for unit, text in enumerate(said))
        self.held[name] = Cell(Outline(name, name, persona, time, (speaker,), agreements), " ".join(said), told)

    def forget(self, name):
        del self.held[name]
        self.kept = {key: one for key, one in self.kept.items() if name not in {ref.cube for ref in one.members}}

    def scenes(self):
        return sorted(tuple(ref.cube for ref in one.members) for one in self.kept.values() if one.kind == SCENE)

    def profiles(self):
        return sorted(tuple(ref.cube for ref in one.members) for one in self.kept.values() if one.kind == PROFILE)

    async def limits(self, parent):
        return None, None

    async def outlines(self, parent, *, persona="", names=None):
        return [one.outline for one in self.held.values() if not persona or one.outline.persona == persona]

    async def cells(self, parent, names):
        self.read += names
        return [self.held[name] for name in names if name in self.held]

    async def gone(self, parent, names):
        return frozenset(names) - set(self.held) - self.hidden

    async def derived(self, parent, kind, *, persona=""):
        return [one for one in self.kept.values() if one.kind == kind and (not persona or one.persona == persona)]

    def demand(self, cubes):
        for agreement in sorted({a for one in cubes for ref in one.members for a in self.agreements_of(ref.cube)}):
            if agreement in self.refusing:
                raise PlatformError(Reason.LICENCE_NOT_PERMITTED, "not this", metadata={"agreement": agreement})

    def agreements_of(self, name):
        return self.held[name].outline.agreements if name in self.held else ()

    async def make(self, parent, cubes):
        self.demand(cubes)
        for one in cubes:
            assert one.cube_id not in self.kept
            self.kept[one.cube_id] = replace(one, name=one.cube_id, version=1)

    async def change(self, cube):
        self.demand([cube])
        self.kept[cube.cube_id] = replace(cube, version=cube.version + 1)

    async def vectors(self, parent, texts):
        self.embedded += len(texts)
        return np.array([[float("pottery" in text), float("pottery" not in text)] for text in texts], np.float32)


@pytest.fixture
def shelf():
    return Shelf()


async def consolidate(shelf, **more):
    shelf.read, shelf.embedded = [], 0
    return await Consolidating(shelf, ReaderSettings()).consolidate(Order("orgs/a/vaults/v", **more))


async def test_only_new_episodes_and_those_of_scenes_in_reach_are_read(shelf):
    for number in range(6):
        shelf.add(f"m{number}", "pottery", day=60 * number)
    await consolidate(shelf)
    await consolidate(shelf)
    assert shelf.read == []
    assert shelf.embedded == 0
    shelf.add("new", "pottery again", day=61)
    done = await consolidate(shelf)
    assert shelf.read == ["new", "m1"]
    assert (done.created, done.updated, done.new_episodes) == (0, 1, 1)
    assert ("m1", "new") in shelf.scenes()


async def test_a_full_scene_takes_no_more(shelf, monkeypatch):
    monkeypatch.setattr(scenes, "MOST_MEMBERS", 2)
    for number in range(5):
        shelf.add(f"m{number}", "pottery", day=number)
    await consolidate(shelf)
    assert shelf.scenes() == [("m0", "m1"), ("m2", "m3"), ("m4",)]


async def test_a_full_profile_keeps_who_states_something_and_the_newest_and_reads_nothing_twice(shelf, monkeypatch):
    monkeypatch.setattr(consolidating, "MOST_PROFILE_MEMBERS", 2)
    shelf.add("states", "I live in Oslo.", day=0)
    for number in range(3):
        shelf.add(f"m{number}", "pottery", day=1 + number)
    await consolidate(shelf)
    assert shelf.profiles() == [("states", "m2")]
    await consolidate(shelf)
    assert shelf.read == []


async def test_a_profile_that_went_is_made_anew_of_all_episodes_that_are_left(shelf):
    shelf.add("a", "pottery", day=0)
    shelf.add("b", "pottery", day=100)
    shelf.add("c", "rain", day=200, speaker="Ben")
    await consolidate(shelf)
    shelf.forget("b")
    assert shelf.profiles() == [("c",)]
    done = await consolidate(shelf)
    assert shelf.read == ["a"]
    assert done.profiles == ("Ada",)
    assert shelf.profiles() == [("a",), ("c",)]


async def test_an_episode_that_is_no_longer_there_leaves_its_scene(shelf):
    shelf.add("a", "pottery", day=0)
    shelf.add("b", "pottery", day=1)
    await consolidate(shelf)
    del shelf.held["b"]
    done = await consolidate(shelf)
    assert (done.updated, done.scenes) == (1, 1)
    assert shelf.scenes() == [("a",)]
    del shelf.held["a"]
    assert (await consolidate(shelf)).scenes == 0


async def test_an_episode_that_the_caller_may_not_see_stays_in_its_scene_and_profile(shelf):
    shelf.add("a", "pottery", day=0)
    shelf.add("b", "pottery", day=1)
    await consolidate(shelf)
    private = shelf.held.pop("b")
    shelf.hidden.add("b")
    shelf.add("c", "pottery", day=2)
    assert (await consolidate(shelf)).updated == 1
    shelf.held["b"] = private
    assert (await consolidate(shelf)).new_episodes == 0
    assert shelf.scenes() == shelf.profiles() == [("a", "b", "c")]


async def test_one_call_takes_up_so_many_episodes_oldest_first_and_says_what_is_left(shelf):
    for number in (2, 0, 1):
        shelf.add(f"m{number}", "pottery", day=number)
    few = Consolidating(shelf, ReaderSettings(consolidate_episodes=2))
    done = await few.consolidate(Order("orgs/a/vaults/v"))
    assert (done.new_episodes, done.remaining) == (2, 1)
    assert shelf.scenes() == [("m0", "m1")]
    done = await few.consolidate(Order("orgs/a/vaults/v"))
    assert (done.new_episodes, done.remaining) == (1, 0)
    assert shelf.scenes() == [("m0", "m1", "m2")]


async def test_streams_do_not_mix(shelf):
    shelf.add("a", "pottery", persona="home")
    shelf.add("b", "pottery", persona="work")
    shelf.add("c", "pottery")
    assert (await consolidate(shelf, persona="work")).new_episodes == 1
    await consolidate(shelf)
    assert shelf.scenes() == [("a",), ("b",), ("c",)]
    assert shelf.profiles() == [("a",), ("b",), ("c",)]


async def test_an_empty_vault_has_nothing(shelf):
    done = await consolidate(shelf)
    assert (done.created, done.scenes, done.profiles) == (0, 0, ())


async def test_episodes_whose_licence_refuses_are_left_out_and_named(shelf):
    shelf.add("own", "I love pottery")
    shelf.add("one", "pottery again", day=1, agreements=("orgs/a/agreements/1",))
    shelf.add("two", "more pottery", day=2, agreements=("orgs/a/agreements/2",))
    shelf.add("three", "and pottery", day=3, agreements=("orgs/a/agreements/3",))
    shelf.refusing = {"orgs/a/agreements/1", "orgs/a/agreements/3"}
    done = await consolidate(shelf)
    assert shelf.scenes() == [("own", "two")]
    assert sorted((one.agreement, one.reason, one.episodes) for one in done.refused) == [
        ("orgs/a/agreements/1", "LICENCE_NOT_PERMITTED", 1),
        ("orgs/a/agreements/3", "LICENCE_NOT_PERMITTED", 1),
    ]
    shelf.refusing = set()
    done = await consolidate(shelf)
    assert (done.refused, shelf.scenes()) == ((), [("own", "one", "two", "three")])


async def test_what_may_no_longer_be_made_of_an_episode_leaves_it_out_of_its_scene(shelf):
    shelf.add("own", "I love pottery")
    shelf.add("one", "pottery again", day=1, agreements=("orgs/a/agreements/1",))
    await consolidate(shelf)
    shelf.refusing = {"orgs/a/agreements/1"}
    shelf.add("new", "pottery once more", day=2)
    done = await consolidate(shelf)
    assert shelf.scenes() == [("own", "new")]
    assert [one.agreement for one in done.refused] == ["orgs/a/agreements/1"]


async def test_a_refusal_that_is_of_no_episode_ends_the_consolidation(shelf):
    shelf.add("own", "I love pottery")
    shelf.agreements_of = lambda _name: ("orgs/a/agreements/9",)
    shelf.refusing = {"orgs/a/agreements/9"}
    with pytest.raises(PlatformError):
        await consolidate(shelf)
