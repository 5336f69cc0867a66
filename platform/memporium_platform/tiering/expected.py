"""What is expected to save the most time per byte: predictions of the next use, mixed by how well each has done.

How fast interest fades differs between tenants and changes with time, and who asks, and about what, often says more
than what was asked most. So several predictions stand beside each other: decayed counts of several half-lives, counts
since interests changed, label by label (`spells`), counts of the agent that asks now, and of what followed what it used
last. They are mixed by how well each has foretold, with some weight always shared out again so that another can take
over (Herbster and Warmuth, Tracking the best expert, Machine Learning 32, 1998). How much is learnt as well: where
nothing changes, sharing costs, so mixtures that share more and less are mixed in turn by how well each has foretold.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from memporium_platform.tiering.policies import DecayedUses
from memporium_platform.tiering.spells import BySpell

if TYPE_CHECKING:
    from memporium_platform.tiering.policies import Item

_HALF_LIVES_S = (480.0, 7_680.0, 122_880.0)
_AGENT_HALF_LIFE_S = 30_720.0
# What a prediction gives to a memory that it has never seen: nobody is ever sure.
_UNSEEN = 1e-3
# Weight, up to 1, that is shared out again with each use: the more, the sooner another prediction takes over, and the
# less the best one counts meanwhile. One mixture for each, and what is shared out again among these.
_SHARED = (0.05, 0.01, 0.002, 0.0004)
_SHARED_AMONG = 0.001
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

    def __init__(self, *, context: bool = True) -> None:
        """Know of no use.

        Args:
            context: Whether labels and agents count, beside how often a memory was used.
        """
        self._agent = ""
        self._predictions: list[Prediction] = [
            *(ByCount(half_life) for half_life in _HALF_LIVES_S),
            BySpell(labels=context),
        ]
        if context:
            self._predictions += [ByAgent(), BySuccession()]
        even = [1.0 / len(self._predictions)] * len(self._predictions)
        self._mixtures = [even] * len(_SHARED)
        self._trust = [1.0 / len(_SHARED)] * len(_SHARED)
        self._weights = even

    def used(self, item: Item, now: float, agent: str = "") -> None:
        """Judge the predictions by the use, and learn from it."""
        # They foretold before they knew who would ask.
        self._judge([self._chance(one, item, now) for one in self._predictions])
        self._agent = agent
        for one in self._predictions:
            one.add(item, now, agent)

    def value(self, item: Item, now: float) -> float:
        """Return the chance of being used next, times the seconds saved, per byte."""
        chances = (self._chance(one, item, now) for one in self._predictions)
        chance = sum(weight * one for weight, one in zip(self._weights, chances, strict=True))
        return chance * item.saved_s / max(1, item.size_bytes)

    def _judge(self, chances: list[float]) -> None:
        foretold = []
        for index, shared in enumerate(_SHARED):
            judged = [weight * one for weight, one in zip(self._mixtures[index], chances, strict=True)]
            total = sum(judged)
            self._mixtures[index] = [(1.0 - shared) * one / total + shared / len(judged) for one in judged]
            foretold.append(self._trust[index] * total)
        total = sum(foretold)
        self._trust = [(1.0 - _SHARED_AMONG) * one / total + _SHARED_AMONG / len(foretold) for one in foretold]
        self._weights = [
            sum(trust * weight for trust, weight in zip(self._trust, weights, strict=True))
            for weights in zip(*self._mixtures, strict=True)
        ]

    def _chance(self, prediction: Prediction, item: Item, now: float) -> float:
        return _UNSEEN + (1.0 - _UNSEEN) * prediction.chance(item, now, self._agent)
