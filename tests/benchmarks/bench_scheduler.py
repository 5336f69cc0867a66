"""What policies for the tier of KV memories save, on traces, beside the best that knows the future.

Traces: Zipf, shifting interests, Zipf broken by scans; with `--data`, LoCoMo dialogues replayed as many agents: each
question uses the memories of the sessions that hold its evidence; with `--trace`, a recorded one (JSON lines). For each
budget: hit rate, seconds of prefill saved, their share of what a tier that knows the future achieves at least and of the
limit above that, and prefetching with its precision. Beside them a tier that knows how popular each memory is in each
phase (or, in dialogues, with whom the talk is just now) but not what chance will draw; and, where the law of a trace is
known, two bounds that are proven (`tests/support/tier_bounds.py`): the most that any policy can expect which is told
every chance, and which is told the law alone and has to learn from uses whose chance is whose. Prints one JSON object
last.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from memporium_platform.tiering import traces
from memporium_platform.tiering.catalogue import POLICIES
from memporium_platform.tiering.prediction import NextNeeds
from memporium_platform.tiering.simulation import Access, best_possible, replay
from support import tier_bounds

# Uses after which interests shift in the trace of that name.
PHASE = 400
_EVIDENCE = re.compile(r"D(\d+):\d+")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, default=200)
    parser.add_argument("--uses", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budgets", default="0.05,0.1,0.2", help="shares of all memories' bytes")
    parser.add_argument("--data", type=Path, help="LoCoMo dialogues")
    parser.add_argument("--trace", type=Path, help="a recorded trace, JSON lines")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="short traces, one budget")
    given = parser.parse_args()
    if given.quick:
        given.memories, given.uses, given.budgets = 60, 600, "0.2"
    return given


def dialogues(path, seed, *, copies=4, gap_s=20.0):
    """Yield the questions of dialogues, as agents that ask in bursts, each several times over with different order."""
    chance = random.Random(seed)
    agents = []
    for sample in json.loads(path.read_text()):
        talk = sample["conversation"]
        sessions = {}
        for key, turns in talk.items():
            if re.fullmatch(r"session_\d+", key) and turns:
                tokens = sum(len(turn["text"]) for turn in turns) // 4
                speakers = sorted({turn["speaker"] for turn in turns})
                sessions[key[8:]] = traces.memory(f"{sample['sample_id']}/{key}", tokens, labels=speakers)
        asked = [
            [
                sessions[number]
                for number in dict.fromkeys(_EVIDENCE.findall(" ".join(question["evidence"])))
                if number in sessions
            ]
            for question in sample["qa"]
        ]
        agents += [(f"{sample['sample_id']}-{copy}", [one for one in asked if one]) for copy in range(copies)]
    at, left = 0.0, {name: chance.sample(asked, len(asked)) for name, asked in agents}
    while left:
        name = chance.choice(sorted(left))
        for _ in range(chance.randint(3, 15)):
            if not left[name]:
                break
            at += chance.expovariate(1.0 / gap_s)
            for item in left[name].pop():
                yield Access(at, item, name)
        if not left[name]:
            del left[name]


class Popularity:
    """Knows how often each memory is used in each phase, or by each agent, of the trace; not when."""

    name, admits_all = "popularity", False

    def __init__(self, trace, phase):
        self._phase, self._index, self._group = phase, -1, ""
        self._agents = any(access.agent for access in trace)
        self._counts = {}
        for index, access in enumerate(trace):
            self._counts.setdefault(self._of(index, access.agent), Counter())[access.item.key] += 1
        self._totals = {group: counts.total() for group, counts in self._counts.items()}

    def _of(self, index, agent):
        # Copies of a dialogue differ in their last sign alone.
        return agent.rpartition("-")[0] if self._agents else index // self._phase

    def used(self, item, now, agent=""):
        self._index += 1
        self._group = self._of(self._index, agent)

    def value(self, item, now):
        share = self._counts[self._group][item.key] / self._totals[self._group]
        if self._agents:
            # A burst has nine questions on average; then somebody else asks.
            others = sum(self._counts[one][item.key] / self._totals[one] for one in self._counts)
            share = 0.9 * share + 0.1 * others / len(self._counts)
        return share * item.saved_s / max(1, item.size_bytes)


def expected_at_most(name, memories, trace, seed, budgets, *, moments=400):
    """Return by budget the seconds that can be expected at most: told every chance, and told the law; None: no law."""
    if name == "shifting":
        known = tier_bounds.shifting_moments(memories, trace, seed, phase=PHASE)
    elif name in {"zipf", "scans"}:
        known = tier_bounds.zipf_moments(memories, trace, seed, every=300 if name == "scans" else 0)
    else:
        return dict.fromkeys(budgets)
    return tier_bounds.most_expected(memories, trace, known, budgets, learn_every=max(1, len(trace) // moments))


def measured(trace, budget, phase, bounds):
    achievable, limit = best_possible(trace, budget_bytes=budget)
    told, learnt = bounds or (None, None)
    rows = {}
    informed = replay(trace, Popularity(trace, phase), budget_bytes=budget).saved_s
    for name, make in POLICIES.items():
        began = time.process_time()
        found = replay(trace, make(budget), budget_bytes=budget)
        spent = time.process_time() - began
        ahead = replay(trace, make(budget), budget_bytes=budget, predict=NextNeeds())
        rows[name] = {
            "hit_rate": round(found.hits / found.uses, 3),
            "saved_s": round(found.saved_s, 1),
            "of_the_future": round(found.saved_s / achievable, 3) if achievable else None,
            "of_the_limit": round(found.saved_s / limit, 3) if limit else None,
            "of_the_most_expected": round(found.saved_s / learnt, 3) if learnt else None,
            "us_a_use": round(spent / found.uses * 1e6, 1),
            "with_prefetch_saved_s": round(ahead.saved_s, 1),
            "with_prefetch_of_the_future": round(ahead.saved_s / achievable, 3) if achievable else None,
            "prefetched": ahead.prefetched,
            "prefetch_precision": round(ahead.prefetched_used / ahead.prefetched, 3) if ahead.prefetched else None,
        }
    return {
        "achievable_s": round(achievable, 1),
        "limit_s": round(limit, 1),
        "popularity_of_the_future": round(informed / achievable, 3) if achievable else None,
        "most_expected_if_told_of_the_future": round(told / achievable, 3) if told and achievable else None,
        "most_expected_of_the_future": round(learnt / achievable, 3) if learnt and achievable else None,
        "policies": rows,
    }


def main():
    given = arguments()
    memories = traces.made_up_memories(given.memories, given.seed)
    known = {
        "zipf": list(traces.zipf(memories, given.uses, given.seed)),
        "shifting": list(traces.shifting(memories, given.uses, given.seed)),
        "scans": list(traces.scans(memories, given.uses, given.seed)),
    }
    if given.data:
        known["dialogues"] = list(dialogues(given.data, given.seed))
    if given.trace:
        with given.trace.open() as lines:
            known["recorded"] = list(traces.read(lines))
    result = {"benchmark": "scheduler", "seed": given.seed, "traces": {}}
    for name, trace in known.items():
        assert all(one.at <= other.at for one, other in pairwise(trace))
        bytes_of_all = sum({access.item.key: access.item.size_bytes for access in trace}.values())
        phase = PHASE if name == "shifting" else len(trace)
        budgets = {share: int(bytes_of_all * float(share)) for share in given.budgets.split(",")}
        bounds = expected_at_most(name, memories, trace, given.seed, list(budgets.values()))
        rows = {share: measured(trace, budget, phase, bounds[budget]) for share, budget in budgets.items()}
        result["traces"][name] = {"uses": len(trace), "gb_of_all": round(bytes_of_all / 1e9, 2), "budgets": rows}
        sys.stderr.write(f"{name} done\n")
    if given.out:
        given.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
