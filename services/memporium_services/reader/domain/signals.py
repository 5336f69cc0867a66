"""What candidates and a question say, each as numbers from 0 to 1, before anything is weighed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.reader.domain import features, head
from memporium_services.reader.domain.candidates import CONTEXT, DENSE, OWN
from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.question import Question

FOCUS = "focus"


@dataclass(frozen=True, slots=True)
class Signals:
    """What was read, in the candidates' order; see the functions of the same names in `features`.

    Attributes:
        legs: Scaled scores by leg; the focus leg stands in for the dense one where it was not asked.
        clarity: How clearly each leg tells its best from the rest.
        words: Stems of each candidate.
        spread: How many candidates hold each stem.
        speaker: Whether the one who is asked about said it.
        period: Whether it lies in the time asked for.
        asking: How much of it asks.
        timed: Whether it tells a time, where one is asked for.
        telling: Whether it is told in the first person.
        substance: How much it says.
        further: How good it is in the searches that followed.
        before: Place of the statement right before it; -1: none.
        after: Place of the statement right after it; -1: none.
        sources: Its session, or its cube where it has none.
        cubes: Its episode.
        covering: How much of the question its session and its episode hold.
        assisted: How much chats with an assistant are in it.
    """

    legs: Mapping[str, NDArray[np.float64]]
    clarity: Mapping[str, float]
    words: Sequence[frozenset[str]]
    spread: Mapping[str, int]
    speaker: NDArray[np.float64]
    period: NDArray[np.float64]
    asking: NDArray[np.float64]
    timed: NDArray[np.float64]
    telling: NDArray[np.float64]
    substance: NDArray[np.float64]
    further: NDArray[np.float64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    sources: Sequence[Hashable]
    cubes: Sequence[Hashable]
    covering: NDArray[np.float64]
    assisted: float = 0.0


def read(
    candidates: Sequence[Candidate], question: Question, names: Sequence[str], *, first_named: bool = True
) -> Signals:
    """Read candidates.

    Args:
        candidates: What the searches brought.
        question: What was read in the question.
        names: Speakers that the question names.
        first_named: Whether of several who are named the first is asked about.
    """
    said = [one.said for one in candidates]
    words = features.words_of(said)
    before, after = features.beside(candidates)
    sources: list[Hashable] = [(one.mount, one.source or one.cube) for one in candidates]
    cubes: list[Hashable] = [one.cube for one in candidates]
    legs = _legs(candidates)
    return Signals(
        legs=legs,
        clarity={name: features.clarity(scores) for name, scores in legs.items()},
        words=words,
        spread=features.spread_of(words),
        speaker=features.speaker_match(candidates, question, names, first_named=first_named),
        period=features.period_match(candidates, question),
        asking=features.asking(said),
        timed=features.timed(said, question),
        telling=features.telling(said, question, names),
        substance=features.substance(words),
        further=np.array([one.further for one in candidates], dtype=np.float64),
        before=before,
        after=after,
        sources=sources,
        cubes=cubes,
        covering=_covering(question, names, words, sources, cubes),
        assisted=features.assisted(candidates),
    )


def _legs(candidates: Sequence[Candidate]) -> dict[str, NDArray[np.float64]]:
    dense = features.leg(candidates, DENSE)
    focus = np.array([np.nan if one.focus is None else one.focus for one in candidates], dtype=np.float64)
    return {
        DENSE: features.scale(dense),
        FOCUS: features.scale(focus) if np.isfinite(focus).any() else features.scale(dense),
        OWN: features.scale(features.leg(candidates, OWN)),
        CONTEXT: features.scale(features.leg(candidates, CONTEXT)),
    }


def _covering(
    question: Question,
    names: Sequence[str],
    words: Sequence[frozenset[str]],
    sources: Sequence[Hashable],
    cubes: Sequence[Hashable],
) -> NDArray[np.float64]:
    asked = frozenset(question.terms).difference(*(terms(name) for name in names))
    held, rarity = head.held(words, asked)
    return head.covering(sources, held, rarity) + head.covering(cubes, held, rarity)
