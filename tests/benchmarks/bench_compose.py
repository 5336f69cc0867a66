"""What composing KV memories costs in closeness and saves in time, beside reading the same memory as text.

Two memories A and B, each made into a KV cache alone, are mounted one behind the other; a query follows. For each way
of composing: divergence (KL, nats) and agreement of the likeliest token with full prefill along its own greedy
continuation, that continuation's perplexity, and CPU seconds to the first token. `naive` leaves B's keys at the
positions that they were computed for: what happens without re-rotation. A row for each number format of one mounted
cache follows. Prints one JSON object last.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path
from pydoc_data import topics

import torch

from memporium_services.inference.adapters.generators.torch_engine import CausalEngine
from memporium_services.inference.adapters.models import SMOLLM2, TINY_RANDOM, _local
from memporium_services.inference.domain.values import (
    ComposePlan,
    Composition,
    KvBlob,
    KvForm,
    Speaker,
    TextMemory,
    Turn,
)
from memporium_services.inference.settings import InferenceSettings

QUESTIONS = ("What do both texts have in common?", "Summarise the second text in one sentence.")
WAYS = {
    "naive": None,
    "re_rotated": ComposePlan(Composition.RE_ROTATED),
    "selective_5%": ComposePlan(Composition.SELECTIVE, 0.05),
    "selective_15%": ComposePlan(Composition.SELECTIVE, 0.15),
    "selective_30%": ComposePlan(Composition.SELECTIVE, 0.30),
    "exact": ComposePlan(Composition.EXACT),
}


def arguments(given=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=384, help="tokens of each memory")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--continuation", type=int, default=24)
    parser.add_argument("--model", default=SMOLLM2)
    parser.add_argument("--data-dir", type=Path, default=Path("memporium-data"), help="where converted models lie")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tiny model and two pairs")
    found = parser.parse_args(given)
    if found.quick:
        found.model, found.pairs, found.tokens, found.continuation = TINY_RANDOM, 2, 600, 8
    return found


def driven(steps):
    """Run what pauses after each piece to its end; return what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def continuation(engine, read, count):
    """Return the likeliest tokens behind what was read, up to one that ends an answer."""
    tokens, logits = [], read.logits
    while len(tokens) < count:
        tokens.append(int(logits.argmax()))
        if tokens[-1] in engine.ends:
            break
        (logits,) = engine.step(tokens[-1:], [read.cache])
    return tokens


def teacher_forced(engine, read, tokens):
    """Return log probabilities (tokens, vocabulary) at each place of a continuation."""
    rows, logits = [], read.logits
    for token in tokens:
        rows.append(torch.log_softmax(logits.float(), -1))
        (logits,) = engine.step([token], [read.cache])
    return torch.stack(rows)


class Stay:
    """Moves nothing."""

    works = True

    def move(self, keys, distance, *, layer):
        """Leave the keys."""


def compared(of, from_, tokens):
    exact = from_.exp()
    chosen = of[range(len(tokens)), tokens]
    return {
        "kl": float((exact * (from_ - of)).sum(-1).mean()),
        "agreement": float((of.argmax(-1) == from_.argmax(-1)).float().mean()),
        "perplexity": math.exp(-float(chosen.mean())),
    }


def opened(engine, ids, form=KvForm.FLOAT16):
    built = driven(engine.build_kv(ids, form))
    return engine.open_kv(KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count)), built


def read_timed(engine, query, kvs, plan, room):
    capacity = sum(len(kv.ids) for kv in kvs) + len(query) + room
    began = time.process_time()
    read = driven(engine.read(query, capacity=capacity, kvs=kvs, plan=plan or ComposePlan(Composition.RE_ROTATED)))
    return read, time.process_time() - began


def mean_of(rows):
    return {key: round(statistics.mean(row[key] for row in rows), 4) for key in rows[0]}


def pieces(engine, text, tokens, count):
    """Yield so many memories of about `tokens` tokens, from different places of the text."""
    stride = len(text) // count
    for index in range(count):
        part = text[index * stride : index * stride + tokens * 8]
        while len(ids := engine.chat.memory_ids([TextMemory(part, f"part {index}")])) > tokens:
            part = part[: int(len(part) * tokens / len(ids)) - 1]
        yield ids


def main(given):
    settings = InferenceSettings()
    torch.set_num_threads(settings.torch_threads)
    engine = CausalEngine(_local(settings, given.data_dir)[given.model]())
    memories = list(pieces(engine, "\n\n".join(topics.topics.values()), given.tokens, 2 * given.pairs))
    found = {name: [] for name in WAYS}
    formats = {form.value: [] for form in KvForm}
    prompt_s = []
    mover = engine._composer._mover
    for index in range(given.pairs):
        first, second = memories[2 * index : 2 * index + 2]
        question = Turn(Speaker.USER, QUESTIONS[index % len(QUESTIONS)])
        query = engine.chat.rest_ids((question,), "", after_memory=True)
        read, seconds = read_timed(engine, [*first, *second, *query], [], None, 2 * given.continuation)
        prompt_s.append(seconds)
        tokens = continuation(engine, read, given.continuation)
        read, _ = read_timed(engine, [*first, *second, *query], [], None, given.continuation)
        reference = teacher_forced(engine, read, tokens)
        kvs = [opened(engine, ids)[0] for ids in (first, second)]
        for name, plan in WAYS.items():
            engine._composer._mover = Stay() if plan is None else mover
            read, seconds = read_timed(engine, query, kvs, plan, given.continuation)
            row = compared(teacher_forced(engine, read, tokens), reference, tokens)
            found[name].append({**row, "first_token_cpu_s": seconds, "kept_tokens": read.cached_tokens})
        engine._composer._mover = mover
        for form in KvForm:
            kv, built = opened(engine, [*first, *second], form)
            read, seconds = read_timed(engine, query, [kv], None, given.continuation)
            row = compared(teacher_forced(engine, read, tokens), reference, tokens)
            size = len(built.data) / built.token_count
            formats[form.value].append({**row, "relative_error": built.relative_error, "bytes_a_token": size})
        sys.stderr.write(f"pair {index}: {mean_of(found['re_rotated'])}\n")
    result = {
        "benchmark": "compose",
        "model": given.model,
        "memory_tokens": [len(ids) for ids in memories],
        "pairs": given.pairs,
        "continuation_tokens": given.continuation,
        "prompt_cpu_s": round(statistics.mean(prompt_s), 3),
        "composition": {name: mean_of(rows) for name, rows in found.items()},
        "formats": {name: mean_of(rows) for name, rows in formats.items()},
    }
    if given.out:
        given.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))
    return result


if __name__ == "__main__":
    main(arguments())
