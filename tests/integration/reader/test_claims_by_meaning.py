"""Claims read by meaning with the packaged model, from Remember to Recall."""

from __future__ import annotations

import pytest
from integration.reader.test_contradiction import Memory

from support.platform import running_platform


@pytest.fixture
async def memory(tmp_path):
    async with running_platform(("vault", "inference", "reader"), data_dir=tmp_path) as platform:
        memory = Memory(platform, await platform.organisation("acme"))
        yield await memory.open(embedding_model="minilm-l6-v2-int8")


async def test_phrasings_that_no_rule_knows_supersede_each_other(memory):
    await memory.say("Globex pays my wages.")
    await memory.say("I was taken on by Initech.")
    await memory.say("Umbra pays Ada's wages now.", role="tool", speaker="search")
    answer = await memory.recall("Where does Ada work?")
    held = {item.claims[0].claim.value: item for item in answer.items if item.claims}
    assert answer.items[0].claims[0].claim.value == "Initech"
    assert held["Globex"].superseded_by
    assert held["Umbra"].in_conflict_with


async def test_a_name_must_be_of_the_attributes_kind(memory):
    await memory.say("I moved into a new flat in Lyon.")
    await memory.say("Tom Bird moved into my flat. I visited Rome. I got a new Volvo.")
    values = {(one.status.claim.attribute, one.status.claim.value) for one in await memory.claims(subject="Ada")}
    assert ("home", "Lyon") in values
    assert not {value for attribute, value in values if attribute == "home"} - {"Lyon"}


async def test_a_first_name_means_the_whole_one(memory):
    await memory.say("I live in Lyon.", speaker="Ada Rossi")
    await memory.say("Ada lives in Turin now.", speaker="Ben Stone")
    answer = await memory.recall("Where does Ada Rossi live?")
    assert answer.items[0].claims[0].claim.value == "Turin"
    assert any(item.superseded_by for item in answer.items)
