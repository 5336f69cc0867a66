"""What a tier without the future loses: to chance, to learning who is popular, and to its policy.

Beside the policies run two that are told more: one that knows how popular each memory is in each phase, and one that
knows the law alone (how steep popularity is, when interests change and how many topics are asked for then, which uses
are scans) and learns from uses whose share is whose, by Bayes' rule. What the second lacks to the first is the price of
learning, what a policy lacks to the second is its own. Shares of a feasible plan that knows the future, in the first
uses of a trace and in those after them. And the most that any policy can expect in all of them, proven. Prints one
JSON object last.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections import Counter

import numpy as np
from bench_scheduler import PHASE, Popularity, expected_at_most

from memporium_platform.tiering import traces
from memporium_platform.tiering.catalogue import POLICIES
from memporium_platform.tiering.simulation import best_possible
from memporium_platform.tiering.tier import Tier

_TOPICS = 8


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, default=200)
    parser.add_argument("--lengths", default="4000,16000,64000", help="uses after which shares are taken")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budgets", default="0.05,0.1,0.2", help="shares of all memories' bytes")
    parser.add_argument("--policies", default="lru,lfu,label,hybrid")
    return parser.parse_args()


def expected_share(shares, uses, total):
    """Return what share a memory has that was used so often, where any of these is as likely: Bayes' rule."""
    logs = uses * np.log(shares) + (total - uses) * np.log1p(-shares)
    likely = np.exp(logs - logs.max())
    return float((likely * shares).sum() / likely.sum())


class LawOfZipf:
    """Knows that popularity follows Zipf's law, and which uses are scans; learns who is where in the order."""

    name, admits_all = "law", False

    def __init__(self, memories, *, scans, exponent=0.9, every=300):
        weights = np.array([1.0 / (rank + 1) ** exponent for rank in range(memories)])
        self._shares = weights / weights.sum()
        # A scan of a third of all memories comes before the first steady use of each round but the first.
        self._round, self._steady = (every + memories // 3, every) if scans else (1, 1)
        self._counts, self._index, self._total, self._known = Counter(), -1, 0, {}

    def used(self, item, now, agent=""):
        self._index += 1
        if self._index % self._round < self._steady:
            self._counts[item.key] += 1
            self._total += 1
            self._known = {}

    def value(self, item, now):
        uses = self._counts[item.key]
        if uses not in self._known:
            self._known[uses] = expected_share(self._shares, uses, self._total)
        return self._known[uses] * item.saved_s / max(1, item.size_bytes)


class LawOfShifts:
    """Knows when interests change, and that two of eight topics are asked for then; learns which, and what of them."""

    name, admits_all = "law", False

    def __init__(self, memories, phase):
        inside = memories // _TOPICS * 2
        weights = np.array([(1.0 if rank < inside else 0.2) / (rank + 1) ** 0.8 for rank in range(memories)])
        weights /= weights.sum()
        self._shares, self._mass = (weights[inside:], weights[:inside]), float(weights[:inside].sum())
        self._pairs = list(itertools.combinations(range(_TOPICS), 2))
        self._phase, self._index, self._known = phase, -1, {}

    def used(self, item, now, agent=""):
        self._index += 1
        if self._index % self._phase == 0:
            self._counts, self._topics, self._total = Counter(), Counter(), 0
        self._counts[item.key] += 1
        self._topics[_topic(item)] += 1
        self._total += 1
        logs = []
        for one, other in self._pairs:
            asked = self._topics[one] + self._topics[other]
            beside = self._total - asked
            logs.append(asked * math.log(self._mass / 2) + beside * math.log((1 - self._mass) / (_TOPICS - 2)))
        likely = [math.exp(each - max(logs)) for each in logs]
        self._inside = Counter()
        for pair, each in zip(self._pairs, likely, strict=True):
            for topic in pair:
                self._inside[topic] += each / sum(likely)

    def value(self, item, now):
        inside = self._inside[_topic(item)]
        share = inside * self._share(item, 1) + (1.0 - inside) * self._share(item, 0)
        return share * item.saved_s / max(1, item.size_bytes)

    def _share(self, item, inside):
        asked = (self._counts[item.key], self._total, inside)
        if asked not in self._known:
            self._known[asked] = expected_share(self._shares[inside], *asked[:2])
        return self._known[asked]


def _topic(item):
    return int(next(iter(item.labels)).removeprefix("topic-"))


def saved(trace, policy, budget, lengths):
    """Return the seconds saved after each of these lengths."""
    tier, total, found = Tier(budget, policy), 0.0, []
    for index, access in enumerate(trace, start=1):
        hit, _ = tier.use(access.item, access.at, access.agent)
        total += access.item.saved_s if hit else 0.0
        if index in lengths:
            found.append(total)
    return found


def measured(name, trace, budget, given, lengths):
    told = {
        "popularity": Popularity(trace, PHASE if name == "shifting" else len(trace)),
        "law": LawOfShifts(given.memories, PHASE)
        if name == "shifting"
        else LawOfZipf(given.memories, scans=name == "scans"),
        **{each: POLICIES[each](budget) for each in given.policies.split(",")},
    }
    plans = [best_possible(trace[:length], budget_bytes=budget) for length in lengths]
    rows = {}
    for each, policy in told.items():
        totals = saved(trace, policy, budget, lengths)
        rows[each] = {
            "saved_s": round(totals[-1]),
            "up_to": [round(total / plan, 3) for total, (plan, _) in zip(totals, plans, strict=True)],
            "of_the_limit": [round(total / limit, 3) for total, (_, limit) in zip(totals, plans, strict=True)],
            "later": round((totals[-1] - totals[0]) / (plans[-1][0] - plans[0][0]), 3) if len(lengths) > 1 else None,
        }
    return rows


def main():
    given = arguments()
    lengths = [int(each) for each in given.lengths.split(",")]
    memories = traces.made_up_memories(given.memories, given.seed)
    result = {"benchmark": "tier_learning", "seed": given.seed, "lengths": lengths, "traces": {}}
    bytes_of_all = sum(item.size_bytes for item in memories)
    for name, make in (("zipf", traces.zipf), ("shifting", traces.shifting), ("scans", traces.scans)):
        trace = list(make(memories, lengths[-1], given.seed))[: lengths[-1]]
        budgets = {share: int(bytes_of_all * float(share)) for share in given.budgets.split(",")}
        bounds = expected_at_most(name, memories, trace, given.seed, list(budgets.values()))
        result["traces"][name] = {
            share: {
                "most_expected_s": dict(zip(("told", "law"), map(round, bounds[budget]), strict=True)),
                **measured(name, trace, budget, given, lengths),
            }
            for share, budget in budgets.items()
        }
        sys.stderr.write(f"{name} done\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
