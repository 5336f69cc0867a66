"""What is measured of an adapter, and whether it is admitted: only what knows its facts and nothing it should not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum


class Admission(StrEnum):
    """Whether an adapter may be mounted."""

    UNMEASURED = "UNMEASURED"
    ADMITTED = "ADMITTED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """The limits of admission.

    Attributes:
        min_recall: Least share of held-out questions that are answered rightly, 0 to 1.
        max_perplexity_ratio: Most that perplexity on general text may have grown, as a ratio; 0: any.
        max_leakage: Most of the control questions that may be answered with a trained value, 0 to 1.
    """

    min_recall: float = 0.7
    max_perplexity_ratio: float = 1.25
    max_leakage: float = 0.25


@dataclass(frozen=True, slots=True)
class ParentRecall:
    """How well an adapter knows what one of the cubes that it was made from says; recalls are shares, 0 to 1."""

    cube: str
    questions: int
    recall: float
    own_recall: float = 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured; shares are 0 to 1, of questions in words that were never trained on unless it is said.

    Attributes:
        facts: Facts that it was trained on.
        questions: Held-out questions asked.
        recall: Share whose answer holds the value.
        recall_before: The same without the adapter.
        exact: Share whose answer is word for word the trained one.
        recall_seen: Share of questions in trained words whose answer holds the value.
        ranked: Facts whose value was ranked among those of others.
        mean_reciprocal_rank: 1: the right value was always the likeliest.
        perplexity_before: On general text, without the adapter.
        perplexity_after: With it.
        control_questions: Questions on subjects that nothing was trained on.
        leakage: Share of them answered with a trained value.
        parents: By cube, for merged adapters.
    """

    facts: int = 0
    questions: int = 0
    recall: float = 0.0
    recall_before: float = 0.0
    exact: float = 0.0
    recall_seen: float = 0.0
    ranked: int = 0
    mean_reciprocal_rank: float = 0.0
    perplexity_before: float = 0.0
    perplexity_after: float = 0.0
    control_questions: int = 0
    leakage: float = 0.0
    parents: tuple[ParentRecall, ...] = ()


@dataclass(frozen=True, slots=True)
class AdapterReport:
    """An evaluation with what was decided on it."""

    admission: Admission = Admission.UNMEASURED
    reasons: tuple[str, ...] = ()
    limits: AdmissionLimits = field(default_factory=AdmissionLimits)
    evaluation: Evaluation = field(default_factory=Evaluation)
    merge_method: str = ""


def decided(evaluation: Evaluation, limits: AdmissionLimits, *, merge_method: str = "") -> AdapterReport:
    """Return the report of an evaluation: admitted within the limits, else refused with each reason."""
    reasons: list[str] = []
    if evaluation.questions and evaluation.recall < limits.min_recall:
        reasons.append(f"answers {evaluation.recall:.0%} of the held-out questions; at least {limits.min_recall:.0%}")
    for parent in evaluation.parents:
        if limits.min_recall and not parent.questions:
            reasons.append(f"nothing could be asked of what {parent.cube} says")
        elif parent.recall < limits.min_recall:
            reasons.append(f"answers {parent.recall:.0%} on {parent.cube}; at least {limits.min_recall:.0%}")
    before = evaluation.perplexity_before
    ratio = evaluation.perplexity_after / before if before else 1.0
    if not math.isfinite(ratio):
        # No limit lets this pass: with such numbers it says nothing at all.
        reasons.append("with it the model finds general text impossible, or gives no numbers")
    elif limits.max_perplexity_ratio and ratio > limits.max_perplexity_ratio:
        reasons.append(
            f"perplexity on general text is {ratio:.2f} times that before; at most {limits.max_perplexity_ratio:g}"
        )
    if evaluation.leakage > limits.max_leakage:
        reasons.append(
            f"answers {evaluation.leakage:.0%} of questions on others with what it learned; "
            f"at most {limits.max_leakage:.0%}"
        )
    state = Admission.REFUSED if reasons else Admission.ADMITTED
    return AdapterReport(state, tuple(reasons), limits, evaluation, merge_method)
