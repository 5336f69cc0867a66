"""How likely texts are: the same as the model's own probabilities, whatever goes together with what."""

from __future__ import annotations

import asyncio
import threading

import pytest
import torch

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators import likelihood
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.domain.scoring import ScoreTask
from memporium_services.inference.domain.values import GenerationTask, PromptRead, Sampling, Speaker, Turn

WORDS = "the sky over Mars is pink and at dusk it is blue as far as one can see from the northern plains "


@pytest.fixture(scope="module")
def loaded():
    return load_tiny_random()


@pytest.fixture
async def generator(loaded):
    made = TransformersGenerator("tiny", lambda: loaded)
    yield made
    await made.close()


def reference(loaded, prompt, text):
    """Return the log-probability by one plain pass over the whole, in double precision."""
    ids = loaded.tokenizer(prompt + text)["input_ids"]
    first = len(loaded.tokenizer(prompt)["input_ids"])
    with torch.inference_mode():
        logits = loaded.model(input_ids=torch.tensor([ids])).logits[0].double()
    chosen = torch.log_softmax(logits, -1)[range(first - 1, len(ids) - 1), ids[first:]]
    return float(chosen.sum())


async def test_texts_of_any_length_score_as_the_model_alone_scores_them(generator, loaded):
    # Short ones that share a pass, some as long as a pass, and prompts and texts of several passes.
    sizes = [(1, 1), (5, 40), (40, 5), (300, 211), (300, 212), (300, 213), (700, 9), (9, 700), (511, 2), (512, 600)]
    tasks = [ScoreTask((WORDS * 9)[:text], prompt=(WORDS * 9)[::-1][:prompt]) for prompt, text in sizes]
    found = await generator.score(tasks, isolation="")
    assert [(one.prompt_token_count, one.token_count) for one in found] == sizes
    wanted = [reference(loaded, task.prompt, task.continuation) for task in tasks]
    assert [one.log_probability for one in found] == pytest.approx(wanted, rel=1e-4)


async def test_the_order_of_texts_changes_nothing(generator):
    tasks = [ScoreTask(WORDS[:size], prompt=WORDS[size:]) for size in (3, 30, 60, 11)]
    forth = await generator.score(tasks, isolation="")
    back = await generator.score(tasks[::-1], isolation="")
    assert [one.log_probability for one in forth] == pytest.approx(
        [one.log_probability for one in back[::-1]], rel=1e-4
    )


async def test_a_dialogue_stands_in_the_models_own_format_and_its_answer_is_plain_text(generator, loaded):
    turns = (Turn(Speaker.SYSTEM, "be brief"), Turn(Speaker.USER, "colour?"))
    shown = "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\ncolour?<|im_end|>\n<|im_start|>assistant\n"
    (as_turns, as_text) = await generator.score(
        [ScoreTask("pink", turns), ScoreTask("pink", prompt=shown)], isolation=""
    )
    assert as_turns.log_probability == pytest.approx(as_text.log_probability, rel=1e-4)
    assert as_turns.log_probability == pytest.approx(reference(loaded, shown, "pink"), rel=1e-4)
    # What ends a turn in the format is no token of its own in an answer.
    (ends,) = await generator.score([ScoreTask("pink<|im_end|>", turns)], isolation="")
    assert ends.token_count > as_turns.token_count + 1


@pytest.mark.parametrize(("prompt", "text"), [("", "x"), ("x", ""), ("x", "y" * 8192)])
async def test_nothing_is_scored_of_nothing_and_nothing_is_cut(generator, prompt, text):
    with pytest.raises(PlatformError) as caught:
        await generator.score([ScoreTask("fine", prompt="fine"), ScoreTask(text, prompt=prompt)], isolation="")
    assert caught.value.reason is Reason.INVALID_FIELD
    assert "texts[1]" in str(caught.value)


async def test_who_leaves_ends_the_computation_and_others_write_meanwhile(generator, monkeypatch):
    passes, written, score = [], threading.Event(), likelihood._together

    def counted(model, rows):
        passes.append(len(rows))
        if len(passes) == 50:
            # However slow the reader is: half of the work is left when it is through.
            assert written.wait(60)
        return score(model, rows)

    monkeypatch.setattr(likelihood, "_together", counted)
    running = asyncio.ensure_future(generator.score([ScoreTask("x" * 250, prompt="y" * 250)] * 100, isolation=""))
    await asyncio.sleep(0)
    # Another begins and is answered while the long one is under way.
    events = [event async for event in generator.generate(GenerationTask(prompt="a", sampling=Sampling(3)))]
    assert isinstance(events[0], PromptRead)
    assert not running.done()
    running.cancel()
    written.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(passes) < 100


def test_groups_hold_texts_of_like_length_within_a_pass():
    sizes = [10, 500, 60, 62, 600, 58, 61]
    texts = [likelihood.ScoredIds([1], [2] * (size - 1)) for size in sizes]
    groups = [[sizes[place] for place in group] for group in likelihood._batches(texts)]
    assert groups == [[600], [500], [62, 61, 60, 58, 10]]
    assert likelihood.most_tokens(texts) == 600
    assert likelihood.most_tokens(texts[:1]) == 10
    assert likelihood.most_tokens([]) == 0
