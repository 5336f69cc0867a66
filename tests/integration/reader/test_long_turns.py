"""Sessions with turns that are cut into several facts, sent again."""

from __future__ import annotations

from datetime import UTC, datetime

import grpc
import pytest

from memporium.reader.v1 import remember_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.platform import running_platform

LONG = "Short beginning. " + "word " * 400 + "end."


@pytest.fixture
async def remember(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(("vault", "inference", "reader"), data_dir=tmp_path) as platform:
        org = await platform.organisation("acme")
        channel = platform.channel(org.owner_key)
        request = vault_service_pb2.CreateVaultRequest(parent=org.name, vault_id="v", vault=vault_pb2.Vault())
        parent = (await VaultServiceStub(channel).CreateVault(request)).vault.name

        async def send(*texts):
            async def requests():
                yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=parent, session="s"))
                for number, text in enumerate(texts):
                    turn = remember_pb2.Turn(id=f"t{number}", speaker="Ada", text=text)
                    turn.time.FromDatetime(datetime(2024, 5, 6, tzinfo=UTC))
                    yield remember_pb2.RememberRequest(turn=turn)

            return await ReaderServiceStub(channel).Remember(requests())

        yield send


@pytest.mark.parametrize("text", [LONG, "One line.\nAnother line. " + "x" * 2_000, "w" * 5_000, "A. " * 600])
async def test_a_long_turn_is_known_when_it_is_sent_again(remember, text):
    assert (await remember(text)).cubes[0].facts > 1
    again = await remember(text, "And one more.")
    assert (again.known_turns, again.turns) == (1, 2)


async def test_a_long_turn_that_begins_otherwise_is_refused(remember):
    await remember(LONG)
    with pytest.raises(grpc.aio.AioRpcError, match="another text"):
        await remember("Another beginning. " + LONG)
