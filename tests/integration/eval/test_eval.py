"""`memporium eval` end to end: a platform, a model that answers and judges, files in the public formats."""

from __future__ import annotations

import asyncio
import json
import re
import signal

import pytest

from support import benchmarks
from support.evaluation import knowing


async def test_locomo_is_remembered_recalled_answered_and_judged(world, tmp_path):
    async with world() as here:
        data = benchmarks.locomo(tmp_path)
        result = await here.result(
            "locomo", "--data", data, "--run", tmp_path / "run", "--answer-model", "far", "--judge-model", "x",
            "--judge-url", here.server.base_url, "--price", "answer=1,2", "--price", "judge=1,1",
        )  # fmt: skip
        assert await here.vaults() == []
        status, out, _err = await here.run(
            "locomo", "--data", data, "--run", tmp_path / "run", "--answer-model", "far", "--judge-model", "x",
            "--judge-url", here.server.base_url,
        )  # fmt: skip
    assert result == json.loads((tmp_path / "run" / "result.json").read_text()) | {"cost": result["cost"]}
    assert (result["overall"]["questions"], result["sessions"], result["turns"]) == (10, 4, 8)
    by = result["categories"]
    assert by["single-hop"]["accuracy"] == by["temporal"]["accuracy"] == by["adversarial"]["accuracy"] == 1
    assert (by["single-hop"]["f1"], by["single-hop"]["exact"], by["single-hop"]["recall@5"]) == (1, 1, 1)
    assert by["multi-hop"]["accuracy"] == 0
    assert by["multi-hop"]["all@10"] == 1
    assert by["open-domain"]["questions"] == 2
    assert "recall@5" not in by["open-domain"]
    assert result["tokens"]["answer"]["in"] == 110
    assert result["cost"]["judge"] == pytest.approx(sum(result["tokens"]["judge"].values()) / 1_000_000)
    # What was done is not done again: the second run asked nobody and shows the same table. Nor was the judge asked about
    # the four answers in the words of the right one.
    assert len(here.server.asked) == 16
    assert status == 0
    assert re.search(r"single-hop\s+2\s+1\.000\s+1\.000", out)


async def test_longmemeval_without_a_model_measures_what_is_recalled(world, tmp_path):
    async with world() as here:
        data = benchmarks.longmemeval(tmp_path, questions=2)
        result = await here.result("longmemeval", "--data", data, "--run", tmp_path / "run", "--no-llm", "--keep")
        assert len(await here.vaults()) == 4
    assert not here.server.asked
    assert result["categories"]["single-session-user"]["recall@5"] == 1
    assert result["categories"]["single-session-user"]["session@1"] == 1
    assert result["categories"]["abstention"] == {"questions": 2}
    assert result["recall_seconds"]["p50"] > 0
    assert '"context": ""' in (tmp_path / "run" / "journal.jsonl").read_text()


async def test_personamem_is_asked_before_the_user_changes_their_mind_and_after(world, tmp_path):
    async with world() as here:
        questions, contexts = benchmarks.personamem(tmp_path)
        options = ("--data", questions, "--contexts", contexts, "--run", tmp_path / "run", "--answer-model", "far")
        result = await here.result("personamem", *options)
        contexts.write_text(contexts.read_text() + "\n")
        status, _out, err = await here.run("personamem", *options)
        assert (status, "another contexts_sha256" in err) == (2, True)
    assert {name: one["accuracy"] for name, one in result["categories"].items()} == {"recall": 1, "suggest": 1}
    early, late = (one["messages"][1]["content"] for one in here.server.asked)
    assert "sailing" not in early.split("Question:")[0]
    assert "sailing" in late.split("Question:")[0]


