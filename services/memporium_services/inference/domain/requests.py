"""What callers ask for, without protobuf, and what they get."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from memporium_services.inference.domain.trainings import MergePlan, TrainingPlan
from memporium_services.inference.domain.values import ComposePlan, KvForm

if TYPE_CHECKING:
    from memporium_services.inference.domain.attribution import Passage
    from memporium_services.inference.domain.memory import Licence, UsedMemory
    from memporium_services.inference.domain.values import Finish, Sampling, Turn


@dataclass(frozen=True, slots=True)
class GenerateCall:
    """A generation: `turns` or `prompt`, with memories mounted."""

    model: str
    turns: tuple[Turn, ...]
    prompt: str
    cubes: tuple[str, ...]
    sampling: Sampling
    compose: ComposePlan = field(default_factory=ComposePlan)


@dataclass(frozen=True, slots=True)
class ConvertCall:
    """A conversion of plaintext cubes into another form."""

    parent: str
    request_id: str
    cubes: tuple[str, ...]
    model: str = ""
    cube_id: str = ""
    title: str = ""
    tags: tuple[str, ...] = ()
    reason: str = ""
    plan: TrainingPlan = field(default_factory=TrainingPlan)
    kv_form: KvForm = KvForm.FLOAT16
    expire_refused: bool = False


@dataclass(frozen=True, slots=True)
class MergeCall(ConvertCall):
    """Adapters into one."""

    merge: MergePlan = field(default_factory=lambda: MergePlan(()))


@dataclass(frozen=True, slots=True)
class ProbeCall(ConvertCall):
    """An adapter back to text: `topics` as (subject, attribute), empty: what its sources say."""

    topics: tuple[tuple[str, str], ...] = ()
    min_confidence: float = 0.5


@dataclass(frozen=True, slots=True)
class Started:
    """A generation has begun."""

    model: str
    fingerprint: str
    prompt_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of text."""

    text: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cited:
    """A memory that was mounted, a licence that it was used under, if any, and what of the answer rests on it."""

    memory: UsedMemory
    licence: Licence | None = None
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Times:
    """Where the time of a generation went, in seconds."""

    queue_s: float
    mount_s: float
    prefill_s: float
    first_token_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A generation has ended."""

    finish: Finish
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    times: Times
    citations: tuple[Cited, ...]


class Stage(StrEnum):
    """A step of a conversion."""

    READING = "READING"
    WAITING = "WAITING"
    COMPUTING = "COMPUTING"
    EVALUATING = "EVALUATING"
    STORING = "STORING"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a conversion is."""

    stage: Stage
    completed: int = 0
    total: int = 0
    loss: float = 0.0


@dataclass(frozen=True, slots=True)
class Built:
    """An activation cube was made, or had been by an earlier call."""

    memory: UsedMemory
    compute_s: float = 0.0
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Trained:
    """A parameter cube was made, or had been by an earlier call; losses are in nats a token."""

    memory: UsedMemory
    loss_before: float = 0.0
    loss_after: float = 0.0
    examples: int = 0
    pairs: int = 0
    steps: int = 0
    compute_s: float = 0.0
    reused: bool = False
    resumed_steps: int = 0
