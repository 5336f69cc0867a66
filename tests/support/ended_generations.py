"""From the end of an agreement to the cut of a running generation with its KV cache or adapter mounted; for
`bench_revoke`.

A subscriber builds a KV cache of a licensed pack and trains an adapter on it, mounts one of them and lets a model write.
While tokens come, the provider suspends the agreement: the time runs from the provider's call going out to the end of
the stream, and the next generation must be refused.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc

from memporium.cube.v1 import adapter_pb2
from memporium.inference.v1 import convert_pb2, generate_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.vault.v1 import vault_service_pb2
from memporium_platform.rpc.errors_client import reason_of
from support.ended_agreements import SERVICES, Scene, Seen, last_of
from support.market import licence
from support.platform import running_platform

MODEL = "tiny-random"
NOTES = "orgs/buyer/vaults/notes"
_MAX_TOKENS = 1024
_FORMS = ("PLAINTEXT", "ACTIVATION", "PARAMETER")
_ACTIONS = ("READ", "RETRIEVE", "INFER_WITH", "MATERIALISE_KV", "DERIVE_LORA")


async def _derived(scene: Scene, inference: Any, pack: str) -> dict[str, str]:
    """Return the names of a KV cache and an adapter that were made of the pack."""
    vaults = scene.vaults["buyer"]
    await vaults.CreateVault(vault_service_pb2.CreateVaultRequest(parent="orgs/buyer", vault_id="notes"))
    page = await vaults.ListCubes(vault_service_pb2.ListCubesRequest(parent=pack, page_size=3))
    cubes = [cube.name for cube in page.cubes]
    kv = convert_pb2.BuildActivationRequest(parent=NOTES, cubes=cubes, model=MODEL)
    # What it has learned is not asked for here.
    limits = adapter_pb2.AdmissionLimits(min_recall=0, max_perplexity_ratio=0, max_leakage=1)
    options = convert_pb2.TrainingOptions(epochs=1, limits=limits)
    lora = convert_pb2.TrainParameterRequest(parent=NOTES, cubes=cubes, model=MODEL, options=options)
    return {
        "kv": (await last_of(inference.BuildActivation(kv))).result.cube.name,
        "lora": (await last_of(inference.TrainParameter(lora))).result.cube.name,
    }


def _generate(inference: Any, cube: str, max_tokens: int) -> Any:
    request = generate_pb2.GenerateRequest(
        model=MODEL,
        messages=[generate_pb2.Message(role=generate_pb2.ROLE_USER, content="What colour is the sky?")],
        mounts=[generate_pb2.MemoryMount(cube=cube)],
        max_tokens=max_tokens,
    )
    return inference.Generate(request)


async def _cut(seen: Seen, scene: Scene, inference: Any, cube: str, agreement: str) -> None:
    """Let a model write, suspend the agreement after its first token, and note when the stream ends and by what."""
    stream = _generate(inference, cube, _MAX_TOKENS)
    running = asyncio.Event()

    async def listen() -> tuple[float, str]:
        try:
            async for message in stream:
                if message.HasField("delta"):
                    running.set()
        except grpc.aio.AioRpcError as error:
            return time.perf_counter(), reason_of(error).reason.value
        finally:
            running.set()
        return time.perf_counter(), "WROTE TO THE END"

    listening = asyncio.create_task(listen())
    await running.wait()
    began = time.perf_counter()
    await scene.move(agreement, "Suspend")
    seen.call_ms.append((time.perf_counter() - began) * 1e3)
    at, reason = await listening
    seen.refusal_ms.append((at - began) * 1e3)
    seen.reasons[reason] = seen.reasons.get(reason, 0) + 1
    try:
        await last_of(_generate(inference, cube, 1))
    except grpc.aio.AioRpcError:
        pass
    else:
        seen.late_reads += 1
    await scene.move(agreement, "Resume")
    await _until_allowed(inference, cube)


async def _until_allowed(inference: Any, cube: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await last_of(_generate(inference, cube, 1))
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.01)
                continue
            return


async def generations(rounds: int) -> dict[str, Any]:
    """Run a platform; cut so many generations with a KV cache mounted, and as many with an adapter."""
    os.environ.setdefault("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    with tempfile.TemporaryDirectory() as folder:
        async with running_platform(SERVICES, data_dir=Path(folder), tenant_calls_per_s=0.0) as platform:
            scene = Scene(
                platform, await platform.organisation("seller"), buyer := await platform.organisation("buyer")
            )
            await scene.publish(licence(*_ACTIONS, calls=None, forms=_FORMS))
            agreement, pack = await scene.agree_and_pull("pack")
            inference = InferenceServiceStub(platform.channel(buyer.owner_key))
            cubes = await _derived(scene, inference, pack)
            found = {}
            for form, cube in cubes.items():
                seen = Seen()
                for _ in range(rounds):
                    await _cut(seen, scene, inference, cube, agreement)
                found[f"generation_with_{form}_mounted"] = seen.report()
    return found
