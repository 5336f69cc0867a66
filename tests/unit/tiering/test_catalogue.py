"""Policies of other packages, by entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from memporium_platform.tiering import catalogue
from memporium_platform.tiering.policies import Item
from memporium_platform.tiering.tier import Tier


class Smallest:
    """Holds what is smallest.

    More words that a list does not show.
    """

    name = "smallest"
    admits_all = True

    def __init__(self, budget_bytes):
        self.budget_bytes = budget_bytes

    def used(self, item, now, agent=""):
        pass

    def value(self, item, now):
        return -item.size_bytes


class Halved:
    def __init__(self, budget_bytes):
        raise RuntimeError("not here")


@pytest.fixture
def installed(monkeypatch):
    names = {"smallest": "Smallest", "halved": "Halved", "gone": "Nothing", "lru": "Smallest", "Bad Name": "Smallest"}
    found = [EntryPoint(name, f"{__name__}:{what}", catalogue.ENTRY_POINTS) for name, what in names.items()]
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(**globals()))
    monkeypatch.setattr(catalogue, "entry_points", lambda group: found if group == catalogue.ENTRY_POINTS else [])
    catalogue.plugins.cache_clear()
    yield catalogue.plugins()
    catalogue.plugins.cache_clear()


def test_a_policy_of_another_package_rules_a_tier(installed):
    assert installed["smallest"].description == "Holds what is smallest."
    assert installed["smallest"].origin
    tier = Tier(30, catalogue.policy("smallest", 30))
    tier.use(Item("big", 20, 1.0), 0)
    tier.use(Item("small", 10, 1.0), 1)
    assert tier.use(Item("other", 5, 1.0), 2) == (False, ["big"])


def test_what_cannot_be_loaded_or_takes_a_name_is_left_out(installed):
    assert set(installed) == {*catalogue.POLICIES, "smallest"}
    assert not installed["lru"].origin


def test_an_unknown_policy_is_an_error():
    with pytest.raises(KeyError):
        catalogue.policy("no-such", 1)
