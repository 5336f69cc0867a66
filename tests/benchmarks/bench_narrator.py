"""What a language model adds to formation: what it wrote, what the turns bore out, and what that costs in time.

`python tests/benchmarks/bench_narrator.py [--quick] [--model M] [--max-tokens N] [--embedder E] [--out FILE]`. A made-up
dialogue of a few episodes is remembered twice over the public API: by rules alone, and with the model. Prints
one JSON object: by which path each episode was made and why, the share of the model's facts that is grounded, seconds an
episode, and for questions about the dialogue the share whose turn comes first, both ways.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from memporium.reader.v1 import recall_pb2, remember_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.platform import running_platform

START = datetime(2024, 3, 4, 18, 30, tzinfo=UTC)
# Days after the start, and what was said.
EPISODES = (
    (0, (("Ada", "I finally signed up for the pottery workshop in Leith."), ("Ben", "Great! When does it start?"),
         ("Ada", "Next Tuesday at seven. It costs 90 pounds for six weeks."))),
    (3, (("Ben", "My sister Clara adopted a greyhound called Biscuit yesterday."), ("Ada", "How old is he?"),
         ("Ben", "Four. He used to race in Sheffield."))),
    (9, (("Ada", "The first class was fun, I made a blue bowl."), ("Ben", "Will you glaze it?"),
         ("Ada", "Yes, cobalt blue. The teacher is called Moira."))),
    (15, (("Ben", "I have been offered a job at the harbour museum."), ("Ada", "Will you take it?"),
          ("Ben", "I think so. I would start on 2 May as an archivist."))),
    (21, (("Ada", "I can't come on Friday, I am allergic to cats and Dora has three."), ("Ben", "Then come to mine."),
          ("Ada", "Gladly. I'll bring the rye bread that my father bakes."))),
    (30, (("Ben", "Clara is moving to Oslo in June with Biscuit."), ("Ada", "For work?"),
          ("Ben", "Yes, she will teach marine biology at the university."))),
)  # fmt: skip
# Questions with the turn that holds the answer.
QUESTIONS = (
    ("How much does Ada's pottery workshop cost?", "e0t2"), ("What is Clara's dog called?", "e1t0"),
    ("Where did Biscuit race?", "e1t2"), ("Who teaches pottery?", "e2t2"), ("What did Ada make in class?", "e2t0"),
    ("When does Ben begin as an archivist?", "e3t2"), ("What is Ada allergic to?", "e4t0"),
    ("Who bakes rye bread?", "e4t2"), ("Where is Clara moving?", "e5t0"), ("What will Clara teach?", "e5t2"),
)  # fmt: skip


async def remember(stub: ReaderServiceStub, parent: str, number: int) -> remember_pb2.RememberResponse:
    day, said = EPISODES[number]

    async def requests():
        yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=parent, session=f"e{number}"))
        for index, (speaker, text) in enumerate(said):
            turn = remember_pb2.Turn(id=f"e{number}t{index}", speaker=speaker, text=text)
            turn.time.FromDatetime(START + timedelta(days=day, minutes=index))
            yield remember_pb2.RememberRequest(turn=turn)

    return await stub.Remember(requests(), timeout=900)


async def measure(model: str, embedder: str, folder: Path, options: argparse.Namespace) -> dict[str, object]:
    settings = {
        "MEMPORIUM_READER_NARRATOR_MODEL": model,
        "MEMPORIUM_READER_NARRATOR_MAX_TOKENS": str(options.max_tokens),
        "MEMPORIUM_READER_NARRATOR_TIMEOUT_S": str(options.timeout_s),
        "MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": embedder,
    }
    os.environ.update(settings)
    async with running_platform(("vault", "inference", "reader"), data_dir=folder) as platform:
        org = await platform.organisation("acme")
        channel = platform.channel(org.owner_key)
        reader, vaults = ReaderServiceStub(channel), VaultServiceStub(channel)
        request = vault_service_pb2.CreateVaultRequest(parent=org.name, vault_id="talk", vault=vault_pb2.Vault())
        parent = (await vaults.CreateVault(request)).vault.name
        seconds, formations = [], []
        for number in range(len(EPISODES)):
            began = time.perf_counter()
            done = await remember(reader, parent, number)
            seconds.append(time.perf_counter() - began)
            formations.extend(cube.formation for cube in done.cubes if cube.HasField("formation"))
        first = 0
        for question, turn in QUESTIONS:
            asked = recall_pb2.RecallRequest(parent=parent, query=question, limit=5)
            items = (await reader.Recall(asked)).items
            first += bool(items) and items[0].source.locator == turn
    kept, dropped = sum(one.extracted_facts for one in formations), sum(one.dropped_facts for one in formations)
    return {
        "episodes": len(EPISODES),
        "by_model": sum(one.narrated or one.extracted_facts > 0 for one in formations),
        "narrated": sum(one.narrated for one in formations),
        "facts_written": kept + dropped,
        "facts_grounded": kept,
        "grounded_share": round(kept / (kept + dropped), 3) if kept + dropped else None,
        "failures": dict(Counter(one.failure for one in formations if one.failure)),
        "seconds_median": round(statistics.median(seconds), 2),
        "seconds_max": round(max(seconds), 2),
        "right_first": round(first / len(QUESTIONS), 2),
    }


async def run(options: argparse.Namespace) -> dict[str, object]:
    found: dict[str, object] = {"model": options.model, "max_tokens": options.max_tokens}
    with tempfile.TemporaryDirectory() as folder:
        found["rules"] = await measure("", options.embedder, Path(folder) / "rules", options)
        found["model_path"] = await measure(options.model, options.embedder, Path(folder) / "model", options)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--embedder", default="minilm-l6-v2-int8")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--timeout-s", type=float, default=180)
    parser.add_argument("--quick", action="store_true", help="a model of random weights and vectors of hashes")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.model, options.embedder, options.max_tokens = "tiny-random", "hashing-384", 32
    result = json.dumps(asyncio.run(run(options)), indent=2)
    if options.out is not None:
        options.out.write_text(result + "\n", encoding="utf-8")
    print(result)


if __name__ == "__main__":
    main()
