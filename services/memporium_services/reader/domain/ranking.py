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

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.reader.domain import features, head
from memporium_services.reader.domain.candidates import CONTEXT, DENSE, OWN
from memporium_services.reader.domain.question import Kind
from memporium_services.reader.domain.signals import FOCUS, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.question import Question
    from memporium_services.reader.domain.signals import Signals


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
    covering: bool = True
    session_evidence: bool = True
    spread: bool = True
    first_named: bool = True
    semantic: bool = True
    lexical: bool = True
    windows: bool = True
    focus: bool = True
    speakers: bool = True
    times: bool = True
    form: bool = True
    assisted: bool = True


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


# What a lever that is off leaves out.
_WEIGHTS_OF = {
    "semantic": ("dense", "focus"),
    "lexical": ("own",),
    "windows": ("context",),
    "speakers": ("speaker",),
    "times": ("period", "timed"),
    "form": ("asking", "telling", "substance"),
}


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates best first, with the parts of their scores.

    Attributes:
        order: Indices into the candidates.
        scores: (n,) score of each candidate, in the candidates' order.
        parts: (n,) by part (`legs`, `analysis`, `neighbours`, `session`), in the candidates' order.
        weights: Weight of each leg that was used.
        words: Stems of each candidate.
        spread: How many candidates hold each stem; None: not counted.
    """

    order: NDArray[np.int64]
    scores: NDArray[np.float64]
    parts: Mapping[str, NDArray[np.float64]]
    weights: Mapping[str, float]
    words: Sequence[frozenset[str]]
    spread: Mapping[str, int] | None = None


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
    signals = read(candidates, question, names, first_named=levers.first_named)
    return weigh(signals, question, levers=levers, weights=weights or Weights())


def weigh(signals: Signals, question: Question, *, levers: Levers, weights: Weights) -> Ranked:
    """Rank what was read in candidates.

    Args:
        signals: What was read in them.
        question: What was read in the question.
        levers: Which levers work.
        weights: How much each part counts.
    """
    legs = signals.legs
    weights = _without(weights, levers)
    if levers.assisted:
        weights = _among_answers(weights, signals.assisted)
    leg_weights = _leg_weights(signals.clarity, weights, adaptive=levers.adaptive_fusion)
    zeros = np.zeros(len(signals.words))
    base = sum((leg_weights[name] * scores for name, scores in legs.items()), zeros)
    analysis = _analysis(signals, weights) if levers.query_analysis else zeros
    first = base + analysis
    if levers.feedback:
        analysis = analysis + weights.feedback * features.feedback(signals.words, question, first, signals.spread)
    if levers.decomposition or levers.second_round:
        analysis = analysis + weights.further * signals.further
    beside = _beside(signals, weights) if levers.neighbours else zeros
    session = zeros
    if levers.session_scores:
        by_session = features.group_best(signals.sources, legs[CONTEXT])
        session = weights.session * by_session + weights.episode * features.group_best(signals.cubes, first)
    scores = base + analysis + beside + session
    placed = _placed(signals, scores, question, levers=levers, weights=weights)
    parts = {"legs": base, "analysis": analysis, "neighbours": beside, "session": session + placed - scores}
    order = np.argsort(-placed, kind="stable")
    return Ranked(
        order=order, scores=placed, parts=parts, weights=leg_weights, words=signals.words, spread=signals.spread
    )


def _among_answers(weights: Weights, assisted: float) -> Weights:
    """Return the weights for chats with an assistant.

    Around what somebody told stand an assistant's long answers, which hold the words of many questions: there that
    counts for half, and meaning for half as much again.
    """
    if not assisted:
        return weights
    more = 1 + assisted / 2
    return replace(
        weights, context=weights.context * (1 - assisted / 2), dense=weights.dense * more, focus=weights.focus * more
    )


def _without(weights: Weights, levers: Levers) -> Weights:
    """Return the weights, nothing for what is switched off."""
    off = [name for lever, names in _WEIGHTS_OF.items() if not getattr(levers, lever) for name in names]
    return replace(weights, **dict.fromkeys(off, 0.0)) if off else weights


def _placed(
    signals: Signals, scores: NDArray[np.float64], question: Question, *, levers: Levers, weights: Weights
) -> NDArray[np.float64]:
    """Return the scores with what the whole of an episode and of a session is worth in the first places."""
    unlifted = scores
    if levers.session_scores and levers.covering:
        scores = head.lifted(scores, weights.covering * signals.covering)
    if levers.session_scores and levers.session_evidence:
        # What a session has to say is what its statements score by themselves.
        scores = head.reordered(scores, weights.evidence * head.evidence(signals.sources, unlifted))
    if levers.diversity and levers.spread and question.kind is Kind.LIST:
        scores = head.spread(signals.cubes, scores, weights.spread)
    return scores


def _beside(signals: Signals, weights: Weights) -> NDArray[np.float64]:
    """Return what the statements right before and after say for each, the more where it answers the one before."""
    legs, before = signals.legs, signals.before
    around = features.at(legs[DENSE], before) + features.at(legs[DENSE], signals.after)
    return weights.neighbours * around + weights.answering * features.at(legs[FOCUS] * signals.asking, before)


def _leg_weights(clarity: Mapping[str, float], weights: Weights, *, adaptive: bool) -> dict[str, float]:
    base = {DENSE: weights.dense, FOCUS: weights.focus, OWN: weights.own, CONTEXT: weights.context}
    total = sum(base.values())
    raw = {name: base[name] * clarity[name] if adaptive else base[name] for name in base}
    size = sum(raw.values())
    return {name: total * value / size for name, value in raw.items()} if size else base


def _analysis(signals: Signals, weights: Weights) -> NDArray[np.float64]:
    return (
        weights.speaker * signals.speaker
        + weights.period * signals.period
        - weights.asking * signals.asking
        + weights.timed * signals.timed
        + weights.telling * signals.telling
        + weights.substance * signals.substance
    )
