"""KV and LoRA memory on `tiny-random`: equality of tokens, nothing mutated, foreign files refused, training learns."""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import aclosing
from dataclasses import replace

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.safetensors_views import view
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.adapters.trainers.peft_lora import PeftTrainer
from memporium_services.inference.domain.trainings import Example, TrainingPlan
from memporium_services.inference.domain.values import (
    AdapterBlob,
    Ended,
    Finish,
    GenerationTask,
    KvBlob,
    PromptRead,
    Sampling,
    Speaker,
    TextMemory,
    TextPiece,
    Turn,
)

TURNS = (Turn(Speaker.SYSTEM, "Be brief."), Turn(Speaker.USER, "What colour is the sky over Mars?"))


@pytest.fixture(scope="module")
def loaded():
    return load_tiny_random()


@pytest.fixture
async def generator(loaded):
    made = TransformersGenerator("tiny-random", lambda: loaded)
    yield made
    await made.close()


async def run(generator, task):
    async with aclosing(generator.generate(task)) as events:
        found = [event async for event in events]
    tokens = [token for event in found if isinstance(event, TextPiece) for token in event.token_ids]
    text = "".join(event.text for event in found if isinstance(event, TextPiece))
    return found[0], tokens, text, found[-1]


async def build(generator, memories):
    built = await generator.build_kv(memories, progress=lambda _done, _total: None)
    return KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count)


@pytest.mark.parametrize("characters", [1, 40, 350, 1500])
async def test_kv_memory_gives_the_tokens_of_the_same_memory_as_text(generator, characters):
    memories = [TextMemory(("The sky over Mars is pink. " * 60)[:characters], "Mars", "book"), TextMemory("And dusty.")]
    sampling = Sampling(max_tokens=32)
    as_text = await run(generator, GenerationTask(sampling, TURNS, memories=tuple(memories)))
    kv = await build(generator, memories)
    before = hashlib.sha256(kv.data).hexdigest()
    as_kv = await run(generator, GenerationTask(sampling, TURNS, kvs=(kv,)))
    again = await run(generator, GenerationTask(sampling, TURNS, kvs=(kv,)))
    assert as_text[1] == as_kv[1] == again[1]
    assert len(as_text[1]) > 4
    assert as_text[0].prompt_tokens == as_kv[0].prompt_tokens
    assert as_kv[0].cached_tokens == kv.token_count
    assert as_text[0].cached_tokens == 0
    assert hashlib.sha256(kv.data).hexdigest() == before


async def test_kv_and_text_memory_stand_in_their_order(generator):
    first, second = TextMemory("The sky is pink.", "a"), TextMemory("The ground is red.", "b")
    kv = await build(generator, [first])
    mounted = await run(generator, GenerationTask(Sampling(8), TURNS, memories=(second,), kvs=(kv,)))
    assert mounted[0].prompt_tokens > kv.token_count
    without = await run(generator, GenerationTask(Sampling(8), TURNS, kvs=(kv,)))
    assert mounted[1] != without[1]


async def test_kv_memory_continues_a_raw_prompt(generator):
    memory = TextMemory("abc " * 30)
    kv = await build(generator, [memory])
    as_text = await run(generator, GenerationTask(Sampling(16), prompt="go on", memories=(memory,)))
    as_kv = await run(generator, GenerationTask(Sampling(16), prompt="go on", kvs=(kv,)))
    assert as_text[1] == as_kv[1]


async def test_kv_memory_of_another_model_is_refused(generator):
    kv = await build(generator, [TextMemory("abc")])
    own = generator.info.fingerprint.encode()
    foreign = replace(kv, data=bytearray(bytes(kv.data).replace(own, b"0" * 64)))
    with pytest.raises(PlatformError) as caught:
        await run(generator, GenerationTask(Sampling(4), TURNS, kvs=(foreign,)))
    assert caught.value.reason is Reason.MODEL_MISMATCH
    assert caught.value.metadata["expected"] == "0" * 64


@pytest.mark.parametrize("change", ["tokens", "count", "cut", "header"])
async def test_a_file_that_is_not_what_its_cube_says_is_refused(generator, change):
    kv = await build(generator, [TextMemory("abc")])
    if change == "tokens":
        kv = replace(kv, token_ids_sha256="0" * 64)
    elif change == "count":
        kv = replace(kv, token_count=kv.token_count - 1)
    elif change == "cut":
        kv = replace(kv, data=kv.data[:-16])
    else:
        kv = replace(kv, data=bytearray(b"\xff" * 64))
    with pytest.raises(PlatformError) as caught:
        await run(generator, GenerationTask(Sampling(4), TURNS, kvs=(kv,)))
    assert caught.value.reason is Reason.INTEGRITY_FAILURE


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {"a": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32"}},
        {"a": [1]},
        {"__metadata__": 3},
        [],
    ],
)
def test_malformed_tensor_files_are_refused(header):
    text = json.dumps(header).encode()
    with pytest.raises(PlatformError) as caught:
        view(bytearray(len(text).to_bytes(8, "little") + text + b"\0" * 4))
    assert caught.value.reason is Reason.INTEGRITY_FAILURE


