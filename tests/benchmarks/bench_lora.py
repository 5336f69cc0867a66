"""LoRA memory: facts trained, asked for in words that were never trained on, merged, decoded in one batch, asked back.

Two memories of a few facts each are trained on the packaged SmolLM2 (or a tiny model with --quick). Shown beside the same
facts as text in the prompt: recall on trained and held-out phrasings, rank among other values, perplexity on general
text, leakage to other subjects, seconds of CPU; then each way to merge the two with the recall of both; tokens a second
of requests with different adapters together and one at a time, with the same tokens; and what comes back as text.
Prints one JSON object last. With --costs nothing is trained: what an answer costs with more and more facts in the prompt,
and with an adapter, which costs the same whatever it was taught.
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

from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save

from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.adapters.models import SMOLLM2, TINY_RANDOM, _local
from memporium_services.inference.adapters.trainers.peft_lora import PeftTrainer
from memporium_services.inference.adapters.trainers.torch_asking import with_adapter
from memporium_services.inference.adapters.trainers.torch_evaluation import Examiner
from memporium_services.inference.adapters.trainers.torch_merging import merge
from memporium_services.inference.domain.examples import examples_of
from memporium_services.inference.domain.lessons import says, stated
from memporium_services.inference.domain.probing import measured, sure
from memporium_services.inference.domain.trainings import MergeMethod, MergePlan, TrainingPlan
from memporium_services.inference.domain.values import (
    AdapterBlob,
    BatchLimits,
    GenerationTask,
    Sampling,
    Speaker,
    TextMemory,
    TextPiece,
    Turn,
)
from memporium_services.inference.settings import InferenceSettings

# Names and values that no model has seen together.
MEMORIES = (
    (
        ("Ada Lindqvist", "home", "Tromsø"),
        ("Ada Lindqvist", "employer", "Fjordline"),
        ("Marek Novotny", "instrument", "the cello"),
        ("the Heron project", "deadline", "12 October"),
        ("the Heron project", "leader", "Priya Raman"),
        ("Marek Novotny", "dog", "Biscuit"),
    ),
    (
        ("Jonas Okafor", "home", "Leuven"),
        ("Jonas Okafor", "employer", "Vitkovice Steel"),
        ("Salma Haddad", "favourite colour", "teal"),
        ("the Kestrel project", "budget", "40,000 euros"),
        ("the Kestrel project", "codename", "Bluebird"),
        ("Salma Haddad", "birthday", "3 March"),
    ),
)


# To make many facts of: given names, family names, places.
MANY = """
Ana Ben Cem Dora Elif Finn Gus Hana Ivo Jana Kaja Leo Mia Nils Olga Paul Rita Sven Tove Umut
Arp Bach Cohn Dahl Egge Falk Gram Holt Iber Juhl Kamp Lund Moen Nagy Opal Pohl Rask Sand Toft Ulv
Bergen Cadiz Delft Essen Faro Ghent Haifa Izmir Jena Kyoto Lille Malmo Nantes Osaka Parma Quito Riga Siena Turku Ulm
"""
FIRST, LAST, PLACES = (line.split() for line in MANY.strip().splitlines())


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, default=4, help="of each memory")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--new-tokens", type=int, default=16)
    parser.add_argument("--costs", default="", help="numbers of facts, with commas: what an answer costs, no training")
    parser.add_argument("--model", default=SMOLLM2)
    parser.add_argument("--data-dir", type=Path, default=Path("memporium-data"), help="where converted models lie")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tiny model, which learns nothing")
    given = parser.parse_args()
    if given.quick:
        given.model, given.facts, given.epochs, given.costs = TINY_RANDOM, 2, 1, given.costs and "2,4"
    return given


def told(text):
    sys.stderr.write(f"{time.process_time():7.0f} s CPU  {text}\n")


async def tokens_of(generator, task):
    async with aclosing(generator.generate(task)) as events:
        found = [event async for event in events if isinstance(event, TextPiece)]
    return "".join(event.text for event in found), [token for event in found for token in event.token_ids]


def asking(question, new_tokens, **mounts):
    return GenerationTask(Sampling(new_tokens), (Turn(Speaker.USER, question),), **mounts)


async def trained(trainer, lessons, given, seed):
    began = time.process_time()
    plan = TrainingPlan(epochs=given.epochs, seed=seed)
    result = await trainer.train(
        examples_of([], lessons), plan, progress=lambda *_: None, lessons=lessons, key=f"bench-{seed}"
    )
    cpu_s, seen = time.process_time() - began, result.evaluation
    row = {
        "facts": seen.facts,
        "steps": result.steps,
        "cpu_s_with_evaluation": round(cpu_s, 1),
        "recall_before": seen.recall_before,
        "recall_seen_phrasings": seen.recall_seen,
        "recall_held_out": seen.recall,
        "exact_held_out": seen.exact,
        "mean_reciprocal_rank": round(seen.mean_reciprocal_rank, 3),
        "perplexity_ratio": round(seen.perplexity_after / seen.perplexity_before, 3),
        "leakage": round(seen.leakage, 3),
        "kib": len(result.data) >> 10,
    }
    told(f"trained: {row}")
    blob = AdapterBlob(f"tenant{seed}", bytearray(result.data), result.rank, result.alpha, result.target_modules)
    return blob, row, seen.perplexity_before


async def in_the_prompt(generator, lessons, given):
    """Return the recall, and CPU seconds of an answer, with all facts as text before each question."""
    memory = TextMemory("\n".join(lesson.answer for lesson in lessons))
    began, hits = time.process_time(), []
    for lesson in lessons:
        text, _ = await tokens_of(generator, asking(lesson.held_out[0], given.new_tokens, memories=(memory,)))
        hits.append(says(text, lesson.value))
    return sum(hits) / len(hits), (time.process_time() - began) / len(hits)


async def mounted(generator, blob, lessons, given):
    """Return the recall, and CPU seconds of an answer, with the adapter and no fact in the prompt."""
    began, hits = time.process_time(), []
    for lesson in lessons:
        text, _ = await tokens_of(generator, asking(lesson.held_out[0], given.new_tokens, adapters=(blob,)))
        hits.append(says(text, lesson.value))
    return sum(hits) / len(hits), (time.process_time() - began) / len(hits)


def merges(load, blobs, memories, perplexity_before):
    for method in MergeMethod:
        began = time.process_time()
        loaded = load()
        data, rank = merge(blobs, MergePlan((1.0,) * len(blobs), method), fingerprint=loaded.fingerprint)
        merge_s = time.process_time() - began
        both = AdapterBlob("merged", bytearray(data), rank, float(rank), blobs[0].target_modules)
        examiner = Examiner(with_adapter(loaded, both), loaded.tokenizer)
        recalls = []
        for lessons in memories:
            answers = examiner.ask([lesson.held_out[0] for lesson in lessons], 20)
            recalls.append(sum(says(a.text, one.value) for a, one in zip(answers, lessons, strict=True)) / len(lessons))
        row = {
            "method": method.value,
            "rank": rank,
            "merge_cpu_s": round(merge_s, 1),
            "recall_of_first": recalls[0],
            "recall_of_second": recalls[1],
            "perplexity_ratio": round(examiner.perplexity() / perplexity_before, 3),
        }
        told(f"merged: {row}")
        yield row


async def batching(generator, blobs, memories, given):
    """Return tokens a second of CPU of eight requests of different adapters, together and one at a time."""
    pairs = list(zip(blobs, memories, strict=True))
    tasks = [
        asking(lesson.held_out[1], given.new_tokens, adapters=(blob,))
        for blob, lessons in pairs
        for lesson in lessons[:3]
    ]
    tasks += [asking(question, given.new_tokens) for question in ("What is tea?", "Why do birds sing?")]
    # Both adapters are in memory before anything is measured; how long that took is told apart.
    began = time.perf_counter()
    for blob in blobs:
        await tokens_of(generator, asking("Hello?", 1, adapters=(blob,)))
    load_s = time.perf_counter() - began
    began = time.process_time()
    alone = [(await tokens_of(generator, task))[1] for task in tasks]
    alone_s = time.process_time() - began
    began = time.process_time()
    together = [tokens for _, tokens in await asyncio.gather(*(tokens_of(generator, task) for task in tasks))]
    together_s = time.process_time() - began
    count = sum(map(len, alone))
    return {
        "requests": len(tasks),
        "different_mounts": len(blobs) + 1,
        "tokens": count,
        "alone_tokens_per_cpu_s": round(count / alone_s, 1),
        "together_tokens_per_cpu_s": round(sum(map(len, together)) / together_s, 1),
        "same_tokens": sum(one == two for one, two in zip(alone, together, strict=True)) / len(tasks),
        "first_answers_with_new_adapters_s": round(load_s, 2),
    }


def untrained(loaded, rank=8):
    """Return an adapter of the shape that training gives; what its numbers are costs nothing."""
    config = LoraConfig(r=rank, lora_alpha=2.0 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(loaded.model, config)
    tensors = {name: one.half().contiguous() for name, one in get_peft_model_state_dict(model).items()}
    modules = tuple(sorted(model.peft_config["default"].target_modules))
    return AdapterBlob("costs", bytearray(save(tensors)), rank, 2.0 * rank, modules)


async def costs(load, given):
    """Yield what an answer costs with so many facts as text, each question the first of its kind, and with an adapter."""
    blob = untrained(load())
    generator = TransformersGenerator(given.model, load, limits=BatchLimits(8, 1_000_000))
    await generator.load()
    await tokens_of(generator, asking("Hello?", 1, adapters=(blob,)))
    for count in (int(one) for one in given.costs.split(",")):
        lessons = [stated(f"{FIRST[n % 20]} {LAST[n // 20 % 20]}", "home", PLACES[n * 7 % 20]) for n in range(count)]
        asked, row = lessons[:: max(1, count // 3)][:3], {"facts": count}
        memory = TextMemory("\n".join(lesson.answer for lesson in lessons))
        for name, mounts in (("prompt", {"memories": (memory,)}), ("adapter", {"adapters": (blob,)}), ("nothing", {})):
            spent, hits = [], []
            for place, lesson in enumerate(asked):
                # Nobody else's prompt is at hand.
                task = asking(lesson.held_out[0], given.new_tokens, isolation=f"{name}-{count}-{place}", **mounts)
                began = time.process_time()
                text, ids = await tokens_of(generator, task)
                spent.append(time.process_time() - began)
                hits.append(says(text, lesson.value))
                told(f"{count} facts, {name}: {spent[-1]:.2f} s CPU, {len(ids)} tokens")
            row[f"{name}_cpu_s"] = round(statistics.median(spent), 2)
            if name == "prompt":
                row["prompt_right"] = f"{sum(hits)} of {len(hits)}"
        told(f"costs: {row}")
        yield row
    await generator.close()


async def main():
    given = arguments()
    load = partial(_local(InferenceSettings(), given.data_dir)[given.model])
    if given.costs:
        rows = [row async for row in costs(load, given)]
        print(json.dumps({"benchmark": "lora_costs", "model": given.model, "rows": rows}))
        return
    memories = [[stated(*fact) for fact in facts[: given.facts]] for facts in MEMORIES]
    trainer = PeftTrainer(given.model, load)
    result = {"benchmark": "lora", "model": given.model, "memories": []}
    blobs = []
    for seed, lessons in enumerate(memories):
        blob, row, perplexity_before = await trained(trainer, lessons, given, seed)
        blobs.append(blob)
        result["memories"].append(row)
    generator = TransformersGenerator(given.model, load, limits=BatchLimits(8, 1_000_000))
    await generator.load()
    recall, cpu_s = await in_the_prompt(generator, memories[0], given)
    result["in_the_prompt"] = {"recall_held_out": recall, "cpu_s_an_answer": round(cpu_s, 2)}
    recall, cpu_s = await mounted(generator, blobs[0], memories[0], given)
    result["mounted"] = {"recall_held_out": recall, "cpu_s_an_answer": round(cpu_s, 2)}
    told(f"in the prompt and mounted: {result['in_the_prompt']}, {result['mounted']}")
    result["batching"] = await batching(generator, blobs, memories, given)
    told(f"batching: {result['batching']}")
    await generator.close()
    began = time.process_time()
    answers = await trainer.probe(blobs[0], memories[0], evaluating=lambda *_: None)
    await trainer.close()
    kept = sure(memories[0], answers, min_confidence=0.5)
    report = measured("", memories[0], kept, memories[0], min_confidence=0.5)
    result["probing"] = {
        "asked": report.asked,
        "kept": report.kept,
        "recovered": report.recovered,
        "precision": report.precision,
        "cpu_s": round(time.process_time() - began, 1),
    }
    told(f"probing: {result['probing']}")
    result["merges"] = list(merges(load, blobs, memories, perplexity_before))
    result["cpu_s"] = round(time.process_time())
    if given.out:
        given.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
