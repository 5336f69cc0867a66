"""Episodes gather in scenes by likeness and time; a summary takes what stands for all."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memporium_services.reader.domain.scenes import (
    CENTRE_MEMBERS,
    Cluster,
    Member,
    open_clusters,
    place,
    representatives,
    unit,
)

START = datetime(2023, 5, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
EAST, NORTH = np.array([1, 0], np.float32), np.array([0, 1], np.float32)


def member(name, day):
    return Member(name, START + timedelta(days=day))


def gathered(clusters):
    return [[one.cube for one in cluster.members] for cluster in clusters]


def test_likeness_and_time_both_have_to_hold():
    vectors = {"a": EAST, "b": EAST, "c": NORTH, "d": EAST}
    clusters: list[Cluster] = []
    place([member("a", 0), member("b", 3), member("c", 4), member("d", 30)], clusters, vectors, threshold=0.7, gap=WEEK)
    assert gathered(clusters) == [["a", "b"], ["c"], ["d"]]


def test_the_most_alike_of_several_scenes_is_joined():
    near = unit(np.array([1, 0.2], np.float32))
    clusters = [Cluster("n", [member("n1", 0)]), Cluster("e", [member("e1", 0)])]
    changed = place([member("x", 1)], clusters, {"n1": NORTH, "e1": EAST, "x": near}, threshold=0.1, gap=WEEK)
    assert [cluster.name for cluster in changed] == ["e"]


def test_a_scene_may_grow_beyond_the_gap_step_by_step():
    names = [f"m{number}" for number in range(5)]
    clusters: list[Cluster] = []
    place(
        [member(name, 6 * n) for n, name in enumerate(names)],
        clusters,
        dict.fromkeys(names, EAST),
        threshold=0.5,
        gap=WEEK,
    )
    assert gathered(clusters) == [names]


def test_an_earlier_episode_that_comes_late_takes_its_place_in_time():
    clusters = [Cluster("s", [member("b", 5)])]
    place([member("a", 1)], clusters, {"a": EAST, "b": EAST}, threshold=0.5, gap=WEEK)
    assert gathered(clusters) == [["a", "b"]]


def test_only_scenes_in_reach_are_open_also_through_another_new_episode():
    clusters = [Cluster("near", [member("n", 0)]), Cluster("far", [member("f", 100)]), Cluster("emptied", [])]
    new = [member("x", 6), member("y", 12)]
    assert [one.name for one in open_clusters(clusters, new, WEEK)] == ["near"]
    assert [one.name for one in open_clusters(clusters, [member("y", 12)], WEEK)] == []


@given(
    days=st.lists(st.integers(0, 60), min_size=1, max_size=12),
    angles=st.lists(st.floats(0, 6.3), min_size=12, max_size=12),
    cut=st.integers(0, 12),
)
def test_each_episode_has_one_scene_and_none_is_far_from_its_neighbour(days, angles, cut):
    new = [member(f"m{number}", day) for number, day in enumerate(days)]
    vectors = {f"m{n}": np.array([np.cos(angle), np.sin(angle)], np.float32) for n, angle in enumerate(angles)}
    clusters: list[Cluster] = []
    for some in (new[:cut], new[cut:]):
        place(some, clusters, vectors, threshold=0.5, gap=WEEK)
    held = [one.cube for cluster in clusters for one in cluster.members]
    assert sorted(held) == sorted(one.cube for one in new)
    for cluster in clusters:
        times = [one.start for one in cluster.members]
        assert times == sorted(times)
        assert all(later - earlier <= WEEK for earlier, later in itertools.pairwise(times))


def test_the_centre_follows_the_last_members():
    old = [member(f"o{number}", number) for number in range(CENTRE_MEMBERS)]
    late = [member(f"l{number}", 8 + number) for number in range(CENTRE_MEMBERS)]
    vectors = {one.cube: NORTH for one in old} | {one.cube: EAST for one in late} | {"x": NORTH}
    clusters = [Cluster("s", [*old, *late])]
    changed = place([member("x", 16)], clusters, vectors, threshold=0.5, gap=WEEK)
    assert changed[0].name == ""


def test_a_summary_takes_what_is_said_often_and_not_twice():
    texts = ["The kiln fired the bowls.", "Bowls came from the kiln.", "Rain again.", "The glaze of the bowls is blue."]
    chosen = representatives(texts, most=2)
    assert chosen == sorted(chosen)
    assert len(chosen) == 2
    assert 2 not in chosen


def test_statements_without_words_are_no_summary():
    assert representatives(["...", "?"], most=3) == []
    assert representatives([]) == []
