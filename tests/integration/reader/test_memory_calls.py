"""Requests in plain language over gRPC, carried out by the client."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import grpc
import pytest

from memporium.ask import ask, forget
from memporium.client import Client
from memporium.cube.v1 import cube_pb2
from memporium.reader.v1 import memory_call_pb2 as pb
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform

PARENT = "orgs/acme/vaults/notes"


@pytest.fixture
async def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    async with running_platform(("vault", "inference", "reader"), data_dir=tmp_path) as platform:
        org = await platform.organisation("acme")
        with Client(platform.address, api_key=org.owner_key) as client:
            await asyncio.to_thread(client.vault.create_vault, parent="orgs/acme", vault_id="notes")
            yield client, ReaderServiceStub(platform.channel(org.owner_key))


async def test_a_request_is_read_with_its_reasons(place):
    _, reader = place
    request = pb.ParseMemoryCallRequest(parent=PARENT, text="What did Ana say last week?", time_zone="Europe/Oslo")
    request.now.FromDatetime(datetime(2024, 5, 15, 10, tzinfo=UTC))
    call = (await reader.ParseMemoryCall(request)).call
    assert (call.parent, call.kind, call.speaker) == (PARENT, pb.MEMORY_CALL_KIND_RECALL, "Ana")
    assert call.start_time.ToDatetime() == datetime(2024, 5, 5, 22)  # noqa: DTZ001 - midnight in Oslo
    assert {one.field: one.text for one in call.explanation}["time"] == "last week"
    again = pb.ParseMemoryCallRequest(parent=PARENT, text="and in March?", previous=call, now=request.now)
    assert (await reader.ParseMemoryCall(again)).call.start_time.ToDatetime() == datetime(2024, 3, 1)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ParseMemoryCallRequest(parent=PARENT, text="x" * 4097), "text"),
        (pb.ParseMemoryCallRequest(parent=PARENT, text="x", time_zone="Mars/Base"), "header.time_zone"),
        (pb.ParseMemoryCallRequest(parent=PARENT, text="x", previous=pb.MemoryCall()), "previous.kind"),
    ],
)
async def test_what_is_malformed_is_refused(place, request_, field):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await place[1].ParseMemoryCall(request_)
    error = reason_of(caught.value)
    assert (error.reason, error.fields[0].field) == (Reason.INVALID_FIELD, field)


async def test_keep_recall_change_list_forget(place):
    client, _ = place

    def talk():
        kept = ask(client, PARENT, "Remember that Ana's boat is called Heron.", speaker="Ben")
        assert len(kept.cubes) == 1
        ask(client, PARENT, "Note that the spare key is under the blue pot.")
        found = ask(client, PARENT, "What is Ana's boat called?")
        assert "Heron" in found.recalled.items[0].text
        [changed] = ask(client, PARENT, "Actually, Ana's boat is called Kestrel now.").cubes
        listed = ask(client, PARENT, "List all notes about the boat")
        assert len(listed.cubes) == 2
        nothing = ask(client, PARENT, "Forget it.")
        assert (nothing.to_confirm, nothing.cubes) == (True, ())
        for text in ("Forget everything except Ana's boat.", "List all notes but those on the boat", "Vergiss alles."):
            unclear = ask(client, PARENT, text)
            assert unclear.call.unclear
            assert (unclear.cubes, unclear.recalled) == ((), None)
            assert not forget(client, unclear).forgotten
        newest = ask(client, PARENT, "Forget the last note")
        assert newest.to_confirm
        assert [newest.titles[one] for one in newest.cubes] == [
            client.vault.get_cube(name=changed).cube.descriptive.title
        ]
        asked = ask(client, PARENT, "Forget everything about Ana.")
        assert asked.to_confirm
        assert len(asked.cubes) == 2
        assert all(asked.titles[one] for one in asked.cubes)
        count = len(client.vault.list_cubes(parent=PARENT).cubes)
        assert count == 3  # nothing has gone yet
        assert forget(client, asked).forgotten == 2
        left = client.vault.list_cubes(parent=PARENT).cubes
        assert len(left) == 1
        topic = ask(client, PARENT, "Delete the note about the spare key")
        assert topic.cubes == (left[0].name,)
        assert ask(client, PARENT, "how many notes are there").count == 1
        assert cube_pb2.CUBE_STATE_EXPIRED not in {one.governance.state for one in left}

    await asyncio.to_thread(talk)
