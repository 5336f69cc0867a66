"""How surely the watermark of answers is found: marked and plain answers, a wrong key, and replaced tokens.

For each length: z of marked answers, of the same prompts' plain answers, of marked ones with a wrong key, and of marked
ones of which a share of tokens was replaced. Prints one JSON object last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
from contextlib import aclosing
from pathlib import Path
from pydoc_data import topics

from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.adapters.models import SMOLLM2, TINY_RANDOM, _local
from memporium_services.inference.domain.values import BatchLimits, GenerationTask, Sampling, Speaker, TextPiece, Turn
from memporium_services.inference.domain.watermark import LEAST_Z, evidence
from memporium_services.inference.settings import InferenceSettings

KEY, WRONG = b"the key of an agreement".ljust(32), b"the key of another".ljust(32)
FURTHER = tuple(b"the key of agreement %d".ljust(32) % number for number in range(2, 9))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=8)
    parser.add_argument("--lengths", default="50,100,200", help="tokens, separated by commas")
    parser.add_argument("--agreements", type=int, default=1, help="whose memories one answer used; each marks it")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--replaced", type=float, default=0.2, help="share of tokens")
    parser.add_argument("--model", default=SMOLLM2)
    parser.add_argument("--data-dir", type=Path, default=Path("memporium-data"), help="where converted models lie")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tiny model, three answers")
    given = parser.parse_args()
    if given.quick:
        given.model, given.answers, given.lengths = TINY_RANDOM, 3, "50"
    return given


async def answer(generator, topic, seed, given, keys):
    turns = (Turn(Speaker.USER, f"Explain in detail what Python's reference says about {topic}."),)
    longest = max(int(length) for length in given.lengths.split(","))
    sampling = Sampling(longest, temperature=given.temperature, seed=seed)
    async with aclosing(generator.generate(GenerationTask(sampling, turns, watermark_keys=keys))) as events:
        return [token async for event in events if isinstance(event, TextPiece) for token in event.token_ids]


def shown(scores):
    return {
        "min_z": round(min(scores), 1),
        "median_z": round(statistics.median(scores), 1),
        "max_z": round(max(scores), 1),
        "found": sum(z >= LEAST_Z for z in scores),
        "of": len(scores),
    }


async def main():
    given = arguments()
    load = _local(InferenceSettings(), given.data_dir)[given.model]
    generator = TransformersGenerator(given.model, load, limits=BatchLimits(8, 1_000_000))
    await generator.load()
    size = generator.info.vocabulary_size
    names = sorted(topics.topics)[: given.answers]
    keys = (KEY, *FURTHER)[: given.agreements]
    marked = await asyncio.gather(*(answer(generator, name, seed, given, keys) for seed, name in enumerate(names)))
    sys.stderr.write("marked\n")
    plain = await asyncio.gather(*(answer(generator, name, seed, given, ()) for seed, name in enumerate(names)))
    await generator.close()
    chance = random.Random(1)
    replaced = [[chance.randrange(size) if chance.random() < given.replaced else one for one in ids] for ids in marked]
    rows = []
    for length in (int(part) for part in given.lengths.split(",")):
        cases = {
            "marked": (marked, KEY),
            "plain": (plain, KEY),
            "wrong_key": (marked, WRONG),
            "replaced": (replaced, KEY),
        } | {f"marked_too_{number}": (marked, key) for number, key in enumerate(keys[1:], 2)}
        rows.append(
            {"tokens": length}
            | {
                name: shown([evidence(key, ids[:length], size).z for ids in texts])
                for name, (texts, key) in cases.items()
            }
        )
    result = {"benchmark": "output_watermark", "model": given.model, "replaced_share": given.replaced}
    result |= {"agreements": given.agreements, "rows": rows}
    if given.out:
        given.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
