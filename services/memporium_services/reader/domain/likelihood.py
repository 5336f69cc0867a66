"""Reorders the best statements by how likely a language model holds the question to be asked of each.

Query likelihood (Ponte and Croft, SIGIR 1998) by a language model that was never trained for it (Sachan et al., EMNLP
2022): a statement is as good as it makes the question's own words likely behind it. The model writes nothing, so there
is nothing to parse, nothing that it could make up, and nothing that a statement could talk it into; what a statement
can do is to hold the question's words, as with any search, and how much that is worth is bounded. A statement of a
session that holds a likely one is likelier to be meant, too.

The weights are the lesser of a few round ones between which some 200 questions of six dialogues hardly tell: by them no
figure fell.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.reader.domain.cleaning import clean_line

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.ranking import Ranked

INSTRUCTION = "Write the question that this message answers."
PART = "likelihood"
# Points of the ranking's score for one nat a token, and how much of a statement's own the best of its session counts.
WEIGHT, SESSION = 0.3, 1.0
# Nats a token that no statement rises above: twice as likely as the best statements make real questions. One that
# repeats a question word for word gains no more than that.
_MOST = -1.0
# Of a long passage its beginning: the time is that of the tokens.
_MOST_CHARS = 600


def message_of(one: Candidate) -> str:
    """Return a statement as the model reads it, with its speaker and date."""
    return clean_line(one.text)[:_MOST_CHARS]


def reordered(
    scores: NDArray[np.float64],
    order: Sequence[int],
    likelihoods: Mapping[int, float],
    *,
    head: Sequence[int],
    sessions: Sequence[Hashable],
) -> tuple[NDArray[np.float64], list[int]]:
    """Return what is added to each score, and the first places in their new order; who stood behind them stays there.

    Args:
        scores: (n,) score of each candidate.
        order: Indices of the candidates, best first.
        likelihoods: Log-probability of the question for each token, by index, at least one.
        head: Indices of the first places; who is not in `likelihoods` is taken for as likely as the others on average.
        sessions: What tells each candidate's session from others.
    """
    own = {index: min(value, _MOST) for index, value in likelihoods.items()}
    mean = sum(own.values()) / len(own)
    own = {index: own.get(index, mean) for index in head}
    best: dict[Hashable, float] = {}
    for index, value in own.items():
        best[sessions[index]] = max(value, best.get(sessions[index], value))
    worth = {index: WEIGHT * (value + SESSION * best[sessions[index]]) for index, value in own.items()}
    least = min(worth.values())
    added = np.zeros(len(scores))
    for index, value in worth.items():
        added[index] = value - least
    first = sorted(head, key=lambda index: -float(scores[index] + added[index]))
    return added, [*first, *(index for index in order if index not in worth)]


def with_likelihood(ranked: Ranked, added: NDArray[np.float64]) -> Ranked:
    """Return the ranking with what is added to its scores; what was brought in since gets nothing."""
    whole = np.concatenate([added, np.zeros(len(ranked.scores) - len(added))])
    return replace(ranked, scores=ranked.scores + whole, parts={**ranked.parts, PART: whole})
