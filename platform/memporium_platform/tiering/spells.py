"""What is used in the spell of interest that lasts just now: counts that begin anew where interests change.

Decayed counts blur a change: what was asked for before it still counts after it, and what is asked for since counts
little. So several spells run beside each other, each counting from its own first use, and each weighs as much as it has
foretold (Adams and MacKay, Bayesian online changepoint detection, arXiv:0710.3742). The oldest is kept, so that what
only broke off, such as a reading of everything once, finds the old counts again (sharing among what was good before:
Bousquet and Warmuth, Tracking a small set of experts, JMLR 3, 2002). Within a spell a label's share is learnt first,
after a few uses, and then a memory's share within its label; what the spell has not seen is worth what it was worth
before. Memories without a label count as if they carried the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium_platform.tiering.policies import DecayedUses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.tiering.policies import Item

# The chance that interests change with a use: half of it to something new, half to a spell that is still counted.
_CHANGE = 1 / 2_500
# A new spell begins after so many uses, and so many are counted; of the others the one that weighs least goes.
_EVERY = 5
_MOST_SPELLS = 8
# Uses that a label counts for in a new spell, and that all memories of a label count for together.
_LABEL_PRIOR = 1.0
_WITHIN_PRIOR = 20.0
# Of a memory's worth before the spell so much is that of any other of its label: interests change.
_EVEN = 0.2
_BEFORE_HALF_LIFE_S = 30_720.0
# Uses that a memory counts for, among those before the spell, that was never used.
_NEVER_USED = 0.1
# Labels, and memories of a spell, that are remembered; beyond it those that are used least are forgotten.
_MOST_LABELS = 1_000
_MOST_KEYS = 20_000


@dataclass(slots=True, eq=False)
class _Spell:
    weight: float
    uses: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)

    def add(self, key: str, labels: Sequence[str]) -> None:
        self.uses += len(labels)
        for label in labels:
            self.labels[label] = self.labels.get(label, 0) + 1
        self.keys[key] = self.keys.get(key, 0) + 1
        if len(self.keys) > _MOST_KEYS:
            self.keys = _most_used(self.keys, _MOST_KEYS // 2)
        if len(self.labels) > _MOST_LABELS:
            self.labels = _most_used(self.labels, _MOST_LABELS // 2)

    def a_count(self, label: str, labels: int) -> float:
        """Return what each use of a memory of this label adds to its chance, of so many labels."""
        seen = self.labels.get(label, 0)
        share = (seen + _LABEL_PRIOR / labels) / (self.uses + _LABEL_PRIOR)
        return share / (seen + _WITHIN_PRIOR)


class BySpell:
    """What is used most, label by label, since interests changed."""

    def __init__(self, *, labels: bool = True) -> None:
        """Know of no use.

        Args:
            labels: Whether labels count.
        """
        self._by_label = labels
        self._spells = [_Spell(1.0)]
        self._before: dict[str, DecayedUses] = {}
        self._members: dict[str, int] = {}
        self._uses = 0
        # What each use counts in each spell, for a label: the same for all memories until the next use.
        self._counts: dict[str, list[tuple[dict[str, int], float]]] = {}

    def add(self, item: Item, now: float, agent: str) -> None:  # noqa: ARG002 - whoever asks
        """Judge the spells by the use, and count it in each."""
        labels = self._labels_of(item)
        worth = {label: _WITHIN_PRIOR * self._worth_before(item.key, label, now) for label in labels}
        known = len(self._before) + 1
        judged = [
            spell.weight
            * sum(spell.a_count(label, known) * (spell.keys.get(item.key, 0) + worth[label]) for label in labels)
            for spell in self._spells
        ]
        total = sum(judged)
        again = 0.5 * _CHANGE / len(judged)
        for spell, one in zip(self._spells, judged, strict=True):
            spell.weight = (1.0 - _CHANGE) * one / total + again
        self._uses += 1
        if self._uses % _EVERY == 0:
            self._spells.append(_Spell(0.5 * _CHANGE * _EVERY))
            if len(self._spells) > _MOST_SPELLS:
                # Neither the oldest, nor the newest, which has had no chance yet.
                self._spells.remove(min(self._spells[1:-1], key=lambda spell: spell.weight))
        everything = sum(spell.weight for spell in self._spells)
        for spell in self._spells:
            spell.weight /= everything
            spell.add(item.key, labels)
        self._remember(item.key, labels, now)
        self._counts = {}

    def chance(self, item: Item, now: float, agent: str) -> float:  # noqa: ARG002 - whoever asks
        """Return its share of the uses since interests changed, each spell as likely as it has foretold."""
        found = 0.0
        for label in self._labels_of(item):
            counts = self._counts.get(label)
            if counts is None:
                known = len(self._before) + 1
                counts = [(one.keys, one.weight * one.a_count(label, known)) for one in self._spells]
                self._counts[label] = counts
            worth = _WITHIN_PRIOR * self._worth_before(item.key, label, now)
            found += sum(each * (keys.get(item.key, 0) + worth) for keys, each in counts)
        return found

    def _labels_of(self, item: Item) -> Sequence[str]:
        # Sorted: a set has another order in another process, and sums would differ in their last place.
        return sorted(item.labels) if self._by_label and item.labels else ("",)

    def _worth_before(self, key: str, label: str, now: float) -> float:
        """Return the share that a memory has of its label's uses, whenever they were."""
        before = self._before.get(label)
        if before is None:
            return 1.0
        members = 1 + self._members[label]
        share = (before.count(key, now) + _NEVER_USED) / (before.total(now) + _NEVER_USED * members)
        return (1.0 - _EVEN) * share + _EVEN / members

    def _remember(self, key: str, labels: Sequence[str], now: float) -> None:
        for label in labels:
            before = self._before.setdefault(label, DecayedUses(_BEFORE_HALF_LIFE_S))
            if key not in before:
                self._members[label] = self._members.get(label, 0) + 1
            before.add(key, now)
        if len(self._before) > _MOST_LABELS:
            kept = sorted(self._before, key=lambda one: -self._before[one].total(now))[: _MOST_LABELS // 2]
            self._before = {label: self._before[label] for label in kept}
            self._members = {label: self._members[label] for label in kept}


def _most_used(counts: dict[str, int], most: int) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: -one[1])[:most])
