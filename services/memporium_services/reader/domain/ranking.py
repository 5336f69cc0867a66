"""Ranks candidates: a weighted sum of scaled scores and of what the question's form says.

Rules:
    1. Scores of legs are scaled to 0..1 over the candidates; ranks are never fused (on dialogue that loses to BM25).
    2. With adaptive fusion a leg's weight grows with how clearly it tells its best candidates from the rest, so a
       leg that is blind to a vault's language or form counts less there.
    3. Levers add to that; each can be switched off, and none removes a candidate.
    4. The first places are ordered with regard to the episode and session as a whole. Where several things are asked
       for, statements of episodes that have been heard stand back a little after them: measured, for other questions
       that gains in dialogue what it loses in chats with an assistant.

The weights were chosen by coordinate ascent on four of six dialogues and checked on the other two, three times over;
they are rounded, so that no digit of them means anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.reader.domain import features, head
from memporium_services.reader.domain.candidates import CONTEXT, DENSE, OWN
from memporium_services.reader.domain.question import Kind
from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.question import Question


@dataclass(frozen=True, slots=True)
class Levers:
    """Which levers work; see `RecallOptions` in the protos."""

    query_analysis: bool = True
    neighbours: bool = True
    session_scores: bool = True
    feedback: bool = True
    decomposition: bool = True
    second_round: bool = True
    foresight: bool = True
    diversity: bool = True
    adaptive_fusion: bool = True
    contradiction: bool = True
    rewriting: bool = True


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part counts; the legs sum to 0.8."""

    dense: float = 0.15
    focus: float = 0.20
    own: float = 0.15
    context: float = 0.30
    speaker: float = 0.30
    period: float = 0.20
    asking: float = 0.20
    timed: float = 0.15
    telling: float = 0.05
    substance: float = 0.15
    neighbours: float = 0.10
    answering: float = 0.15
    session: float = 0.10
    episode: float = 0.10
    covering: float = 0.10
    evidence: float = 0.10
    spread: float = 0.04
    feedback: float = 0.05
    further: float = 0.20


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates best first, with the parts of their scores.

    Attributes:
        order: Indices into the candidates.
        scores: (n,) score of each candidate, in the candidates' order.
        parts: (n,) by part (`legs`, `analysis`, `neighbours`, `session`), in the candidates' order.
        weights: Weight of each leg that was used.
        words: Stems of each candidate.
    """

    order: NDArray[np.int64]
    scores: NDArray[np.float64]
    parts: Mapping[str, NDArray[np.float64]]
    weights: Mapping[str, float]
    words: Sequence[frozenset[str]]


def rank(
    candidates: Sequence[Candidate],
    question: Question,
    *,
    names: Sequence[str],
    levers: Levers,
    weights: Weights | None = None,
) -> Ranked:
    """Rank candidates.

    Args:
        candidates: What the searches brought.
        question: What was read in the question.
        names: Speakers that the question names.
        levers: Which levers work.
        weights: How much each part counts.
    """
    weights = weights or Weights()
    said = [one.said for one in candidates]
    legs, words, asks = _legs(candidates), features.words_of(said), features.asking(said)
    leg_weights = _leg_weights(legs, weights, adaptive=levers.adaptive_fusion)
    zeros = np.zeros(len(candidates))
    base = sum((leg_weights[name] * scores for name, scores in legs.items()), zeros)
    analysis = zeros
    if levers.query_analysis:
        analysis = _analysis(candidates, question, names, weights, said, asks)
        analysis = analysis + weights.substance * features.substance(words)
    first = base + analysis
    if levers.feedback:
        analysis = analysis + weights.feedback * features.feedback(words, question, first)
    if levers.decomposition or levers.second_round:
        analysis = analysis + weights.further * np.array([one.further for one in candidates])
    beside = _beside(candidates, legs, weights, asks) if levers.neighbours else zeros
    session = _session(candidates, legs, first, weights) if levers.session_scores else zeros
    scores = base + analysis + beside + session
    if levers.session_scores:
        lifted = head.lifted(scores, weights.covering * _covering(candidates, question, names, words))
        sources = [(one.mount, one.source or one.cube) for one in candidates]
        lifted = head.reordered(lifted, weights.evidence * head.evidence(sources, scores))
        session, scores = session + lifted - scores, lifted
    if levers.diversity and question.kind is Kind.LIST:
        apart = head.spread([one.cube for one in candidates], scores, weights.spread)
        session, scores = session + apart - scores, apart
    parts = {"legs": base, "analysis": analysis, "neighbours": beside, "session": session}
    order = np.argsort(-scores, kind="stable")
    return Ranked(order=order, scores=scores, parts=parts, weights=leg_weights, words=words)


def _beside(
    candidates: Sequence[Candidate],
    legs: Mapping[str, NDArray[np.float64]],
    weights: Weights,
    asks: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return what the statements right before and after say for each, the more where it answers the one before."""
    before, after = features.beside(candidates)
    around = features.at(legs[DENSE], before) + features.at(legs[DENSE], after)
    return weights.neighbours * around + weights.answering * features.at(legs["focus"] * asks, before)


def _session(
    candidates: Sequence[Candidate],
    legs: Mapping[str, NDArray[np.float64]],
    first: NDArray[np.float64],
    weights: Weights,
) -> NDArray[np.float64]:
    sources = [(one.mount, one.source or one.cube) for one in candidates]
    by_session = features.group_best(sources, legs[CONTEXT])
    by_episode = features.group_best([one.cube for one in candidates], first)
    return weights.session * by_session + weights.episode * by_episode


def _covering(
    candidates: Sequence[Candidate], question: Question, names: Sequence[str], words: Sequence[frozenset[str]]
) -> NDArray[np.float64]:
    asked = frozenset(question.terms).difference(*(terms(name) for name in names))
    held, rarity = head.held(words, asked)
    by_session = head.covering([(one.mount, one.source or one.cube) for one in candidates], held, rarity)
    return by_session + head.covering([one.cube for one in candidates], held, rarity)


def _legs(candidates: Sequence[Candidate]) -> dict[str, NDArray[np.float64]]:
    """Return the scaled scores by leg; the focus leg stands in for the dense one where it was not asked."""
    dense = features.leg(candidates, DENSE)
    focus = np.array([np.nan if one.focus is None else one.focus for one in candidates], dtype=np.float64)
    return {
        DENSE: features.scale(dense),
        "focus": features.scale(focus) if np.isfinite(focus).any() else features.scale(dense),
        OWN: features.scale(features.leg(candidates, OWN)),
        CONTEXT: features.scale(features.leg(candidates, CONTEXT)),
    }


def _leg_weights(legs: Mapping[str, NDArray[np.float64]], weights: Weights, *, adaptive: bool) -> dict[str, float]:
    base = {DENSE: weights.dense, "focus": weights.focus, OWN: weights.own, CONTEXT: weights.context}
    total = sum(base.values())
    clarity = {name: features.clarity(scores) if adaptive else 1.0 for name, scores in legs.items()}
    raw = {name: base[name] * clarity[name] for name in base}
    size = sum(raw.values())
    return {name: total * value / size for name, value in raw.items()} if size else base


def _analysis(
    candidates: Sequence[Candidate],
    question: Question,
    names: Sequence[str],
    weights: Weights,
    said: Sequence[str],
    asks: NDArray[np.float64],
) -> NDArray[np.float64]:
    return (
        weights.speaker * features.speaker_match(candidates, question, names)
        + weights.period * features.period_match(candidates, question)
        - weights.asking * asks
        + weights.timed * features.timed(said, question)
        + weights.telling * features.telling(said, question, names)
    )
