"""Heat, lifespans, versions and differences: the small rules of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_services.vault.domain.diffs import Difference, differences
from memporium_services.vault.domain.heat import cooled, is_cold, used
from memporium_services.vault.domain.lifespan import Retention, expire_us, purge_us
from memporium_services.vault.domain.versions import VersionStamp, as_of, etag, follow

_S = 1_000_000
_heat = st.floats(0, 1e6)
_moment = st.integers(0, 10**12)


def test_half_of_the_heat_is_gone_after_a_half_life() -> None:
    assert cooled(8.0, since_us=0, now_us=10 * _S, half_life_s=10) == 4.0
    assert cooled(8.0, since_us=0, now_us=30 * _S, half_life_s=10) == 1.0
    assert used(8.0, since_us=0, now_us=10 * _S, half_life_s=10, uses=3) == 7.0


@given(_heat, _moment, _moment, _moment, st.floats(1, 1e6))
def test_cooling_in_two_steps_is_cooling_in_one(heat: float, a: int, b: int, c: int, half_life_s: float) -> None:
    first, second, third = sorted((a, b, c))
    once = cooled(heat, since_us=first, now_us=third, half_life_s=half_life_s)
    between = cooled(heat, since_us=first, now_us=second, half_life_s=half_life_s)
    assert cooled(between, since_us=second, now_us=third, half_life_s=half_life_s) == pytest.approx(once, abs=1e-9)
    assert 0 <= once <= heat


def test_time_that_runs_backwards_cools_nothing() -> None:
    assert cooled(5.0, since_us=100, now_us=50, half_life_s=1) == 5.0
    assert cooled(5.0, since_us=0, now_us=1, half_life_s=0) == 0.0


@pytest.mark.parametrize(
    ("heat", "idle_s", "below", "cold"),
    [(0.5, 100, 1.0, True), (0.5, 99, 1.0, False), (4.0, 100, 1.0, False), (0.5, 100, 0.0, False)],
)
def test_a_cube_is_cold_when_it_is_cool_and_idle(heat: float, idle_s: int, below: float, cold: bool) -> None:
    found = is_cold(heat, last_use_us=0, now_us=idle_s * _S, half_life_s=1000, below=below, idle_s=100)
    assert found is cold


@pytest.mark.parametrize(
    ("own", "vaults", "expected"),
    [(None, None, None), (5.0, None, 6 * _S), (None, 9.0, 10 * _S), (5.0, 9.0, 6 * _S), (0.0, 9.0, _S)],
)
def test_a_cubes_own_life_goes_before_the_vaults(own: float | None, vaults: float | None, expected: int | None) -> None:
    assert expire_us(create_us=_S, ttl_s=own, retention=Retention(ttl_s=vaults)) == expected


def test_grace_runs_from_the_end_of_life() -> None:
    assert purge_us(expired_us=_S, retention=Retention(grace_s=2.5)) == 3_500_000


def test_a_chain_is_read_as_of_any_time() -> None:
    chain = [VersionStamp(1, 0, 100)]
    for now_us in (200, 150, 300):  # A clock that went back makes no version older than its parent.
        chain.append(follow(chain[-1], now_us=now_us))
    assert [(stamp.version, stamp.parent, stamp.create_us) for stamp in chain] == [
        (1, 0, 100),
        (2, 1, 200),
        (3, 2, 200),
        (4, 3, 300),
    ]
    assert as_of(chain, 99) is None
    assert [as_of(chain, moment) for moment in (100, 199, 200, 1000)] == [chain[0], chain[0], chain[2], chain[3]]


def test_etags_tell_versions_and_revisions_apart() -> None:
    assert len({etag(version, revision) for version in range(12) for revision in range(12)}) == 144


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [Difference("a", "1", "2")]),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": [1]}}, [Difference("a.c", "", "[1]")]),
        ({"a": {"b": 1}}, {}, [Difference("a.b", "1", "")]),
        ({}, {"a": {}}, [Difference("a", "", "{}")]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [Difference("a", "[1, 2]", "[2, 1]")]),
        ({"b": "\u00e9", "a": 1}, {}, [Difference("a", "1", ""), Difference("b", '"\u00e9"', "")]),
    ],
)
def test_differences(before: object, after: object, expected: list[Difference]) -> None:
    assert differences(before, after) == expected
