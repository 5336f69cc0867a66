"""Many tenants' requests with different memories mounted, decoded together and one at a time.

Each client asks again and again, with a KV memory of its own mounted; first with one request at a time on the model (the
peer), then with up to eight, in interleaved rounds. Shown: tokens a second, p50 and p99 of a request and of its first
token after it was asked for, and whether both gave the same tokens. Then whether the time to one tenant's first token
tells that another has the same memory, on the tiny model: the p-value of the rank sum test, as the platform is, and
with a cache and with prefixes that tenants share. Prints one JSON object last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from contextlib import aclosing
from functools import partial
from pathlib import Path
from pydoc_data import topics

sys.path.insert(0, str(Path(__file__).parents[1]))

from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.adapters.models import SMOLLM2, TINY_RANDOM, _local
from memporium_services.inference.app.fair_queue import FairQueue
from memporium_services.inference.domain.memory import Form
from memporium_services.inference.domain.values import (
    BatchLimits,
    GenerationTask,
    KvBlob,
    Sampling,
    Speaker,
    TextMemory,
    TextPiece,
    Turn,
)
from memporium_services.inference.settings import InferenceSettings
from support.timing_world import SharedCache, SharedPrefixes, channel_of

QUESTION = (Turn(Speaker.USER, "In one sentence: what is the text about?"),)


def arguments(given=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=2, help="of each client in a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory-tokens", type=int, default=256)
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--widths", default="1,2,4,8", help="most requests at once, separated by commas")
    parser.add_argument("--model", default=SMOLLM2)
    parser.add_argument("--data-dir", type=Path, default=Path("memporium-data"), help="where converted models lie")
    parser.add_argument("--pairs", type=int, default=40, help="of memories whose times are compared; 0: none")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tiny model, one round")
    found = parser.parse_args(given)
    if found.quick:
        found.model, found.rounds, found.widths, found.memory_tokens = TINY_RANDOM, 1, "1,8", 400
    return found


async def ask(generator, queue, tenant, task):
    """Return (seconds to the first token, seconds in all, tokens)."""
    began, first, tokens = time.perf_counter(), 0.0, []
    async with queue.turn(tenant), aclosing(generator.generate(task)) as events:
        async for event in events:
            if isinstance(event, TextPiece):
                first = first or time.perf_counter() - began
                tokens += event.token_ids
    return first, time.perf_counter() - began, tuple(tokens)


async def round_of(generator, tasks, requests, width):
    queue = FairQueue(places=width, max_waiting=10_000, max_waiting_per_tenant=10_000)
    found = {}

    async def client(name, task):
        found[name] = [await ask(generator, queue, name, task) for _ in range(requests)]

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client(f"tenant{index}", task) for index, task in enumerate(tasks)))
    return time.perf_counter() - began, time.process_time() - cpu, found


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def timing(given):
    """Return the p-values of what an attacker could tell by time."""
    generator = TransformersGenerator(TINY_RANDOM, _local(InferenceSettings(), given.data_dir)[TINY_RANDOM])
    await generator.load()
    ways = {
        "kv": {"form": Form.ACTIVATION},
        "text": {"form": Form.PLAINTEXT},
        "kv_in_a_shared_cache": {"form": Form.ACTIVATION, "cache": SharedCache},
        "text_with_shared_prefixes": {"form": Form.PLAINTEXT, "model": SharedPrefixes},
    }
    found = {name: await channel_of(generator, pairs=given.pairs, **options) for name, options in ways.items()}
    await generator.close()
    return {
        name: {
            "p_value": float(f"{one.p_value:.3g}"),
            "equal_ms": round(statistics.median(one.equal) * 1000, 2),
            "other_ms": round(statistics.median(one.other) * 1000, 2),
        }
        for name, one in found.items()
    }


async def main(given):
    widths = [int(width) for width in given.widths.split(",")]
    settings = InferenceSettings()
    load = partial(_local(settings, given.data_dir)[given.model])
    generator = TransformersGenerator(given.model, load, limits=BatchLimits(max(widths), 1_000_000))
    await generator.load()
    text = "\n\n".join(topics.topics.values())
    tasks = []
    for index in range(given.clients):
        part = text[index * 20_000 :][: given.memory_tokens * 4]
        (count,) = await generator.count_tokens([part])
        part = part[: int(len(part) * given.memory_tokens / count)]
        built = await generator.build_kv([TextMemory(part)], progress=lambda _done, _total: None)
        kv = KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count)
        tasks.append(GenerationTask(Sampling(given.new_tokens), QUESTION, kvs=(kv,)))
    rows = {width: [] for width in widths}
    for _ in range(given.rounds):
        for width in widths:
            rows[width].append(await round_of(generator, tasks, given.requests, width))
            sys.stderr.write(f"{width} at once: {rows[width][-1][0]:.1f} s\n")
    await generator.close()
    result = {"benchmark": "batching", "model": given.model, "clients": given.clients, "rows": []}
    reference = {name: asked[0][2] for name, asked in rows[widths[0]][0][2].items()}
    for width in widths:
        asked = [one for _, _, found in rows[width] for requests in found.values() for one in requests]
        tokens = sum(len(one[2]) for one in asked)
        same = [one[2] == reference[name] for _, _, found in rows[width] for name in found for one in found[name]]
        result["rows"].append(
            {
                "at_once": width,
                "tokens_per_s": round(tokens / sum(row[0] for row in rows[width]), 1),
                "tokens_per_cpu_s": round(tokens / sum(row[1] for row in rows[width]), 1),
                "request_p50_s": round(statistics.median(one[1] for one in asked), 2),
                "request_p99_s": round(percentile([one[1] for one in asked], 0.99), 2),
                "first_token_p50_s": round(statistics.median(one[0] for one in asked), 2),
                "first_token_p99_s": round(percentile([one[0] for one in asked], 0.99), 2),
                "same_tokens": round(statistics.mean(same), 3),
            }
        )
    if given.pairs:
        result["timing"] = await timing(given)
    if given.out:
        given.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))
    return result


if __name__ == "__main__":
    asyncio.run(main(arguments()))
