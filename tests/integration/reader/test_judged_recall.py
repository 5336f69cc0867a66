"""Recall with a language model that judges: a small one in the process, and endpoints that fail in every way."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from memporium.reader.v1 import recall_pb2, remember_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support import model_server as ways
from support.model_server import model_server
from support.platform import running_platform

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
TURNS = (
    "I went to the pottery workshop and made a blue bowl.",
    "My sister Clara adopted a greyhound called Biscuit.",
    "The bowl broke when Biscuit jumped on the table.",
    "Next week I will bake bread for the workshop.",
)
QUERY = "What happened to the blue bowl from the workshop?"


@asynccontextmanager
async def reading(tmp_path, monkeypatch, **settings):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    for name, value in settings.items():
        monkeypatch.setenv(f"MEMPORIUM_READER_{name.upper()}", str(value))
    async with running_platform(("vault", "inference", "reader"), data_dir=tmp_path) as platform:
        channel = platform.channel((await platform.organisation("acme")).owner_key)
        stub = ReaderServiceStub(channel)
        create = vault_service_pb2.CreateVaultRequest(parent="orgs/acme", vault_id="notes", vault=vault_pb2.Vault())
        parent = (await VaultServiceStub(channel).CreateVault(create)).vault.name

        async def requests():
            yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=parent, session="s"))
            for number, text in enumerate(TURNS):
                turn = remember_pb2.Turn(id=f"t{number}", speaker="Ada", text=text)
                turn.time.FromDatetime(MONDAY + timedelta(minutes=number))
                yield remember_pb2.RememberRequest(turn=turn)

        await stub.Remember(requests())

        async def recall(**options):
            return await stub.Recall(
                recall_pb2.RecallRequest(parent=parent, query=QUERY, options=recall_pb2.RecallOptions(**options))
            )

        yield recall


def plain(response):
    return [(item.text, item.score) for item in response.items]


async def test_a_model_in_the_process_has_its_part_in_the_scores(tmp_path, monkeypatch):
    settings = {"judge_model": "tiny-random", "judge_timeout_s": 250, "judge_statements": 3}
    async with reading(tmp_path, monkeypatch, **settings) as recall:
        off = await recall(likelihood=False)
        assert (off.trace.judge, off.trace.judge_us) == ("", 0)
        found = await recall()
    assert (found.trace.judge, found.trace.judge_failure) == ("tiny-random", "")
    assert 0 < found.trace.judge_us <= found.trace.total_us
    before, parts = dict(plain(off)), [item.scores.likelihood for item in found.items]
    assert [item.score for item in found.items] == pytest.approx(
        [before[item.text] + part for item, part in zip(found.items, parts, strict=True)]
    )
    assert [item.score for item in found.items] == sorted((item.score for item in found.items), reverse=True)
    # Of three that are judged the least likely gets nothing, and so does the one that is not.
    assert sum(part > 0 for part in parts) == 2
    assert found.items[3].text == off.items[3].text


@pytest.mark.parametrize(
    ("answer", "failure"),
    [(ways.HANG, "timeout"), (500, "unavailable"), (400, "failed_precondition"), ("no", "model_unavailable")],
)
async def test_recall_is_answered_as_without_it_whatever_the_model_does(tmp_path, monkeypatch, answer, failure):
    async with model_server(lambda _body: answer) as server:
        monkeypatch.setenv("MEMPORIUM_INFERENCE_REMOTE_MODELS", json.dumps(server.remote("far")))
        # A limit that is over is what is tested in one case; in the others it must not be what ends them.
        limit_s = 0.3 if answer == ways.HANG else 250
        async with reading(tmp_path, monkeypatch, judge_model="far", judge_timeout_s=limit_s) as recall:
            off, found = await recall(likelihood=False), await recall()
            assert (found.trace.judge, found.trace.judge_failure) == ("far", failure)
            assert plain(found) == plain(off)
            assert not any(item.scores.likelihood for item in found.items)
            # On a slow machine the limit may be over before the question is out.
            assert server.asked or answer == ways.HANG
