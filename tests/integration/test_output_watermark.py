"""Terms that ask for a watermark in answers: a provider finds its mark in what a subscriber's model wrote."""

from __future__ import annotations

import json

import grpc
import pytest

from memporium.inference.v1 import generate_pb2, watermark_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.inference.domain.watermark import evidence
from support.market import licence
from support.model_server import model_server
from support.platform import running_platform
from support.sold_pack import drained, published, pulled

SERVICES = ("governance", "vault", "memstore", "transfer", "inference")


async def tokens_of(inference, cube, seed, *, model="tiny-random", mounted=True):
    request = generate_pb2.GenerateRequest(
        model=model,
        prompt="tell me all about it",
        mounts=[generate_pb2.MemoryMount(cube=cube)] if mounted else [],
        max_tokens=200,
        temperature=2.0,
        seed=seed,
    )
    return [token for event in await drained(inference.Generate(request)) for token in event.delta.token_ids]


async def test_answers_from_marked_memory_carry_the_agreements_mark(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with model_server(lambda _body: "An answer of a model elsewhere.") as server:
        monkeypatch.setenv("MEMPORIUM_INFERENCE_REMOTE_MODELS", json.dumps(server.remote("remote")))
        async with running_platform(SERVICES, data_dir=tmp_path) as platform:
            seller, buyer = await platform.organisation("seller"), await platform.organisation("buyer")
            offer = await published(platform, seller.owner_key, licence(duties=["WATERMARK_OUTPUT"]))
            agreement, cube = await pulled(platform, buyer.owner_key, offer)
            inference = InferenceServiceStub(platform.channel(buyer.owner_key))
            marked = [token for seed in range(3) for token in await tokens_of(inference, cube, seed)]
            own = [token for seed in range(3) for token in await tokens_of(inference, cube, seed, mounted=False)]
            key = platform.kernel.keys.derive(f"output watermark {agreement}")
            assert evidence(key, marked, 258).z > 4
            assert evidence(key, own, 258).z < 4

            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await tokens_of(inference, cube, 1, model="remote")
            assert reason_of(caught.value).reason is Reason.LICENCE_NOT_PERMITTED

            request = watermark_pb2.DetectWatermarkRequest(
                parent="orgs/seller", agreements=[agreement], text="a text of nobody", model="tiny-random"
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await inference.DetectWatermark(request)
            assert reason_of(caught.value).reason is Reason.PERMISSION_DENIED
            asked = await InferenceServiceStub(platform.channel(seller.owner_key)).DetectWatermark(request)
            assert [(row.agreement, row.detected) for row in asked.evidence] == [(agreement, False)]
            assert asked.evidence[0].tokens > 5