async def test_a_run_that_was_killed_goes_on_where_it_was(world, tmp_path):
    async with world() as here:
        data = benchmarks.locomo(tmp_path, samples=6)
        options = ("locomo", "--data", data, "--run", tmp_path / "run", "--answer-model", "far", "--concurrency", 2)
        kills = 0
        for enough in (4, 11, 19):
            process = await here.start(*options)
            while process.returncode is None and len(here.server.asked) < enough:
                await asyncio.sleep(0.005)
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            await process.communicate()
        result = await here.result(*options)
        assert await here.vaults() == []
    assert kills == 3
    assert (result["overall"]["questions"], result["sessions"], result["turns"]) == (30, 12, 24)
    assert all(one["questions"] == 6 for one in result["categories"].values())
    # Only what was under way at a kill, two at most, was asked for once more.
    assert 30 <= len(here.server.asked) <= 30 + 2 * kills
    assert result["categories"]["single-hop"]["f1"] == 1


async def test_a_model_that_fails_stops_the_run_which_then_goes_on(world, tmp_path):
    failing = True

    def answer(body):
        return 401 if failing and len(here.server.asked) > 3 else knowing(body)

    async with world(answer) as here:
        data = benchmarks.locomo(tmp_path)
        options = (
            "locomo", "--data", data, "--run", tmp_path / "run", "--answer-model", "m", "--answer-url", here.server.base_url,
            "--concurrency", 1,
        )  # fmt: skip
        status, _out, err = await here.run(*options)
        assert (status, "status 401" in err, "goes on from here" in err, "Traceback" in err) == (1, True, True, False)
        failing = False
        result = await here.result(*options)
        assert result["overall"]["questions"] == 10
        assert len(here.server.asked) == 11


async def test_a_question_that_a_model_refuses_stays_open_and_the_others_are_answered(world, tmp_path):
    refusing = True

    def answer(body):
        return (
            400 if refusing and "dog" in body["messages"][1]["content"].rsplit("Question: ", 1)[-1] else knowing(body)
        )

    async with world(answer) as here:
        data = benchmarks.locomo(tmp_path, samples=1)
        options = (
            "locomo", "--data", data, "--run", tmp_path / "run", "--answer-model", "m", "--answer-url", here.server.base_url,
        )  # fmt: skip
        status, out, err = await here.run(*options, "--json")
        result = json.loads(out)
        assert (status, result["complete"], "1 questions were refused" in err) == (1, False, True)
        assert result["categories"]["temporal"]["f1"] == 1
        asked = len(here.server.asked)
        refusing = False
        result = await here.result(*options)
        assert result["complete"] is True
        assert result["categories"]["single-hop"]["f1"] == 1
        # The one that was refused alone is asked again.
        assert len(here.server.asked) == asked + 1
        assert await here.vaults() == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "--no-llm"),
        (("--no-llm", "--memory", "everything"), "must be one of recall, none, bm25"),
        (("--answer-url", "http://127.0.0.1:9/v1"), "name of its model"),
        (("--answer-url", "http://[::1", "--answer-model", "m"), "--answer-url"),
        (("--no-llm", "--price", "answer=1"), "ROLE=IN,OUT"),
        (("--no-llm", "--category", "temprol"), "no question of these kinds; it has"),
        (("--no-llm", "--price", "owner=1,1"), "answer and judge"),
    ],
)
async def test_wrong_use_is_said(world, tmp_path, arguments, why):
    async with world() as here:
        data = benchmarks.locomo(tmp_path)
        status, _out, err = await here.run("locomo", "--data", data, "--run", tmp_path / "run", *arguments)
    assert (status, why in err, "Traceback" in err) == (2, True, False)


async def test_a_folder_with_another_run_is_not_mixed_up_and_foreign_data_are_refused(world, tmp_path):
    async with world() as here:
        data = benchmarks.locomo(tmp_path)
        await here.result("locomo", "--data", data, "--run", tmp_path / "run", "--no-llm", "--samples", 1)
        status, _out, err = await here.run("locomo", "--data", data, "--run", tmp_path / "run", "--no-llm")
        assert (status, "another samples" in err) == (2, True)
        data.write_text(json.dumps(json.loads(data.read_text())[:1] * 2))
        status, _out, err = await here.run("locomo", "--data", data, "--run", tmp_path / "twice", "--no-llm")
        assert (status, "is there twice" in err) == (2, True)
        data.write_text("[{}]")
        status, _out, err = await here.run("locomo", "--data", data, "--run", tmp_path / "other", "--no-llm")
        assert (status, "LoCoMo's format" in err) == (2, True)
