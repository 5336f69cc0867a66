"""Says whether what was recalled covers a question, and what to search for where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.reader.domain.features import expansion_terms
from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.question import Question
    from memporium_services.reader.domain.ranking import Ranked

# Below this share of the question's words among the best, a second round follows.
ENOUGH = 0.6
_BEST = 10
_NEW_WORDS = 5


def coverage(candidates: Sequence[Candidate], ranked: Ranked, question: Question) -> float:
    """Return the share of the question's stems that the ten best statements and what stands around them hold."""
    if not question.terms:
        return 1.0
    held: set[str] = set()
    for index in ranked.order[:_BEST]:
        held.update(terms(candidates[index].text), terms(candidates[index].context))
    return sum(term in held for term in question.terms) / len(question.terms)


def rewritten(ranked: Ranked, question: Question) -> str:
    """Return the question with the most telling new words of the best statements; "" where there are none."""
    words = expansion_terms(ranked.words, question, ranked.scores)
    best = sorted(words, key=lambda word: (-words[word], word))[:_NEW_WORDS]
    return f"{question.text} {' '.join(best)}" if best else ""