async def test_the_answer_ends_at_a_stop_text(generator):
    _, _, text, _ = await run(generator, GenerationTask(Sampling(40), TURNS))
    stop = next(character for character in text[3:] if character.isascii() and character not in text[:3])
    _, _, cut, ended = await run(generator, GenerationTask(Sampling(40, stop=(stop,)), TURNS))
    assert cut == text[: text.index(stop)]
    assert ended.finish is Finish.STOP


async def test_a_prompt_beyond_the_limit_is_refused_and_not_cut(generator):
    with pytest.raises(PlatformError) as caught:
        await run(generator, GenerationTask(Sampling(4), prompt="x" * 200, max_prompt_tokens=100))
    assert caught.value.reason is Reason.INVALID_FIELD
    assert "200" in caught.value.message


async def test_a_caller_that_goes_frees_the_model(generator):
    async with aclosing(generator.generate(GenerationTask(Sampling(5000), prompt="x"))) as events:
        assert isinstance(await anext(events), PromptRead)
    found = await asyncio.wait_for(run(generator, GenerationTask(Sampling(4), prompt="x")), 30)
    assert isinstance(found[-1], Ended)


async def test_special_tokens_in_a_message_do_not_end_it(generator):
    plain = await run(generator, GenerationTask(Sampling(1), (Turn(Speaker.USER, "a<|im_end|>b"),)))
    assert plain[0].prompt_tokens > len("user\na<|im_end|>b")


@pytest.fixture(scope="module")
def trained():
    losses = []
    examples = [
        Example("The sky over Mars is pink.", "What is the sky over Mars?"),
        Example("The ground of Mars is red.", "What is the ground of Mars?"),
        Example("Mars has two small moons, Phobos and Deimos."),
    ]
    plan = TrainingPlan(rank=8, alpha=16, epochs=25, learning_rate=1e-2)

    async def train():
        trainer = PeftTrainer("tiny-random", load_tiny_random)
        result = await trainer.train(examples, plan, progress=lambda *step: losses.append(step))
        await trainer.close()
        return result

    return asyncio.run(train()), losses


def adapter_of(result):
    return AdapterBlob("tenant/x", bytearray(result.data), result.rank, result.alpha, result.target_modules)


async def test_training_lowers_the_loss_and_reports_its_steps(trained):
    result, losses = trained
    assert result.loss_after < result.loss_before * 0.7
    assert losses[-1][1] == 25
    # What is known is not learned again and again.
    assert losses[-1][0] == result.steps <= 25
    assert set(result.target_modules) >= {"q_proj", "v_proj", "up_proj"}


async def test_an_adapter_changes_the_answer_and_leaves_no_trace(generator, trained):
    task = GenerationTask(Sampling(24), (Turn(Speaker.USER, "What is the sky over Mars?"),))
    bare = await run(generator, task)
    mounted = await run(generator, replace(task, adapters=(adapter_of(trained[0]),)))
    after = await run(generator, task)
    assert mounted[1] != bare[1]
    assert after[1] == bare[1]
    assert mounted[1] == (await run(generator, replace(task, adapters=(adapter_of(trained[0]),))))[1]


async def test_two_adapters_are_mounted_together(generator, trained):
    one = adapter_of(trained[0])
    task = GenerationTask(Sampling(16), TURNS)
    both = await run(generator, replace(task, adapters=(one, replace(one, key="tenant/y"))))
    single = await run(generator, replace(task, adapters=(one,)))
    assert both[1] != single[1]


@pytest.mark.parametrize("wrong", [{"rank": 4}, {"target_modules": ("q_proj",)}, {"target_modules": ("no_such",)}])
async def test_an_adapter_that_does_not_fit_is_refused_and_the_model_stays_clean(generator, trained, wrong):
    task = GenerationTask(Sampling(8), TURNS)
    bare = await run(generator, task)
    with pytest.raises(PlatformError) as caught:
        await run(generator, replace(task, adapters=(replace(adapter_of(trained[0]), key="tenant/z", **wrong),)))
    assert caught.value.reason in {Reason.MODEL_MISMATCH, Reason.INTEGRITY_FAILURE}
    assert (await run(generator, task))[1] == bare[1]


async def test_training_ends_when_its_caller_goes():
    trainer, begun = PeftTrainer("tiny-random", load_tiny_random), asyncio.Event()
    plan = TrainingPlan(epochs=100_000)
    task = asyncio.create_task(trainer.train([Example("endless text " * 20)], plan, progress=lambda *_: begun.set()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 30)
    await asyncio.wait_for(trainer.close(), 30)


async def test_too_much_text_to_train_on_is_refused():
    trainer = PeftTrainer("tiny-random", load_tiny_random)
    with pytest.raises(PlatformError) as caught:
        await trainer.train([Example("x" * 300)], TrainingPlan(max_tokens=100), progress=lambda *_: None)
    assert caught.value.reason is Reason.INVALID_FIELD
    await trainer.close()
