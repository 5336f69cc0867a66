"""Leaked adapters and KV caches traced: attack x leakers, on a LoRA that is trained here and a real KV cache.

For each attack the scores of leakers over many recipients, their least, mean and spread, what share is accused, and how
many innocents are. The cost is the loss (nats a token) with the marked adapter, and behind the marked cache, against
the unmarked. Prints one JSON object last. Training takes minutes; --keep writes the tensors down for another run.
"""

import argparse
import json
import pickle
import statistics
import sys
from pathlib import Path
from pydoc_data import topics

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from memporium_platform.tracing import activation, lora, spread
from memporium_platform.tracing.accusing import accused
from memporium_platform.tracing.keys import TracingSecret
from support import tensor_leaks as attacks
from support.trained_tensors import Model

SECRET = TracingSecret(b"bench".ljust(32, b"."))
MILLION = 1_000_000
# Numbers of a slab of the adapter's evidence on which a million innocents are tried.
SLAB = 8_192
NULL = (2.0, 3.0, 4.0, 5.0, 6.0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30, help="leaks a row")
    parser.add_argument("--innocents", type=int, default=1000, help="innocents compared with one leak of each row")
    parser.add_argument("--paragraphs", type=int, default=60, help="of the language reference, to train on")
    parser.add_argument("--data-dir", type=Path, default=Path("memporium-data"), help="where converted models lie")
    parser.add_argument("--keep", type=Path, help="file to keep the trained tensors in, or to take them from")
    parser.add_argument(
        "--only-million", action="store_true", help="with --keep: a million innocents on the adapter alone"
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.quick:
        given.trials, given.innocents, given.paragraphs = 3, 20, 8
    return given


def paragraphs():
    return [part for topic in topics.topics.values() for part in topic.split("\n\n") if len(part) > 200]


def tensors(given, model):
    """Return an adapter, another one to merge it with, and a cache."""
    if given.keep and given.keep.exists():
        return pickle.loads(given.keep.read_bytes())  # noqa: S301 - what this program wrote
    texts, count = paragraphs(), given.paragraphs
    one, other = model.adapter(texts[:count]).data, model.adapter(texts[300 : 300 + count]).data
    made = one, other, model.cache("\n\n".join(texts[600:640]), 1024)
    if given.keep:
        given.keep.write_bytes(pickle.dumps(made))
    return made


def row(name, original, module, make, given, leakers=1):
    """Return one row: `make` turns marked copies into what is leaked."""
    scores, guilty, wrong, tried = [], 0, 0, 0
    for trial in range(given.trials):
        names = [f"{name} {trial} {number}" for number in range(leakers)]
        keys = {one: SECRET.recipient(one) for one in names}
        leak = make([module.mark(original, key) for key in keys.values()])
        innocents = given.innocents if trial == 0 else 2
        keys |= {f"innocent {number}": SECRET.recipient(f"{trial} innocent {number}") for number in range(innocents)}
        best = {}
        for score in module.detect(original, leak, keys):
            if score.recipient not in best or score.log_p < best[score.recipient].log_p:
                best[score.recipient] = score
        named = {one for one, score in best.items() if accused(score, recipients=1000, detectors=module.DETECTORS)}
        guilty += len(named & set(names))
        wrong += len(named - set(names))
        tried += innocents
        scores += [best[one].z for one in names]
    return {
        "attack": name,
        "leakers": leakers,
        "leaks": given.trials,
        "accused": guilty / (given.trials * leakers),
        "z_least": round(min(scores), 1),
        "z_mean": round(statistics.mean(scores), 1),
        "z_deviation": round(statistics.pstdev(scores), 2),
        "innocents_tried": tried,
        "innocents_accused": wrong,
    }


def million(original, leak):
    """Return the highest score of a million innocents on a slab of what a leaked adapter shows."""
    values = []
    leaked = lora._pairs(lora.TensorFile(leak))
    for module, (a, b) in lora._pairs(lora.TensorFile(original)).items():
        other = leaked[module]
        values.append(lora._by_gain(other[1] @ (other[0] @ np.linalg.pinv(a)), b).ravel())
        if sum(map(len, values)) >= SLAB:
            break
    slab = np.concatenate(values)[:SLAB].astype("f4")
    draw, highest, block, above = np.random.default_rng(1), 0.0, 2000, dict.fromkeys(NULL, 0)
    for _ in range(MILLION // block):
        signs = np.unpackbits(draw.integers(0, 256, (block, SLAB // 8), dtype=np.uint8), axis=1).astype("f4") * 2 - 1
        scores = (signs @ slab) / np.sqrt(slab @ slab)
        highest = max(highest, float(scores.max()))
        for limit in NULL:
            above[limit] += int((scores >= limit).sum())
    return {
        "innocents": MILLION,
        "numbers": SLAB,
        "highest_z": round(highest, 2),
        "accused": int(highest >= NULL[-1]),
        # How many innocents reach a score, beside what Hoeffding's bound allows.
        "null": {
            f"z >= {limit}": {"innocents": above[limit], "bound": round(MILLION * float(np.exp(-limit * limit / 2)), 2)}
            for limit in NULL
        },
    }


def main():
    given = arguments()
    torch.set_num_threads(1)
    if given.only_million:
        adapter = pickle.loads(given.keep.read_bytes())[0]  # noqa: S301 - what this program wrote
        leak = attacks.noisy(lora.mark(adapter, SECRET.recipient("cost")), 0.3)
        print(json.dumps({"benchmark": "trace_tensors", "million_innocents": million(adapter, leak)}))
        return
    model = Model(given.data_dir)
    adapter, other, cache = tensors(given, model)
    rng = np.random.default_rng(3)
    plan = [
        ("copy", adapter, lora, lambda copies: copies[0], 1),
        ("int8", adapter, lora, lambda copies: attacks.int8(copies[0]), 1),
        ("rank halved", adapter, lora, lambda copies: attacks.halved(copies[0]), 1),
        ("merged 50/50 with another", adapter, lora, lambda copies: attacks.merged(copies[0], other), 1),
        ("noise of 30 %", adapter, lora, lambda copies: attacks.noisy(copies[0], 0.3, rng.integers(1 << 30)), 1),
        ("average of five", adapter, lora, attacks.averaged, 5),
        ("average of five, int8", adapter, lora, lambda copies: attacks.int8(attacks.averaged(copies)), 5),
        ("copy", cache, activation, lambda copies: copies[0], 1),
        ("int8", cache, activation, lambda copies: attacks.int8(copies[0]), 1),
        ("noise of 30 %", cache, activation, lambda copies: attacks.noisy(copies[0], 0.3, rng.integers(1 << 30)), 1),
        ("half of the tokens", cache, activation, lambda c: attacks.cut(c[0], rng.permutation(1024)[:512]), 1),
        ("average of five", cache, activation, attacks.averaged, 5),
    ]
    rows = []
    for name, original, module, make, leakers in plan:
        if module is activation:
            given.trials, given.innocents = min(given.trials, 10), min(given.innocents, 100)
        found = {"memory": "lora" if module is lora else "kv"} | row(name, original, module, make, given, leakers)
        print(json.dumps(found), file=sys.stderr)
        rows.append(found)
    key = SECRET.recipient("cost")
    held_out = paragraphs()[200:215]
    plain, marked = model.loss_with_adapters([adapter, lora.mark(adapter, key)], held_out)
    before, behind = model.loss_behind_caches([cache, activation.mark(cache, key)], "\n\n".join(paragraphs()[640:644]))
    result = {
        "benchmark": "trace_tensors",
        "amplitude": spread.AMPLITUDE,
        "rows": rows,
        "loss": {
            "lora": {"plain": plain, "marked": marked, "change_percent": round(100 * (marked / plain - 1), 4)},
            "kv": {"plain": before, "marked": behind, "change_percent": round(100 * (behind / before - 1), 4)},
        },
        "million_innocents": None if given.quick else million(adapter, attacks.noisy(lora.mark(adapter, key), 0.3)),
    }
    print(json.dumps(result))
    if given.out:
        given.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
