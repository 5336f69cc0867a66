"""The facade with mem0's methods, over a running platform."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from memporium.memory import Memory

TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "My sister Clara adopted a greyhound (a big one)."},
    {"role": "assistant", "content": "What is it called?"},
    {"role": "user", "content": [{"type": "text", "text": "Biscuit."}, {"type": "image_url"}]},
]


@pytest.fixture
def memory(here, request):
    with Memory(here.address, api_key=here.key, prefix=f"m{abs(hash(request.node.name)) % 10**8}") as found:
        yield found


def test_what_is_added_is_found_listed_and_read(memory):
    added = memory.add(TALK, user_id="ada", metadata={"topic": "Dogs", "n": 3})["results"]
    assert [one["memory"] for one in added] == [
        "My sister Clara adopted a greyhound (a big one).",
        "What is it called?",
        "Biscuit.",
    ]
    assert {one["event"] for one in added} == {"ADD"}
    found = memory.search("Which dog did Clara adopt?", user_id="ada", limit=2)["results"]
    assert found[0]["memory"] == "My sister Clara adopted a greyhound (a big one)."
    assert found[0]["metadata"] == {"topic": "Dogs", "n": 3}
    assert found[0]["user_id"] == "ada"
    assert found[0]["score"] >= found[-1]["score"]
    assert len(found) == 2
    listed = memory.get_all(user_id="ada")["results"]
    assert {one["id"] for one in listed} == {one["id"] for one in added}
    assert memory.get(added[0]["id"])["memory"] == added[0]["memory"]
    assert memory.get(added[0]["id"])["role"] == "user"


def test_users_agents_and_runs_are_kept_apart(memory, here):
    memory.add("I like tea", user_id="ada", agent_id="a1", run_id="r1")
    memory.add("I like coffee", user_id="ada", agent_id="a2")
    memory.add("I like cocoa", user_id="Ada")
    assert [one["memory"] for one in memory.get_all(user_id="ada")["results"]] == ["I like tea", "I like coffee"]
    assert [one["memory"] for one in memory.get_all(user_id="ada", agent_id="a2")["results"]] == ["I like coffee"]
    assert [one["memory"] for one in memory.search("like", filters={"user_id": "ada", "run_id": "r1"})["results"]] == [
        "I like tea"
    ]
    assert memory.search("like", user_id="nobody") == {"results": []}
    assert memory.get_all(agent_id="a1") == {"results": []}
    with pytest.raises(ValueError, match="whose memory"):
        memory.search("like")
    one = memory.get_all(user_id="ada")["results"][0]
    with Memory(here.address, api_key=here.other_key, prefix=memory._store._prefix) as other:
        assert other.get(one["id"]) is None
        assert other.get_all(user_id="ada") == {"results": []}


def test_ids_are_told_apart_to_the_letter(memory):
    memory.add("one", user_id="Ada L", run_id="R1", metadata={"k": "v"})
    memory.add("two", user_id="Ada L", run_id="r1")
    assert [one["memory"] for one in memory.get_all(user_id="Ada L")["results"]] == ["one", "two"]
    (one,) = memory.get_all(user_id="Ada L", run_id="R1")["results"]
    assert (one["memory"], one["user_id"], one["run_id"], one["metadata"]) == ("one", "Ada L", "R1", {"k": "v"})
    assert [two["memory"] for two in memory.search("two", user_id="Ada L", run_id="r1")["results"]] == ["two"]
    memory.delete_all(user_id="Ada L", run_id="r1")
    assert [left["memory"] for left in memory.get_all(user_id="Ada L")["results"]] == ["one"]


def test_metadata_filter_to_the_letter(memory):
    memory.add("one", user_id="u", metadata={"kind": "A", "deep": {"x": [1]}})
    memory.add("two", user_id="u", metadata={"kind": "a"})
    memory.add("three", user_id="u", metadata={"kind": "A" * 500})
    assert [one["memory"] for one in memory.get_all(user_id="u", filters={"kind": "A"})["results"]] == ["one"]
    assert [one["memory"] for one in memory.get_all(user_id="u", filters={"kind": "A" * 500})["results"]] == ["three"]
    assert memory.get_all(user_id="u", filters={"kind": "A"})["results"][0]["metadata"]["deep"] == {"x": [1]}
    with pytest.raises(ValueError, match="at most"):
        memory.add("long", user_id="u", metadata={"x": "y" * 3_000})
    with pytest.raises(ValueError, match="JSON"):
        memory.add("odd", user_id="u", metadata={"x": object()})


def test_a_memory_is_changed_and_its_history_told(memory):
    moment = datetime(2024, 5, 6, 12, tzinfo=UTC)
    (one,) = memory.add("I live in Leith", user_id="ada", metadata={"a": 1}, timestamp=moment)["results"]
    memory.update(one["id"], "I live in Oslo")
    assert memory.get(one["id"])["memory"] == "I live in Oslo"
    assert memory.get(one["id"])["metadata"] == {"a": 1}
    history = memory.history(one["id"])
    assert [(step["old_memory"], step["new_memory"], step["event"]) for step in history] == [
        (None, "I live in Leith", "ADD"),
        ("I live in Leith", "I live in Oslo", "UPDATE"),
    ]
    assert [found["memory"] for found in memory.search("Where do I live?", user_id="ada")["results"]] == [
        "I live in Oslo"
    ]


def test_what_is_deleted_is_gone_with_its_history(memory):
    first, second = memory.add(
        [{"role": "user", "content": "tea"}, {"role": "user", "content": "cake"}], user_id="ada"
    )["results"]
    done = memory.delete(first["id"])
    assert "/receipts/" in done["receipt"]
    assert memory.get(first["id"]) is None
    assert memory.history(first["id"]) == []
    assert [one["id"] for one in memory.get_all(user_id="ada")["results"]] == [second["id"]]
    with pytest.raises(ValueError, match="no memory"):
        memory.delete(first["id"])
    for wrong in ("", "x", "other-vault/c", "../vaults/x/cubes/y", f"{first['id']}/y"):
        with pytest.raises(ValueError, match="no memory"):
            memory.delete(wrong)
    with pytest.raises(ValueError, match="no memory"):
        memory.update(first["id"], "x")


def test_a_question_of_any_length_is_asked_and_what_is_no_id_is_no_memory(memory):
    memory.add("I play chess.", user_id="long")
    assert memory.search("chess " * 5_000, user_id="long")["results"][0]["memory"] == "I play chess."
    assert memory.get("nonsense") is memory.get("memory-../../x") is None


def test_everything_of_a_user_or_a_run_is_deleted(memory):
    memory.add("a", user_id="ada", run_id="r1")
    memory.add("b", user_id="ada", run_id="r2")
    memory.add("c", user_id="ben")
    memory.delete_all(user_id="ada", run_id="r1")
    assert [one["memory"] for one in memory.get_all(user_id="ada")["results"]] == ["b"]
    memory.delete_all(user_id="ada")
    assert memory.get_all(user_id="ada") == {"results": []}
    assert memory.delete_all(user_id="nobody")["receipts"] == []
    memory.add("d", user_id="ada")
    assert [one["memory"] for one in memory.get_all(user_id="ada")["results"]] == ["d"]
    assert [one["memory"] for one in memory.get_all(user_id="ben")["results"]] == ["c"]


@pytest.mark.parametrize(
    "nothing", ["", "   ", [], [{"role": "user", "content": None}], [{"role": "system", "content": "x"}]]
)
def test_nothing_is_not_remembered(memory, nothing):
    with pytest.raises(ValueError, match="no text"):
        memory.add(nothing, user_id="ada")


def test_a_configuration_makes_one(here):
    with Memory.from_config({"address": here.address, "api_key": here.key, "prefix": "conf"}) as memory:
        assert memory.add({"role": "user", "content": "x"}, agent_id="only-agent")["results"][0]["memory"] == "x"
