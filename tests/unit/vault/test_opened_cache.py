from __future__ import annotations

from memporium_services.vault.app import opened_cache
from memporium_services.vault.app.opened_cache import OpenedCache


def test_what_is_used_least_makes_room():
    cache = OpenedCache(4 * (512 + 100))
    cache.put("v", {number: (f"thing {number}", 100) for number in range(4)}, state=0)
    assert cache.get("v", [0]) == {0: "thing 0"}
    cache.put("v", {4: ("thing 4", 100)}, state=0)
    assert set(cache.get("v", range(5))) == {0, 2, 3, 4}


def test_what_is_used_again_and_again_stays_and_where_all_is_used_there_is_room_all_the_same(monkeypatch):
    monkeypatch.setattr(opened_cache, "_MOST_STAYING", 2)
    cache = OpenedCache(4 * (512 + 100))
    for number in range(30):
        cache.put("v", {number: (number, 100)}, state=0)
        assert cache.get("v", [0]) == {0: 0}
    assert len(cache.get("v", range(30))) == 4
    cache.put("v", {30: (30, 100)}, state=0)
    assert len(cache.get("v", range(31))) == 4
    assert cache.get("v", [30]) == {30: 30}


def test_what_alone_is_too_large_is_not_kept_and_nothing_is_where_there_is_no_room():
    cache = OpenedCache(1000)
    cache.put("v", {1: ("small", 10)}, state=0)
    cache.put("v", {2: ("large", 5000)}, state=0)
    assert cache.get("v", [1, 2]) == {}
    none = OpenedCache(0)
    none.put("v", {1: ("small", 10)}, state=0)
    assert none.get("v", [1]) == {}


def test_a_vault_that_forgets_loses_its_own_and_takes_nothing_that_was_opened_before():
    cache = OpenedCache(1 << 20)
    state = cache.state("v")
    cache.put("v", {1: ("one", 1)}, state=state)
    cache.put("w", {1: ("other", 1)}, state=cache.state("w"))
    cache.forget("v")
    cache.put("v", {2: ("two", 1)}, state=state)
    assert cache.get("v", [1, 2]) == {}
    assert cache.get("w", [1]) == {1: "other"}
    cache.put("v", {2: ("two", 1)}, state=cache.state("v"))
    assert cache.get("v", [2]) == {2: "two"}


def test_things_are_kept_for_a_while_only():
    now = [0.0]
    cache = OpenedCache(1 << 20, clock=lambda: now[0])
    cache.put("v", {1: ("one", 1)}, state=0)
    now[0] = 599.0
    assert cache.get("v", [1]) == {1: "one"}
    now[0] = 601.0
    assert cache.get("v", [1]) == {}
