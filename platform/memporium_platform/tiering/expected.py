"""What is expected to save the most time per byte: predictions of the next use, mixed by how well each has done.

How fast interest fades differs between tenants and changes with time, and who asks, and about what, often says more
than what was asked most. So several predictions stand beside each other: decayed counts of several half-lives, counts
among what carries the same labels, counts of the agent that asks now, and of what followed what it used last. They are
mixed by how well each has foretold, with some weight always shared out again so that another can take over (Herbster
and Warmuth, Tracking the best expert, Machine Learning 32, 1998).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from memporium_platform.tiering.policies import DecayedUses

if TYPE_CHECKING:
    from memporium_platform.tiering.policies import Item

_HALF_LIVES_S = (30.0, 120.0, 480.0, 1_920.0, 7_680.0, 30_720.0, 122_880.0)
_LABEL_HALF_LIVES_S = (60.0, 300.0, 1_500.0)
_WITHIN_LABEL_HALF_LIFE_S = 7_680.0
_AGENT_HALF_LIFE_S = 30_720.0
# What a prediction gives to a memory that it has never seen: nobody is ever sure.
_UNSEEN = 1e-3
# Uses that each memory of a label counts for before it has any.
_PRIOR = 0.1
# Labels whose memories are counted; beyond it those that are used least are forgotten.
_MOST_LABELS = 1_000
_MOST_AGENTS = 1_000


class Prediction(Protocol):
    """Foretells which memory is used next."""

    def add(self, item: Item, now: float, agent: str) -> None:
        """Learn from a use."""
        ...

    def chance(self, item: Item, now: float, agent: str) -> float:
        """Return the chance that this memory is used next, where this agent was the last that asked."""
        ...


class ByCount:
    """What was used most, uses decaying."""

    def __init__(self, half_life_s: float) -> None:
        """Decay so."""
        self._uses = DecayedUses(half_life_s)

    def add(self, item: Item, now: float, agent: str) -> None:  # noqa: ARG002 - whoever asks
        """Count the use."""
        self._uses.add(item.key, now)

    def chance(self, item: Item, now: float, agent: str) -> float:  # noqa: ARG002 - whoever asks
        """Return its share of all uses."""
        return self._uses.share(item.key, now)


class ByLabel:
    """What carries the labels of the moment, and among that what was used most."""

    def __init__(self, half_life_s: float) -> None:
        """Let labels decay so."""
        self._labels = DecayedUses(half_life_s)
        self._inside: dict[str, DecayedUses] = {}
        self._members: dict[str, int] = {}

    def add(self, item: Item, now: float, agent: str) -> None:  # noqa: ARG002 - whoever asks
        """Count the use for each of its labels."""
        for label in item.labels:
            self._labels.add(label, now)
            inside = self._inside.setdefault(label, DecayedUses(_WITHIN_LABEL_HALF_LIFE_S))
            if item.key not in inside:
                self._members[label] = self._members.get(label, 0) + 1
            inside.add(item.key, now)
        if len(self._inside) > _MOST_LABELS:
            kept = sorted(self._inside, key=lambda one: -self._labels.count(one, now))[: _MOST_LABELS // 2]
            self._inside = {label: self._inside[label] for label in kept}
            self._members = {label: self._members[label] for label in kept}

    def chance(self, item: Item, now: float, agent: str) -> float:  # noqa: ARG002 - whoever asks
        """Return the share of its labels, each times its share among what carries the label."""
        found = 0.0
        for label in item.labels:
            inside = self._inside.get(label)
            if inside is not None:
                everyone = inside.total(now) + _PRIOR * (1 + self._members[label])
                found += self._labels.share(label, now) * (inside.count(item.key, now) + _PRIOR) / everyone
        return found


class ByAgent:
    """What the agent that asks now has used most."""

    def __init__(self) -> None:
        """Know of nobody."""
        self._agents = DecayedUses(_AGENT_HALF_LIFE_S)
        self._pairs = DecayedUses(_AGENT_HALF_LIFE_S)

    def add(self, item: Item, now: float, agent: str) -> None:
        """Count the use for the agent."""
        if agent:
            self._agents.add(agent, now)
            self._pairs.add(f"{agent}\0{item.key}", now)

    def chance(self, item: Item, now: float, agent: str) -> float:
        """Return its share of what the agent used; 0 where nobody is known to ask."""
        total = self._agents.count(agent, now) if agent else 0.0
        return self._pairs.count(f"{agent}\0{item.key}", now) / total if total > 0.0 else 0.0


class BySuccession:
    """What followed, for the agent that asks now, the memory that it used last."""

    def __init__(self) -> None:
        """Know of no order."""
        self._before: OrderedDict[str, str] = OrderedDict()
        self._starts = DecayedUses(_AGENT_HALF_LIFE_S)
        self._pairs = DecayedUses(_AGENT_HALF_LIFE_S)

    def add(self, item: Item, now: float, agent: str) -> None:
        """Count what followed what."""
        before = self._before.get(agent)
        if before is not None:
            self._starts.add(f"{agent}\0{before}", now)
            self._pairs.add(f"{agent}\0{before}\0{item.key}", now)
        self._before[agent] = item.key
        self._before.move_to_end(agent)
        if len(self._before) > _MOST_AGENTS:
            self._before.popitem(last=False)

    def chance(self, item: Item, now: float, agent: str) -> float:
        """Return how often it followed what the agent used last."""
        start = f"{agent}\0{self._before.get(agent, '')}"
        total = self._starts.count(start, now)
        return self._pairs.count(f"{start}\0{item.key}", now) / total if total > 0.0 else 0.0


class ExpectedSavings:
    """Holds what is expected to save the most time per byte."""

    name = "expected"
    admits_all = False

    def __init__(self, *, context: bool = True, shared: float = 0.01) -> None:
        """Know of no use.

        Args:
            context: Whether labels and agents count, beside how often a memory was used.
            shared: Weight, up to 1, that is shared out again with each use: the more, the sooner another prediction
                takes over, and the less the best one counts meanwhile.
        """
        self._shared, self._agent = shared, ""
        self._predictions: list[Prediction] = [ByCount(half_life) for half_life in _HALF_LIVES_S]
        if context:
            self._predictions += [*(ByLabel(half_life) for half_life in _LABEL_HALF_LIVES_S), ByAgent(), BySuccession()]
        self._weights = [1.0 / len(self._predictions)] * len(self._predictions)

    def used(self, item: Item, now: float, agent: str = "") -> None:
        """Judge the predictions by the use, and learn from it."""
        # They foretold before they knew who would ask.
        judged = [weight * self._chance(one, item, now) for weight, one in self._mixed()]
        total = sum(judged)
        even = self._shared / len(judged)
        self._weights = [(1.0 - self._shared) * one / total + even for one in judged]
        self._agent = agent
        for one in self._predictions:
            one.add(item, now, agent)

    def value(self, item: Item, now: float) -> float:
        """Return the chance of being used next, times the seconds saved, per byte."""
        chance = sum(weight * self._chance(one, item, now) for weight, one in self._mixed())
        return chance * item.saved_s / max(1, item.size_bytes)

    def _mixed(self) -> list[tuple[float, Prediction]]:
        return list(zip(self._weights, self._predictions, strict=True))

    def _chance(self, prediction: Prediction, item: Item, now: float) -> float:
        return _UNSEEN + (1.0 - _UNSEEN) * prediction.chance(item, now, self._agent)
