"""Leaks traced: attack x leakers, with false accusations, the cost in quality, and the slots that real text gives.

Real text (Python's language reference, and a dialogue in LoCoMo's form with --dialogue) is marked for every recipient,
leaked, attacked and read again; each cell counts how often a leaker (and every leaker) was accused, and innocents that
were. Adapters and KV caches: bench_trace_tensors. Prints one JSON object last.
"""

import argparse
import ast
import json
import math
import sys
import sysconfig
import time
import warnings
from collections import Counter
from pathlib import Path
from pydoc_data import topics

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from memporium_platform.tracing.accusing import accused, best_of_bank
from memporium_platform.tracing.code import biases, bits, profile_for
from memporium_platform.tracing.keys import TracingSecret
from memporium_platform.tracing.reading import SlotIndex
from memporium_platform.tracing.slots import slots_of
from support import leaks

warnings.simplefilter("ignore")
RECIPIENTS = 1000
MILLION = 1_000_000
NULL = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
STRATEGIES = ("mixed", "majority", "minority", "coin", "ones", "zeros", "splice")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialogue", type=Path, help="JSON in LoCoMo's form; default: the language reference alone")
    parser.add_argument("--only-dialogue", action="store_true", help="leave the reference out")
    parser.add_argument("--trials", type=int, default=100, help="leaks a cell")
    parser.add_argument("--only", default="", help="cells, for instance 2048x1,2048x2,4096x3,520x1; default: all")
    parser.add_argument("--strategies", default=",".join(STRATEGIES), help="how leakers mix their copies; default: all")
    parser.add_argument("--no-million", action="store_true", help="leave the million innocents out")
    parser.add_argument("--quick", action="store_true", help="few trials")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.quick:
        given.trials = 4
    return given


