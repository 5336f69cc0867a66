"""The code, the scores and who is accused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memporium_platform.tracing.accusing import Score, accused, best_of_bank, scored
from memporium_platform.tracing.code import Profile, biases, bits, profile_for
from memporium_platform.tracing.keys import RecipientKey, TracingSecret
from memporium_platform.tracing.scores import Tail, totals, weights, z_of
from support.leaks import generator, mixed

SECRET = TracingSecret(b"s" * 32)
HOWS = ("mixed", "majority", "minority", "coin")


def slot_ids(count):
    return SECRET.slot_ids([f"slot {number}" for number in range(count)])


def reading(codes, how, rng, *, kept=1.0, noise=0.0):
    """Return which slots are left of a coalition's copy, and what they show."""
    shown = np.array([mixed(column, how, rng) for column in np.array(codes, dtype=int).T.tolist()], dtype=float)
    drawn = np.array([rng.random() < noise for _ in shown])
    shown[drawn] = [rng.randrange(2) for _ in range(int(drawn.sum()))]
    return np.array([rng.random() < kept for _ in shown]), shown


def test_keys_are_functions_of_the_secret_and_of_their_names():
    other = TracingSecret(b"t" * 32)
    assert SECRET.recipient("a").raw == TracingSecret(b"s" * 32).recipient("a").raw
    assert len({SECRET.recipient("a").raw, SECRET.recipient("b").raw, other.recipient("a").raw}) == 3
    assert SECRET.slot_id("x") != other.slot_id("x")
    key = SECRET.recipient("a")
    assert len(key.commitment()) == 64
    assert key.raw.hex() not in key.commitment()
    assert key.commitment() != SECRET.recipient("b").commitment()


def test_bits_follow_the_bias_and_do_not_depend_on_order():
    ids = slot_ids(4000)
    bias = biases(SECRET, ids, Profile.TRIPLE)
    assert set(np.round(bias, 3)) == {0.211, 0.789}
    code = bits(SECRET.recipient("a"), ids, bias)
    assert abs((code - bias).mean()) < 0.03
    assert np.array_equal(bits(SECRET.recipient("a"), ids[16 * 7 : 16 * 9], bias[7:9]), code[7:9])
    assert (biases(SECRET, ids, Profile.PAIR) == 0.5).all()


def test_small_lines_are_coded_against_two_and_large_ones_against_three():
    assert profile_for(2047) is Profile.PAIR
    assert profile_for(2048) is Profile.TRIPLE


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("how", HOWS)
def test_innocents_score_like_chance_whatever_the_leakers_did(profile, how):
    rng = generator(7)
    ids = slot_ids(600)
    bias = biases(SECRET, ids, profile)
    leak = [bits(SECRET.recipient(f"leaker {number}"), ids, bias) for number in range(3)]
    kept, shown = reading(leak, how, rng, kept=0.6, noise=0.3)
    innocents = np.random.default_rng(1).random((4000, int(kept.sum()))) < bias[kept]
    for row in weights(shown[kept], bias[kept]):
        drawn = totals(row, innocents)
        mean = bias[kept] @ row.one + (1 - bias[kept]) @ row.zero
        deviation = math.sqrt(np.sum(bias[kept] * (1 - bias[kept]) * (row.one - row.zero) ** 2))
        if deviation < 1e-9:  # a guess that says nothing at this bias
            assert np.allclose(drawn, 0.0)
            continue
        standard = (drawn - mean) / deviation
        assert abs(standard.mean()) < 0.08
        assert abs(standard.std() - 1) < 0.06
        assert abs(np.quantile(standard, 0.99) - 2.33) < 0.35
        # The bound is one: no share of innocents goes above what it grants.
        bound = Tail(row, bias[kept]).log_p(drawn)
        for level in (0.1, 0.01):
            assert (bound <= math.log(level)).mean() <= level * 1.1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(HOWS), st.floats(0.05, 1.0), st.floats(0.0, 0.9))
def test_no_innocent_of_a_thousand_is_ever_accused(seed, how, kept, noise):
    rng = generator(seed)
    ids = slot_ids(300)
    bias = biases(SECRET, ids, Profile.TRIPLE)
    leak = [bits(SECRET.recipient(f"leaker {seed} {number}"), ids, bias) for number in range(2)]
    left, shown = reading(leak, how, rng, kept=kept, noise=noise)
    codes = np.random.default_rng(seed).random((1000, int(left.sum()))) < bias[left]
    found = best_of_bank(["innocent"] * 1000, codes, shown[left], bias[left], detector="text")
    assert not any(accused(score, recipients=1000, detectors=1) for score in found)


def test_a_leaker_is_named_and_the_score_is_the_same_each_time():
    keys = {name: SECRET.recipient(name) for name in ("ana", "ben", "cleo")}
    ids = slot_ids(400)
    bias = biases(SECRET, ids, Profile.PAIR)
    shown = bits(keys["ben"], ids, bias).astype(float)
    found = scored(keys, ids, shown, bias, detector="text")
    assert found == scored(keys, ids, shown, bias, detector="text")
    assert [score.recipient for score in found if accused(score, recipients=3, detectors=3)] == ["ben"]
    assert found[0].z > 20
    assert scored({}, ids, shown, bias, detector="text") == []
    assert scored(keys, b"", shown[:0], bias[:0], detector="text") == []


def test_thirty_one_slots_without_error_are_enough_and_twenty_nine_are_not():
    key = RecipientKey(b"k" * 32)
    for count, enough in ((29, False), (31, True)):
        ids = slot_ids(count)
        bias = np.full(count, 0.5)
        (score,) = scored({"x": key}, ids, bits(key, ids, bias).astype(float), bias, detector="text")
        assert accused(score, recipients=1000, detectors=1) is enough


def test_slots_that_show_both_variants_count_for_nothing():
    keys = {"x": RecipientKey(b"k" * 32)}
    ids = slot_ids(200)
    bias = np.full(200, 0.5)
    sure = bits(keys["x"], ids, bias).astype(float)
    both = np.where(np.arange(200) < 100, sure, 0.5)
    (all_,) = scored(keys, ids, sure, bias, detector="text")
    (half,) = scored(keys, ids, both, bias, detector="text")
    (left,) = scored(keys, ids[: 16 * 100], sure[:100], bias[:100], detector="text")
    (none,) = scored(keys, ids, np.full(200, 0.5), bias, detector="text")
    assert all_.z > half.z > 6.0
    assert abs(half.z - left.z) < 0.01
    assert none.z == 0.0


def test_an_accusation_is_corrected_for_recipients_and_detectors():
    barely = Score("x", "text", 6.05, math.log(0.7e-9))
    assert accused(barely, recipients=1000, detectors=1)
    assert not accused(barely, recipients=1000, detectors=3)
    assert not accused(barely, recipients=1_000_000, detectors=1)


def test_z_is_the_normal_quantile_far_out_too():
    assert z_of(0.0) == z_of(math.log(0.5)) == 0.0
    assert abs(z_of(math.log(9.865876e-10)) - 6.0) < 1e-3
    assert abs(z_of(-599.9) - z_of(-600.1)) < 0.02
    assert 99 < z_of(-5006.0) < 101
