"""Attacks that play over time, against a repository that goes on publishing and a reader that remembers."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from memporium_platform.errors import PlatformError
from support.bundle_attacks import refused_at
from support.bundle_repository import Repository, reader_of


@pytest.fixture
def repository():
    made = Repository()
    made.publish()
    return made


def test_a_reader_follows_what_is_published(repository):
    reader = reader_of(repository)
    for _ in range(3):
        number = repository.publish()
        assert f"version {number}" in reader.load(repository.tick(), number, now=repository.now)


def test_rollback_to_any_older_state(repository):
    reader = reader_of(repository)
    for _ in range(4):
        repository.publish()
    reader.load(repository.history[-1], 5, now=repository.now)
    for state in repository.history[:-1]:
        number = max(number for number in state.sealed)
        with refused_at("FRESHNESS"):
            reader.load(state, number, now=repository.now)


def test_freeze(repository):
    """The attacker serves the last state for ever: it is over when its signed time is."""
    reader, frozen = reader_of(repository), repository.tick()
    reader.load(frozen, 1, now=repository.now + timedelta(minutes=9))
    repository.revoke(1)
    with refused_at("FRESHNESS"):
        reader.load(frozen, 1, now=repository.now + timedelta(minutes=11))


def test_an_older_version_beside_todays_documents(repository):
    """The older bundle is honest and listed; it is not the newest one that was asked for."""
    reader = reader_of(repository)
    repository.publish()
    state = repository.tick()
    with refused_at("SNAPSHOT"):
        reader.load(state, 1, now=repository.now)
    assert "version 1" in reader.load(state, 1, now=repository.now, newest=False)


def test_mix_and_match_of_any_two_states(repository):
    reader = reader_of(repository)
    for _ in range(3):
        repository.publish()
    states = repository.history
    reader.load(states[-1], 4, now=repository.now)
    fields = ("snapshot", "signed_time", "grants", "sealed")
    for old in states[:-1]:
        for name in fields:
            mixed = replace(states[-1], **{name: getattr(old, name)})
            if name == "grants" and 4 in old.grants:
                continue
            with pytest.raises((PlatformError, KeyError)) as caught:
                reader.load(mixed, 4, now=repository.now)
            if caught.type is PlatformError:
                assert caught.value.metadata["step"] in {"FRESHNESS", "SNAPSHOT"}


def test_fast_forward_ends_with_a_new_key(repository):
    """Whoever had the key for a moment signs numbers that nobody reaches again; a rotation begins anew."""
    reader = reader_of(repository)
    honest = repository.tick()
    repository.numbers["time"] = 1 << 52
    repository.numbers["snapshot"] = 1 << 52
    repository.change()
    reader.load(repository.history[-1], 1, now=repository.now)
    repository.numbers.update(time=honest_number(honest), snapshot=5)
    with refused_at("FRESHNESS"):
        reader.load(repository.tick(), 1, now=repository.now)
    repository.rotate()
    assert reader.load(repository.tick(), 1, now=repository.now)


def honest_number(state) -> int:
    from memporium.transfer.v1.bundle_pb2 import SignedTime
    from memporium_platform.bundle import dsse

    return SignedTime.FromString(dsse.parse(state.signed_time).payload).number


def test_after_a_rotation_the_old_key_is_worth_nothing(repository):
    reader, old_key = reader_of(repository), Repository()
    repository.rotate()
    repository.rotate()
    assert reader.load(repository.tick(), 1, now=repository.now)
    # Whoever has the first key signs a world of their own, with the real roots or with none.
    old_key.publish("forged")
    old_key.numbers = {"snapshot": 99, "time": 99}
    old_key.now = repository.now
    forged = old_key.tick()
    with refused_at("TRUST_ROOT"):
        reader.load(replace(forged, roots=repository.roots), 1, now=repository.now)
    with refused_at("TRUST_ROOT"):
        reader.load(forged, 1, now=repository.now)


def test_a_revocation_holds_from_the_next_signed_time_on(repository):
    reader = reader_of(repository)
    repository.publish()
    reader.load(repository.tick(), 2, now=repository.now)
    repository.revoke(2)
    with refused_at("SNAPSHOT"):
        reader.load(repository.tick(), 2, now=repository.now)
    assert "version 1" in reader.load(repository.tick(), 1, now=repository.now, newest=False)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_an_attacker_serves_a_reader_never_goes_back(seed):
    """At random: the publisher goes on, the attacker serves states and mixtures of them. Numbers never fall."""
    draw, repository = random.Random(seed), Repository()
    repository.publish()
    reader, highest, loaded = reader_of(repository), 0, 0
    for _ in range(60):
        draw.choice([repository.publish, repository.tick, repository.tick, repository.rotate])()
        served = draw.choice(repository.history[-6:])
        if draw.random() < 0.4:
            other = draw.choice(repository.history)
            served = replace(
                served,
                **{
                    name: getattr(other, name)
                    for name in draw.sample(["snapshot", "signed_time", "grants", "roots"], k=draw.randint(1, 3))
                },
            )
        number = max(served.sealed)
        try:
            text = reader.load(served, number, now=repository.now)
        except (PlatformError, KeyError):
            continue
        loaded += 1
        assert f"version {number}" in text
        assert number >= highest
        highest = number
    assert loaded
