"""Which memories move between text, KV and LoRA, by how they are used. Pure; the time is passed in.

Rules (MemOS, arXiv 2507.03724, type-aware loading):

- What changes with time stays text: it has an end, or is a record of a tool's use.
- Abstract and stable goes to LoRA, in groups that came under the same licences, so that one licence does not bind what
  came without it.
- Stable and frequent goes to KV, each memory by itself.
- What was converted, and is cold or no longer says what its text says, goes back to text: the KV or LoRA memory
  expires; the text was there all the time.

Nothing flaps: a memory is frequent above one heat and cold below a quarter of it, a conversion lasts a while at least,
and one that was undone is not proposed again for as long. What people made by hand is never undone by a sweep.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

# The label by which a sweep knows what a sweep has made.
CONVERTED = "converted"
BUILD, TRAIN = "build-activation", "train-parameter"
# Below this share of the heat that makes a memory frequent, it is cold.
_COLD = 0.25
# A memory that is never used is no reason to train, however abstract.
_USED = 1.0
_ABSTRACT = frozenset({"SKILL", "DOMAIN_KNOWLEDGE", "TASK_PROMPT", "PREFERENCE", "PROFILE"})
_FLEETING = frozenset({"TOOL_TRACE"})
_LIVING = frozenset({"GENERATED", "ACTIVATED", "MERGED"})
# Texts of one adapter: beyond it, training takes long and a change of one text undoes much.
_MOST_OF_AN_ADAPTER = 16
# Until a KV or LoRA memory of the vault was seen: those of a small model, 16 bits a number.
_BYTES_A_TOKEN, _ADAPTER_BYTES, _CHARACTERS_A_TOKEN = 23_040, 5_000_000, 4
# Reading a prompt of n tokens takes a n + b n^2 seconds on one CPU core: the fit of the benchmark's figures.
_SECONDS_A_TOKEN, _SECONDS_A_TOKEN_SQUARED = 2.5e-3, 3.5e-7
# Reading a text from the archive instead of the database.
_ARCHIVE_S = 0.02
_DAY = timedelta(days=1)


class Target(StrEnum):
    """Where memories move."""

    ACTIVATION = "ACTIVATION"
    PARAMETER = "PARAMETER"
    TEXT = "TEXT"


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as stable and frequent, and how much may be made; see `ConversionRules` of the protos."""

    frequent_heat: float = 3.0
    stable_after: timedelta = _DAY
    dwell: timedelta = _DAY
    budget_bytes: int = 1 << 30
    max_conversions: int = 20
    model: str = ""
    training: bool = True


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a memory without its payload.

    Attributes:
        cube: Its name.
        size_bytes: Bytes of its payload.
        heat: Uses, decayed with time.
        create_time: When it was made.
        update_time: When it was last changed.
        state: State in its life.
        semantic_type: What it is about, in kind.
        ends: Whether it has an end.
        archived: Whether it lies in the archive tier.
        pinned: Whether it must not be changed (frozen or under legal hold).
        derivation: What made it; "" for originals.
        parents: What it was made from.
        labels: Its tags.
        agreements: Agreements that it came under.
    """

    cube: str
    size_bytes: int
    heat: float
    create_time: datetime
    update_time: datetime
    state: str = "ACTIVATED"
    semantic_type: str = ""
    ends: bool = False
    archived: bool = False
    pinned: bool = False
    derivation: str = ""
    parents: tuple[str, ...] = ()
    labels: frozenset[str] = frozenset()
    agreements: frozenset[str] = frozenset()

    @property
    def is_tensor(self) -> bool:
        """Whether it is KV or LoRA memory."""
        return self.derivation in {BUILD, TRAIN}

    @property
    def lives(self) -> bool:
        """Whether it is in use."""
        return self.state in _LIVING


@dataclass(frozen=True, slots=True)
class Proposal:
    """One move; see `ConversionProposal` of the protos."""

    cubes: tuple[str, ...]
    target: Target
    reason: str
    size_bytes: int
    saved_s: float = 0.0
    derived: str = ""
    agreements: frozenset[str] = frozenset()
    blocked: str = ""

    @property
    def step(self) -> str:
        """What tells this move from others of a job."""
        return f"{self.target}:{self.derived}:{','.join(self.cubes)}"


@dataclass(slots=True)
class Plan:
    """Moves in their order, and how many memories stay, by reason."""

    proposals: list[Proposal] = field(default_factory=list)
    staying: dict[str, int] = field(default_factory=dict)
    converted_bytes: int = 0

    def stays(self, reason: str) -> None:
        """Count a memory that stays."""
        self.staying[reason] = self.staying.get(reason, 0) + 1


def saved_s(derivation: str, size_bytes: int) -> float:
    """Return the seconds that a use of a memory saves where it lies hot, by its form and size."""
    if derivation != BUILD:
        return _ARCHIVE_S
    return _prefill_s(size_bytes // _BYTES_A_TOKEN)


def conversions(memories: Sequence[Memory], rules: Rules, now: datetime) -> Plan:
    """Return the moves of a vault: first those back to text, then those that save the most time per byte.

    Args:
        memories: Those of the vault and of what it mounts; KV and LoRA memory also where it has expired.
        rules: What counts as stable and frequent.
        now: The time.
    """
    plan = Plan()
    texts = {one.cube: one for one in memories if not one.is_tensor and one.lives}
    tensors = [one for one in memories if one.is_tensor and one.lives]
    undone = [_undo(one, texts, rules, now) for one in tensors]
    backs = [one for one in undone if one is not None]
    gone = {one.derived for one in backs}
    has_tensors = {parent for one in tensors if one.cube not in gone for parent in one.parents}
    # Also those that are about to go: what was undone is not made again in the same breath.
    resting = {parent for one in backs for parent in one.cubes} | {
        parent
        for one in memories
        if one.is_tensor and not one.lives and now - one.update_time < rules.dwell
        for parent in one.parents
    }
    plan.converted_bytes = sum(one.size_bytes for one in tensors if CONVERTED in one.labels)
    frequent, abstract = [], []
    for one in sorted(texts.values(), key=lambda memory: memory.cube):
        where, reason = _sorted_to(one, rules, now, has_tensors, resting)
        match where:
            case Target.ACTIVATION:
                frequent.append(one)
            case Target.PARAMETER:
                abstract.append(one)
            case _:
                plan.stays(reason)
    made = [*_to_kv(frequent, tensors, texts, rules, now), *_to_lora(abstract, tensors, rules)]
    made.sort(key=lambda one: (-one.saved_s / max(1, one.size_bytes), one.cubes))
    _within(plan, backs, made, rules)
    return plan


def _sorted_to(
    one: Memory, rules: Rules, now: datetime, has_tensors: set[str], resting: set[str]
) -> tuple[Target, str]:
    """Return where a text belongs, and why where it stays."""
    reason = ""
    if one.ends or one.semantic_type in _FLEETING:
        reason = "changes with time"
    elif one.archived:
        reason = "archived"
    elif one.cube in has_tensors:
        reason = "has KV or LoRA memory"
    elif one.cube in resting:
        reason = "was undone lately"
    elif now - one.update_time < rules.stable_after:
        reason = "changed lately"
    elif rules.training and one.semantic_type in _ABSTRACT and one.heat >= _USED:
        return Target.PARAMETER, ""
    elif one.heat < rules.frequent_heat:
        reason = "not frequent"
    else:
        return Target.ACTIVATION, ""
    return Target.TEXT, reason


def _undo(one: Memory, texts: Mapping[str, Memory], rules: Rules, now: datetime) -> Proposal | None:
    """Return the move back to text, where a sweep made this memory and its time is over."""
    if CONVERTED not in one.labels or one.pinned:
        return None
    why = ""
    if lost := [name for name in one.parents if name not in texts]:
        why = f"{len(lost)} of its texts are no longer in use"
    elif any(texts[name].update_time > one.create_time for name in one.parents):
        why = "its text has changed since"
    elif now - one.create_time >= rules.dwell:
        heat = one.heat + max((texts[name].heat for name in one.parents), default=0.0)
        if heat < _COLD * rules.frequent_heat:
            why = f"cold: heat {heat:.2f} of at least {_COLD * rules.frequent_heat:.2f}"
    if not why:
        return None
    kept = tuple(name for name in one.parents if name in texts)
    return Proposal(kept, Target.TEXT, f"back to text: {why}", one.size_bytes, derived=one.cube)


def _to_kv(
    frequent: Sequence[Memory], tensors: Sequence[Memory], texts: Mapping[str, Memory], rules: Rules, now: datetime
) -> list[Proposal]:
    seen = [
        (one.size_bytes, sum(texts[name].size_bytes for name in one.parents))
        for one in tensors
        if one.derivation == BUILD and one.parents and all(name in texts for name in one.parents)
    ]
    text_bytes = sum(size for _, size in seen)
    ratio = sum(size for size, _ in seen) / text_bytes if text_bytes else _BYTES_A_TOKEN / _CHARACTERS_A_TOKEN
    found = []
    for one in frequent:
        days = (now - one.update_time) / _DAY
        found.append(
            Proposal(
                (one.cube,),
                Target.ACTIVATION,
                f"stable for {days:.1f} days, heat {one.heat:.2f} of at least {rules.frequent_heat:g}",
                int(one.size_bytes * ratio),
                saved_s=one.heat * _prefill_s(one.size_bytes // _CHARACTERS_A_TOKEN),
                agreements=one.agreements,
            )
        )
    return found


def _to_lora(abstract: Sequence[Memory], tensors: Sequence[Memory], rules: Rules) -> list[Proposal]:
    sizes = [one.size_bytes for one in tensors if one.derivation == TRAIN]
    size_bytes = sum(sizes) // len(sizes) if sizes else _ADAPTER_BYTES
    by_licence: dict[frozenset[str], list[Memory]] = {}
    for one in abstract:
        by_licence.setdefault(one.agreements, []).append(one)
    found = []
    for agreements, group in sorted(by_licence.items(), key=lambda row: sorted(row[0])):
        for start in range(0, len(group), _MOST_OF_AN_ADAPTER):
            part = group[start : start + _MOST_OF_AN_ADAPTER]
            kinds = ", ".join(sorted({one.semantic_type.lower().replace("_", " ") for one in part}))
            saved = sum(one.heat * _prefill_s(one.size_bytes // _CHARACTERS_A_TOKEN) for one in part)
            found.append(
                Proposal(
                    tuple(one.cube for one in part),
                    Target.PARAMETER,
                    f"abstract ({kinds}) and unchanged for at least {rules.stable_after / _DAY:g} days",
                    size_bytes,
                    saved_s=saved,
                    agreements=agreements,
                )
            )
    return found


def _within(plan: Plan, backs: Sequence[Proposal], made: Sequence[Proposal], rules: Rules) -> None:
    """Put into the plan what fits into budget and number; the rest is blocked, or waits for the next run."""
    plan.proposals += backs[: rules.max_conversions]
    left = rules.budget_bytes - plan.converted_bytes + sum(one.size_bytes for one in plan.proposals)
    blocked = []
    for one in made:
        if one.size_bytes > left:
            blocked.append(_blocked(one, f"the budget has {max(0, left)} bytes left"))
        elif len(plan.proposals) >= rules.max_conversions:
            plan.stays("waits for the next run")
        else:
            left -= one.size_bytes
            plan.proposals.append(one)
    plan.proposals += blocked


def _blocked(one: Proposal, why: str) -> Proposal:
    return Proposal(
        one.cubes, one.target, one.reason, one.size_bytes, one.saved_s, one.derived, one.agreements, blocked=why
    )


def _prefill_s(tokens: int) -> float:
    return _SECONDS_A_TOKEN * tokens + _SECONDS_A_TOKEN_SQUARED * tokens * tokens
