"""Fusion of legs: what must hold for any scores and weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_services.vault.domain.fusion import CONTEXT, DENSE, LEGS, OWN, fit_weights, fuse, scale

_score = st.floats(-1e6, 1e6) | st.just(math.nan)
_weights = st.dictionaries(st.sampled_from(LEGS), st.just(0.0) | st.floats(1e-6, 100), max_size=3)
_legs = st.sets(st.sampled_from(LEGS), min_size=1)


@st.composite
def _questions(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    count = draw(st.integers(1, 12))
    names = draw(_legs)
    legs = {name: np.array(draw(st.lists(_score, min_size=count, max_size=count))) for name in names}
    return legs, fit_weights(draw(st.none() | _weights), names)


@given(st.lists(_score, max_size=20))
def test_scaled_scores_lie_between_0_and_1_in_the_same_order(scores: list[float]) -> None:
    scaled = scale(np.array(scores, dtype=np.float64))
    assert ((scaled >= 0) & (scaled <= 1)).all()
    for a, first in zip(scores, scaled, strict=True):
        assert first == 0 or not math.isnan(a)
        for b, second in zip(scores, scaled, strict=True):
            if a <= b:
                assert first <= second


def test_scores_that_are_all_equal_are_all_best() -> None:
    assert scale(np.array([3.0, math.nan, 3.0])).tolist() == [1.0, 0.0, 1.0]


@given(st.none() | _weights, _legs)
def test_weights_sum_to_one_over_legs_that_are_there(given_weights: dict[str, float] | None, legs: set[str]) -> None:
    fitted = fit_weights(given_weights, legs)
    assert set(fitted) <= legs
    assert sum(fitted.values()) == pytest.approx(1)
    assert all(weight > 0 for weight in fitted.values())


@pytest.mark.parametrize(
    ("given_weights", "legs", "expected"),
    [
        (None, LEGS, {DENSE: 0.4, OWN: 0.3, CONTEXT: 0.3}),
        (None, (DENSE, OWN), {DENSE: 0.5, OWN: 0.5}),
        (None, (OWN,), {OWN: 1.0}),
        ({DENSE: 3.0, OWN: 1.0}, LEGS, {DENSE: 0.75, OWN: 0.25}),
        ({CONTEXT: 1.0}, (DENSE, OWN), {DENSE: 0.5, OWN: 0.5}),
        ({DENSE: -1.0, OWN: 2.0}, (DENSE, OWN), {OWN: 1.0}),
    ],
)
def test_weights(given_weights: dict[str, float] | None, legs: tuple[str, ...], expected: dict[str, float]) -> None:
    assert fit_weights(given_weights, legs) == pytest.approx(expected)


@given(_questions())
def test_every_candidate_comes_once_and_the_best_first(
    question: tuple[dict[str, np.ndarray], dict[str, float]],
) -> None:
    legs, weights = question
    fused = fuse(legs, weights)
    assert sorted(fused.order.tolist()) == list(range(len(next(iter(legs.values())))))
    assert (np.diff(fused.scores) <= 0).all()
    assert ((fused.scores >= 0) & (fused.scores <= 1 + 1e-9)).all()


@given(_questions())
def test_who_is_at_least_as_good_in_every_leg_is_not_behind(
    question: tuple[dict[str, np.ndarray], dict[str, float]],
) -> None:
    legs, weights = question
    fused = fuse(legs, weights)
    score = dict(zip(fused.order.tolist(), fused.scores.tolist(), strict=True))
    filled = {name: np.nan_to_num(scores, nan=-np.inf) for name, scores in legs.items()}
    for a, better in score.items():
        for b, worse in score.items():
            if all(scores[a] >= scores[b] for scores in filled.values()):
                assert better >= worse - 1e-12


def test_ties_keep_the_order_they_came_in() -> None:
    assert fuse({OWN: np.array([1.0, 2.0, 1.0, 2.0])}, {OWN: 1.0}).order.tolist() == [1, 3, 0, 2]


def test_a_leg_without_weight_has_no_say() -> None:
    legs = {OWN: np.array([0.0, 1.0]), DENSE: np.array([1.0, 0.0])}
    fused = fuse(legs, {OWN: 1.0})
    assert fused.order.tolist() == [1, 0]
    assert set(fused.normalised) == {OWN}


def test_nothing_to_fuse() -> None:
    assert fuse({}, {}).order.tolist() == []
