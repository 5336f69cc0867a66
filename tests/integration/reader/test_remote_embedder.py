"""A vault whose embedder is behind an endpoint: remembered, recalled, and the endpoint away in between."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from memporium.inference.v1 import embed_pb2, inference_service_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.reader.v1 import recall_pb2, remember_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import search_pb2, vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support import embedding_server as ways
from support.embedding_server import embedding_server
from support.platform import running_platform

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
PREFIXES = {"query_prefix": "search_query: ", "document_prefix": "search_document: "}
KEY = "sk-secret-and-long"
QUERY = "What is the name of the greyhound of Clara?"


class Place:
    def __init__(self, channel):
        self.reader, self.vaults = ReaderServiceStub(channel), VaultServiceStub(channel)
        self.inference = InferenceServiceStub(channel)

    async def vault(self, name, model):
        wanted = vault_pb2.Vault(embedding_model=model)
        request = vault_service_pb2.CreateVaultRequest(parent="orgs/acme", vault_id=name, vault=wanted)
        return (await self.vaults.CreateVault(request)).vault.name

    async def remember(self, parent, *texts, session="s"):
        async def requests():
            yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=parent, session=session))
            for number, text in enumerate(texts):
                turn = remember_pb2.Turn(id=f"t{number}", speaker="Ada", text=text)
                turn.time.FromDatetime(MONDAY + timedelta(minutes=number))
                yield remember_pb2.RememberRequest(turn=turn)

        return await self.reader.Remember(requests())

    async def recall(self, parent):
        return await self.reader.Recall(recall_pb2.RecallRequest(parent=parent, query=QUERY))

    async def search(self, parent, mode):
        request = vault_service_pb2.SearchCubesRequest(parent=parent, query=QUERY, mode=mode, limit=3)
        return [hit.unit.text async for answer in self.vaults.SearchCubes(request) for hit in answer.hits]

    async def held(self, parent):
        return list((await self.vaults.ListCubes(vault_service_pb2.ListCubesRequest(parent=parent))).cubes)


@asynccontextmanager
async def placed(tmp_path, monkeypatch, server, **more):
    remote = server.remote("far", **PREFIXES, api_key=KEY, **more)
    monkeypatch.setenv("MEMPORIUM_INFERENCE_REMOTE_EMBEDDERS", json.dumps(remote))
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(("vault", "inference", "reader"), data_dir=tmp_path) as platform:
        yield Place(platform.channel((await platform.organisation("acme")).owner_key))


async def refusal(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert KEY not in str(caught.value)
    return reason_of(caught.value)


async def test_memory_and_questions_go_to_the_endpoint_each_with_its_prefix(tmp_path, monkeypatch):
    with embedding_server(key=KEY, dimensions=48) as server:
        async with placed(tmp_path, monkeypatch, server, texts_at_once=3) as place:
            listed = await place.inference.ListModels(inference_service_pb2.ListModelsRequest())
            (shown,) = [one for one in listed.models if one.name == "far"]
            assert (shown.engine, shown.dimensions) == ("openai-compatible", 48)
            assert (shown.query_prefix, shown.document_prefix) == tuple(PREFIXES.values())
            parent = await place.vault("notes", "far")
            texts = ["Clara has a greyhound called Biscuit.", "The blue bowl broke.", "Bread is baked on Friday."]
            await place.remember(parent, *texts)
            kept = len(server.texts)
            assert kept
            assert all(text.startswith("search_document: ") for text in server.texts)
            answer = await place.recall(parent)
            assert "Biscuit" in answer.items[0].text
            found = await place.search(parent, search_pb2.SEARCH_MODE_SEMANTIC)
            assert "Biscuit" in found[0]
            assert len(server.texts) > kept
            assert all(text.startswith("search_query: ") for text in server.texts[kept:])
            embedded = await place.inference.Embed(embed_pb2.EmbedRequest(model="far", texts=["plain", ""]))
            assert server.texts[-1] == "search_document: plain"
            assert embedded.model_fingerprint == shown.fingerprint
            assert not any(embedded.embeddings[1].values)
            vault = (await place.vaults.GetVault(vault_service_pb2.GetVaultRequest(name=parent))).vault
            assert (vault.embedding_model, vault.embedding_dimensions) == ("far", 48)


async def test_while_the_endpoint_is_away_nothing_is_half_written_and_words_are_still_found(tmp_path, monkeypatch):
    with embedding_server(key=KEY) as server:
        async with placed(tmp_path, monkeypatch, server) as place:
            parent, near = await place.vault("notes", "far"), await place.vault("near", "")
            await place.remember(parent, "Clara has a greyhound called Biscuit.")
            before = [(one.name, one.etag) for one in await place.held(parent)]
            server.instead = ways.AWAY
            error = await refusal(place.remember(parent, "The blue bowl broke.", session="later"))
            assert error.reason is Reason.UNAVAILABLE
            assert "far" in error.message
            assert [(one.name, one.etag) for one in await place.held(parent)] == before
            # A question that nobody can embed fails; by its words alone it is answered.
            for call in (place.recall(parent), place.search(parent, search_pb2.SEARCH_MODE_HYBRID)):
                assert (await refusal(call)).reason is Reason.UNAVAILABLE
            found = await place.search(parent, search_pb2.SEARCH_MODE_FULL_TEXT)
            assert "Biscuit" in found[0]
            # Vaults of other embedders do not notice.
            await place.remember(near, "Clara has a greyhound called Biscuit.")
            assert "Biscuit" in (await place.recall(near)).items[0].text
            server.instead = None
            await place.remember(parent, "The blue bowl broke.", session="later")
            assert len(await place.held(parent)) == len(before) + 1
            assert "Biscuit" in (await place.recall(parent)).items[0].text


@pytest.mark.parametrize(
    ("instead", "reason"), [(404, Reason.MODEL_UNAVAILABLE), (429, Reason.OVERLOADED), (b"{", Reason.UNAVAILABLE)]
)
async def test_why_the_endpoint_does_not_serve_is_told_to_the_writer(tmp_path, monkeypatch, instead, reason):
    with embedding_server(instead=instead) as server:
        async with placed(tmp_path, monkeypatch, server) as place:
            parent = await place.vault("notes", "far")
            assert (await refusal(place.remember(parent, "The blue bowl broke."))).reason is reason
            assert await place.held(parent) == []


async def test_another_embedder_answers_while_one_hangs(tmp_path, monkeypatch):
    with embedding_server(instead=ways.HANG) as server:
        async with placed(tmp_path, monkeypatch, server) as place:
            waiting = place.inference.Embed(embed_pb2.EmbedRequest(model="far", texts=["a"]))
            while not server.arrived.is_set():
                await place.inference.Embed(embed_pb2.EmbedRequest(model="hashing-384", texts=["a"]))
            assert not waiting.done()
        # The platform has stopped, and did not wait for the endpoint.
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(ended, (grpc.aio.AioRpcError, asyncio.CancelledError))
