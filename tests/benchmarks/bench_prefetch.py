"""Tensors brought into host memory ahead, on a real server: agents of one organisation take turns, each asking in bursts
for its own KV memories, with room for half of all. With prefetching and without: hits, its precision, and how long mounting took. One
JSON object on stdout.

    python tests/benchmarks/bench_prefetch.py [--bursts 40]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from memporium.cube.v1 import cube_pb2
from memporium.inference.v1 import convert_pb2, generate_pb2, tier_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.platform import running_platform

MODEL = "tiny-random"
_AGENTS, _MEMORIES = 4, 6


async def _memories(platform, org, agent):
    """Return the inference stub of an agent and its KV memories with their bytes."""
    channel = platform.channel(await platform.principal(org.id, agent))
    vault, inference = VaultServiceStub(channel), InferenceServiceStub(channel)
    asked = vault_service_pb2.CreateVaultRequest(
        parent=org.name, vault_id=agent, vault=vault_pb2.Vault(embedding_model="hashing-384")
    )
    parent, found = (await vault.CreateVault(asked)).vault.name, []
    for number in range(_MEMORIES):
        text = f"Note {number} of {agent}: the harbour opens at {number + 5}. " * (20 + 4 * number)
        document = cube_pb2.Document(text=text)
        cube = cube_pb2.Cube(payload=cube_pb2.Payload(plaintext=cube_pb2.Plaintext(document=document)))
        made = await vault.CreateCube(vault_service_pb2.CreateCubeRequest(parent=parent, cube=cube))
        request = convert_pb2.BuildActivationRequest(parent=parent, cubes=[made.cube.name], model=MODEL)
        built = [event async for event in inference.BuildActivation(request)][-1].result.cube
        found.append((built.name, built.payload.activation.blob.size_bytes))
    return inference, found


async def _generate(inference, cube):
    """Mount a memory and write one token; return milliseconds of mounting."""
    request = generate_pb2.GenerateRequest(
        model=MODEL, prompt="x", mounts=[generate_pb2.MemoryMount(cube=cube)], max_tokens=1
    )
    last = [event async for event in inference.Generate(request)][-1]
    return last.finished.timings.mount.ToMicroseconds() / 1000


async def measured(bursts, *, prefetch_bytes, cache_bytes):
    os.environ["MEMPORIUM_INFERENCE_PREFETCH_BYTES"] = str(prefetch_bytes)
    os.environ["MEMPORIUM_INFERENCE_BLOB_CACHE_BYTES"] = str(cache_bytes)
    chance, mounts = random.Random(7), []
    with tempfile.TemporaryDirectory() as folder:
        async with running_platform(("vault", "inference"), data_dir=Path(folder)) as platform:
            org = await platform.organisation("acme")
            places = [await _memories(platform, org, f"agent-{number}") for number in range(_AGENTS)]
            sizes = [size for _, found in places for _, size in found]
            for burst in range(bursts):
                inference, found = places[chance.randrange(_AGENTS)]
                liked = [1.0 / (1 + number) for number in range(_MEMORIES)]
                for cube, _ in chance.choices(found, liked, k=8):
                    took = await _generate(inference, cube)
                    # The first bursts are of memories that nobody has used yet.
                    if burst >= bursts // 4:
                        mounts.append(took)
                    # Somebody reads the answer.
                    await asyncio.sleep(0.05)
            asked = tier_pb2.GetTierUsageRequest(parent=org.name)
            usage = (await places[0][0].GetTierUsage(asked)).usage
    return {
        "bytes_of_all": sum(sizes),
        "hit_rate": round(usage.hits / (usage.hits + usage.misses), 3),
        "prefetched": usage.prefetched,
        "precision": round(usage.prefetched_used / usage.prefetched, 3) if usage.prefetched else None,
        "mount_ms_p50": round(statistics.median(mounts), 2),
        "mount_ms_p90": round(statistics.quantiles(mounts, n=10)[-1], 2),
    }


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bursts", type=int, default=40)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="few bursts")
    given = parser.parse_args()
    bursts = 8 if given.quick else given.bursts
    # Once with room for all, to learn how much that is and what is possible.
    room = await measured(bursts, prefetch_bytes=0, cache_bytes=1 << 30)
    half = room["bytes_of_all"] // 2
    result = {
        "benchmark": "prefetch",
        "agents": _AGENTS,
        "memories": _AGENTS * _MEMORIES,
        "uses": bursts * 8,
        "cache_bytes": half,
        "without": await measured(bursts, prefetch_bytes=0, cache_bytes=half),
        "with": await measured(bursts, prefetch_bytes=64 << 20, cache_bytes=half),
        "room_for_all": room,
    }
    if given.out:
        given.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
