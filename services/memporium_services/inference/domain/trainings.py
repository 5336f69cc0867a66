"""Values that adapters are made from and described with: examples, plans, what came of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from memporium_services.inference.domain.admission import AdmissionLimits

if TYPE_CHECKING:
    from memporium_services.inference.domain.admission import Evaluation


@dataclass(frozen=True, slots=True)
class Example:
    """One training example: `answer` is learned after `question`, or as plain text where that is empty."""

    answer: str
    question: str = ""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How an adapter is trained."""

    rank: int = 8
    alpha: float = 16.0
    epochs: int = 4
    learning_rate: float = 1e-3
    seed: int = 0
    max_tokens: int = 16_384
    limits: AdmissionLimits = field(default_factory=AdmissionLimits)


@dataclass(frozen=True, slots=True)
class TrainedAdapter:
    """A LoRA adapter that was trained: its safetensors file, shape and figures (losses in nats a token)."""

    data: bytes = field(repr=False)
    rank: int
    alpha: float
    target_modules: tuple[str, ...]
    loss_before: float
    loss_after: float
    steps: int
    compute_s: float
    evaluation: Evaluation | None = None
    resumed_steps: int = 0


class MergeMethod(StrEnum):
    """How adapters are merged; see `memporium.inference.v1.MergeMethod`."""

    LINEAR = "linear"
    SVD = "svd"
    TIES = "ties"
    DARE_LINEAR = "dare-linear"
    DARE_TIES = "dare-ties"


@dataclass(frozen=True, slots=True)
class MergePlan:
    """How adapters are merged.

    Attributes:
        weights: One for each.
        method: How.
        density: Share of the numbers that TIES and DARE keep.
        rank: Rank of the result for SVD; 0: the sum of theirs.
        seed: Seed of what DARE drops.
        limits: Limits of admission.
    """

    weights: tuple[float, ...]
    method: MergeMethod = MergeMethod.SVD
    density: float = 0.5
    rank: int = 0
    seed: int = 0
    limits: AdmissionLimits = field(default_factory=AdmissionLimits)


@dataclass(frozen=True, slots=True)
class MergedAdapter:
    """An adapter that was merged, and what was measured of it; its scaling numerator is its rank."""

    data: bytes = field(repr=False)
    rank: int
    target_modules: tuple[str, ...]
    evaluation: Evaluation
    compute_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """What an adapter said on a topic.

    Attributes:
        text: Its answer.
        confidence: Mean probability of the answer's tokens, 0 to 1.
        steady: Whether it says the same when it is asked in other words.
        own: Whether the model says something else without it.
    """

    text: str
    confidence: float
    steady: bool
    own: bool
