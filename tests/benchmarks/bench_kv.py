"""Time to first token with a memory in the prompt and as a mounted KV cache, by length of the memory.

For each length, in interleaved rounds: the memory in the prompt; the KV cache from host memory; the KV cache from a
file; and the limit, the query alone (the same tokens as behind the memory). Wall and CPU time (one thread), medians.
The build cost is shown with the number of uses after which it is earned back. Prints one JSON object last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from pydoc_data import topics

from memporium_services.inference.adapters.models import SMOLLM2, build_registry
from memporium_services.inference.domain.values import (
    GenerationTask,
    KvBlob,
    Sampling,
    Speaker,
    TextMemory,
    TextPiece,
    Turn,
)
from memporium_services.inference.settings import InferenceSettings

ASKED = "In one sentence: what does the text say about assignment?"
QUESTION = (Turn(Speaker.USER, ASKED),)
# What stands behind a memory in the models' chat format (ChatML); alone, a default system message would come first.
ALONE = f"<|im_start|>user\n{ASKED}<|im_end|>\n<|im_start|>assistant\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", default="512,1024,2048", help="memory tokens, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default=SMOLLM2)
    parser.add_argument("--data", type=Path, help="text file of the memory; default: Python's language reference")
    parser.add_argument("--data-dir", type=Path, default=Path("memporium-data"), help="where converted models lie")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="one short memory")
    given = parser.parse_args()
    if given.quick:
        given.lengths, given.rounds = "512", 2
    return given


async def memory_of(generator, text, tokens):
    """Return a memory of about `tokens` tokens, as long as the text lasts."""
    low, high = 1, min(len(text), tokens * 8)
    while low < high:
        middle = (low + high + 1) // 2
        (count,) = await generator.count_tokens([text[:middle]])
        low, high = (middle, high) if count <= tokens else (low, middle - 1)
    return TextMemory(text[:low], "reference")


async def first_token(generator, make_task):
    """Return (wall s, CPU s) from the task's making to its first token, and the tokens of the answer."""
    wall, cpu = time.perf_counter(), time.process_time()
    found, times = [], None
    async with aclosing(generator.generate(make_task())) as events:
        async for event in events:
            if isinstance(event, TextPiece):
                times = times or (time.perf_counter() - wall, time.process_time() - cpu)
                found += event.token_ids
    return times, found


def read(path):
    data = bytearray(path.stat().st_size)
    with path.open("rb") as file:
        file.readinto(data)
    return data


async def measure(generator, memory, rounds, folder):
    sampling = Sampling(max_tokens=8)
    built = await generator.build_kv([memory], progress=lambda _done, _total: None)
    path = folder / "kv.safetensors"
    path.write_bytes(built.data)
    data = bytearray(built.data)

    def mounted(blob):
        return GenerationTask(sampling, QUESTION, kvs=(KvBlob(blob, built.token_ids_sha256, built.token_count),))

    cases = {
        "prompt": lambda: GenerationTask(sampling, QUESTION, memories=(memory,)),
        "kv_memory": lambda: mounted(data),
        "kv_disk": lambda: mounted(read(path)),
        "query_alone": lambda: GenerationTask(sampling, prompt=ALONE),
    }
    taken, answers = {name: [] for name in cases}, {}
    for make_task in cases.values():
        await first_token(generator, make_task)
    for _ in range(rounds):
        for name, make_task in cases.items():
            times, answers[name] = await first_token(generator, make_task)
            taken[name].append(times)
    wall = {name: statistics.median(times[0] for times in found) for name, found in taken.items()}
    cpu = {name: statistics.median(times[1] for times in found) for name, found in taken.items()}
    saved = cpu["prompt"] - cpu["kv_memory"]
    return {
        "memory_tokens": built.token_count,
        "wall_ms": {name: round(value * 1000, 1) for name, value in wall.items()},
        "cpu_ms": {name: round(value * 1000, 1) for name, value in cpu.items()},
        "speedup_memory": round(cpu["prompt"] / cpu["kv_memory"], 1),
        "speedup_disk": round(cpu["prompt"] / cpu["kv_disk"], 1),
        "speedup_limit": round(cpu["prompt"] / cpu["query_alone"], 1),
        "same_tokens": answers["prompt"] == answers["kv_memory"] == answers["kv_disk"],
        "kv_bytes": len(built.data),
        "build_ms": round(built.compute_s * 1000, 1),
        "break_even_uses": round(built.compute_s / saved, 2) if saved > 0 else None,
    }


async def main():
    given = arguments()
    registry = build_registry(InferenceSettings(default_generator=given.model), given.data_dir)
    generator = registry.generator(given.model).generator
    await generator.load()
    text = given.data.read_text() if given.data else "\n\n".join(topics.topics.values())
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for length in (int(part) for part in given.lengths.split(",")):
            row = await measure(generator, await memory_of(generator, text, length), given.rounds, Path(folder))
            rows.append(row)
            sys.stderr.write(f"{row}\n")
    (query,) = await generator.count_tokens([ALONE])
    await registry.close()
    result = {
        "benchmark": "kv",
        "model": given.model,
        "fingerprint": generator.info.fingerprint,
        "torch_threads": InferenceSettings().torch_threads,
        "query_tokens": query,
        "rounds": given.rounds,
        "rows": rows,
    }
    if given.out:
        given.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
