"""What Recall is compared with: the same questions to the same model, from other contexts."""

from __future__ import annotations

import asyncio

import pytest

from memporium.client import Client
from memporium.eval import locomo
from memporium.eval.journal import Journal
from memporium.eval.memories import KINDS, Choice
from memporium.eval.models import ModelError, Reply
from memporium.eval.running import Plan, Running
from support import benchmarks
from support.evaluation import knowing

DOG = "What is Clara's dog called?"


class Reading:
    """Answers with the first words of what it is given, and takes note of the order in which it is asked."""

    name = "reading"

    def __init__(self, asked):
        self.asked = asked

    def ask(self, instructions, material, *, max_tokens):
        self.asked.append(material)
        return Reply(
            '{"right": true}' if "Verdict:" in material else knowing(_body(instructions, material)), 10, 2, 0.5
        )


def _body(instructions, material):
    return {"messages": [{"content": instructions}, {"content": material}]}


@pytest.mark.parametrize("kind", KINDS)
async def test_the_same_questions_are_answered_from_another_memory(world, tmp_path, kind):
    asked = []
    async with world() as here:

        def run():
            model = Reading(asked)
            with (
                Client(here.platform.address, api_key=here.org.owner_key) as client,
                Journal(tmp_path / "run", {}) as journal,
            ):
                choice = Choice(kind, budget_tokens=400)
                plan = Plan(here.org.name, "eval-x", model, model, memory=choice, concurrency=1, keep=True)
                assert Running(client, journal, plan).run(locomo.load(benchmarks.locomo(tmp_path, samples=1))) == 1
                return journal.all("recall"), journal.all("answer"), journal.all("session")

        recalled, answered, sessions = await asyncio.to_thread(run)
        # What needs no platform makes no vault there.
        assert len(await here.vaults()) == len(sessions) // 2 == int(kind in {"recall", "vectors"})
    context = next(material for material in asked if f"Question: {DOG}" in material).split("Question: ")[0]
    found = recalled["conv-0:1"]["found"]
    assert ("Biscuit" in context) is (kind != "none")
    assert (["session_2", "D2:2"] in found) is (kind != "none")
    assert answered["conv-0:1"]["text"] == ("not mentioned" if kind == "none" else "Biscuit")
    assert ("pottery workshop" in context) is (kind in {"full", "recall", "vectors"})
    assert all(one["context_tokens"] <= 400 for one in recalled.values())
    # Each answer comes before the first verdict; the words of the right answer, and that there is none, need none.
    assert ["Verdict:" in material for material in asked] == [False] * 5 + [True] * 3


async def test_a_draw_of_questions_is_answered_without_memory_and_with_the_best_turns_by_words(world, tmp_path):
    async with world() as here:
        data = benchmarks.locomo(tmp_path, samples=6)
        options = (
            "locomo", "--data", data, "--answer-model", "far", "--questions", 6,
            "--category", "single-hop", "--category", "temporal",
        )  # fmt: skip
        without = await here.result(*options, "--run", tmp_path / "none", "--memory", "none")
        turns = await here.result(*options, "--run", tmp_path / "bm25", "--memory", "bm25")
        assert await here.vaults() == []
        status, _out, err = await here.run(*options, "--run", tmp_path / "bm25", "--memory", "full")
        assert (status, "another memory" in err) == (2, True)
    for result in (without, turns):
        assert {kind: one["questions"] for kind, one in result["categories"].items()} == {
            "single-hop": 3,
            "temporal": 3,
        }
    assert (without["categories"]["single-hop"]["f1"], turns["categories"]["single-hop"]["f1"]) == (0, 1)
    assert (without["context_tokens"], without["sessions"]) == (0, 0)
    assert set(without["by_evidence"]) == {"none"}
    assert turns["by_evidence"]["all"] == {"questions": 6, "f1": 1, "exact": 1, "bleu1": 1}


async def test_a_judge_that_failed_is_asked_again_and_nobody_else(world, tmp_path):
    asked = []

    class Failing(Reading):
        def ask(self, instructions, material, *, max_tokens):
            if "Verdict:" in material and len(asked) == 7:
                raise ModelError("gone")
            return super().ask(instructions, material, max_tokens=max_tokens)

    async with world() as here:

        def run(judge):
            with (
                Client(here.platform.address, api_key=here.org.owner_key) as client,
                Journal(tmp_path / "run", {}) as journal,
            ):
                plan = Plan(here.org.name, "eval-x", Reading(asked), judge, memory=Choice("none"), concurrency=1)
                Running(client, journal, plan).run(locomo.load(benchmarks.locomo(tmp_path, samples=1)))
                return journal.all("verdict")

        with pytest.raises(ModelError, match="gone"):
            await asyncio.to_thread(run, Failing(asked))
        assert ["Verdict:" in material for material in asked] == [False] * 5 + [True] * 2
        verdicts = await asyncio.to_thread(run, Reading(asked))
    assert sorted(one["right"] for one in verdicts.values()) == [False] + [True] * 4
    assert len(asked) == len(set(asked)) == 8