def reference():
    """Return the language reference by paragraphs, and the documentation within the standard library's sources."""
    found = [part for topic in topics.topics.values() for part in topic.split("\n\n")]
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("**/*.py")):
        if {"site-packages", "test", "tests", "idlelib", "pydoc_data"} & set(path.parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found += (ast.get_docstring(node) or "").split("\n\n")
    return [part for part in found if part.strip()]


def dialogue(path):
    """Return the turns of dialogues, each with its speaker."""
    return [
        f"{turn['speaker']}: {turn['text']}"
        for sample in json.loads(path.read_text())
        for session in sample["conversation"].values()
        if isinstance(session, list)
        for turn in session
    ]


class Pack:
    """A pack of so many slots, its code, and the bits of every recipient."""

    def __init__(self, texts, slots, seed=b"bench"):
        self.secret = TracingSecret(seed.ljust(32, b"."))
        self.texts = texts if slots is None else enough(texts, slots)
        self.index = SlotIndex(self.texts)
        self.contexts = self.index.contexts
        self.slotted = [(text, slots_of(text)[1]) for text in self.texts]
        self.profile = profile_for(len(self.contexts))
        self.names = [f"recipient {number}" for number in range(RECIPIENTS)]
        self.keys = [self.secret.recipient(name) for name in self.names]
        self.ids = self.secret.slot_ids(self.contexts)
        self.bias = biases(self.secret, self.ids, self.profile)
        self.codes = np.stack([bits(key, self.ids, self.bias) for key in self.keys])
        self.place = {context: at for at, context in enumerate(self.contexts)}

    def code(self, number):
        """Return a recipient's variant of every context."""
        return dict(zip(self.contexts, map(int, self.codes[number]), strict=True))

    def trace(self, samples):
        """Return the accused, and how many slots were read."""
        found = self.index.read(samples)
        if not found.contexts:
            return set(), 0
        at = np.array([self.place[context] for context in found.contexts])
        scores = best_of_bank(self.names, self.codes[:, at], found.evidence, self.bias[at], detector="text")
        named = {score.recipient for score in scores if accused(score, recipients=RECIPIENTS, detectors=1)}
        return named, len(at)


def enough(texts, slots):
    """Return the first texts with so many different slots."""
    seen, found = set(), []
    for text in texts:
        if len(seen) >= slots:
            break
        found.append(text)
        seen.update(slot.context for slot in slots_of(text)[1])
    return found


def cell(pack, leakers, how, attack, trials):
    """Return one row of the table."""
    one = every = wrong = read = 0
    began = time.process_time()
    for trial in range(trials):
        rng = leaks.generator(f"{leakers} {how} {trial}")
        chosen = rng.sample(range(RECIPIENTS), leakers)
        copy = leaks.colluded(pack.slotted, [pack.code(number) for number in chosen], how, rng)
        named, slots = pack.trace(attack(copy, rng))
        guilty = {pack.names[number] for number in chosen}
        one += bool(named & guilty)
        every += named >= guilty
        wrong += len(named - guilty)
        read += slots
    return {
        "leakers": leakers,
        "strategy": how if leakers > 1 else "-",
        "leaks": trials,
        "traced": one / trials,
        "all_traced": every / trials,
        # Clopper and Pearson: what this many leaks prove, with confidence 95 %.
        "proved_at_least": round(least(one, trials), 4),
        "innocents_accused": wrong,
        "innocents_tried": trials * (RECIPIENTS - leakers),
        "slots_read": round(read / trials),
        "cpu_s_each": round((time.process_time() - began) / trials, 2),
    }


def least(hits, trials, *, miss=0.05):
    """Return the share below which so many hits would be a chance of less than `miss`: exact, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        share = (low + high) / 2
        terms = [math.comb(trials, at) * share**at * (1 - share) ** (trials - at) for at in range(hits, trials + 1)]
        low, high = (share, high) if math.fsum(terms) < miss else (low, share)
    return low


def tenth(copy, rng):
    """Keep a random tenth of the texts."""
    return rng.sample(copy, max(1, len(copy) // 10))


def text_table(texts, trials, source, only=(), strategies=STRATEGIES):
    """Return the rows for text."""
    rows = []
    for slots, counts, attack in (
        (2048, (1, 2), leaks.hard),
        (4096, (3,), leaks.hard),
        (520, (1,), tenth),
        (1040, (1,), tenth),
    ):
        leakers = tuple(count for count in counts if not only or f"{slots}x{count}" in only)
        if not leakers:
            continue
        pack = Pack(texts, slots)
        if len(pack.contexts) < slots:
            print(f"{source}: only {len(pack.contexts)} slots, {slots} asked for", file=sys.stderr)
            continue
        for count in leakers:
            for how in strategies if count > 1 else ("-",):
                row = cell(pack, count, how, attack, trials)
                row |= {"source": source, "slots": len(pack.contexts), "attack": attack.__name__}
                print(json.dumps(row), file=sys.stderr)
                rows.append(row)
    return rows


def density(texts):
    """Return how many slots text gives."""
    words = leaks.words_of(texts)
    kinds = Counter()
    contexts = set()
    changed = places = 0
    for text in texts:
        items, slots = slots_of(text)
        kinds.update(items[slot.index].form.kind for slot in slots)
        contexts.update(slot.context for slot in slots)
        places += len(slots)
    changed = places / 2
    return {
        "words": words,
        "slots": len(contexts),
        "slots_per_1000_words": round(1000 * len(contexts) / words, 1),
        "changed_words_per_1000": round(1000 * changed / words, 1),
        "most_frequent": dict(kinds.most_common(12)),
    }


def million(texts):
    """Return how many of a million innocents are accused over the hardest leaks, and the highest score."""
    pack = Pack(texts, 2048)
    rng = leaks.generator("million")
    copy = leaks.colluded(pack.slotted, [pack.code(0), pack.code(1)], "mixed", rng)
    found = pack.index.read(leaks.hard(copy, rng))
    at = np.array([pack.place[context] for context in found.contexts])
    draw = np.random.default_rng(1)
    bias, highest, wrong, block = pack.bias[at], 0.0, 0, 20_000
    above = Counter()
    for _ in range(MILLION // block):
        codes = draw.random((block, len(at)), dtype=np.float32) < bias.astype(np.float32)
        scores = best_of_bank(["x"] * block, codes, found.evidence, bias, detector="text")
        highest = max(highest, *(score.z for score in scores))
        wrong += sum(accused(score, recipients=MILLION, detectors=1) for score in scores)
        for limit in NULL:
            above[limit] += sum(score.z >= limit for score in scores)
    return {
        "innocents": MILLION,
        "accused": wrong,
        "highest_z": round(highest, 2),
        "slots_read": len(at),
        # How many innocents reach a score, beside how many the bound allows: it must never be more.
        "null": {
            f"z >= {limit}": {"innocents": above[limit], "bound": round(MILLION * tail(limit), 2)} for limit in NULL
        },
    }


def tail(z):
    """Return the upper tail of the normal distribution."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def main():
    given = arguments()
    sources = {} if given.only_dialogue else {"reference": reference()}
    if given.dialogue:
        sources["dialogue"] = dialogue(given.dialogue)
    only = tuple(filter(None, given.only.split(",")))
    result = {"benchmark": "trace", "density": {}, "text": []}
    for name, texts in sources.items():
        result["density"][name] = density(texts)
        result["text"] += text_table(texts, given.trials, name, only, tuple(given.strategies.split(",")))
    largest = max(sources.values(), key=lambda texts: density(texts)["slots"])
    result["million_innocents"] = million(largest) if not (given.quick or given.no_million) else None
    print(json.dumps(result))
    if given.out:
        given.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
