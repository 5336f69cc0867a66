"""Probabilities of texts from endpoints: those that give them, those that do not, and those that make them up."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
import torch

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.openai_compatible import OpenAiCompatibleGenerator
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.adapters.generators.vllm import VllmGenerator
from memporium_services.inference.domain.scoring import ScoreTask
from memporium_services.inference.domain.values import Speaker, Turn

TASKS = [ScoreTask(" pink at dusk", prompt="The sky over Mars is"), ScoreTask("yes", (Turn(Speaker.USER, "Is it?"),))]


class Endpoint:
    """Completions of a real small model, byte by byte, with `echo` or `prompt_logprobs`; `mend` changes the answer."""

    def __init__(self, mend=None, *, status=200):
        self._loaded, self._mend, self._status = load_tiny_random(), mend, status
        self.asked = []

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if head.startswith("get "):
            writer.write(b'HTTP/1.1 200 X\r\ncontent-length: 21\r\nconnection: close\r\n\r\n{"version": "0.11.0"}')
            await writer.drain()
            writer.close()
            return
        length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length"))
        body = json.loads(await reader.readexactly(length))
        self.asked.append(body)
        answer = {"choices": [self._choice(place, prompt, body) for place, prompt in enumerate(body["prompt"])][::-1]}
        if self._mend is not None:
            answer = self._mend(answer)
        data = json.dumps(answer).encode()
        writer.write(
            f"HTTP/1.1 {self._status} X\r\ncontent-length: {len(data)}\r\nconnection: close\r\n\r\n".encode() + data
        )
        await writer.drain()
        writer.close()

    def _choice(self, place, prompt, body):
        tokenizer = self._loaded.tokenizer
        ids = prompt if isinstance(prompt, list) else tokenizer(prompt)["input_ids"]
        with torch.inference_mode():
            logits = torch.log_softmax(self._loaded.model(input_ids=torch.tensor([ids])).logits[0], -1)
        values = [None, *(float(logits[at, token]) for at, token in enumerate(ids[1:]))]
        if "prompt_logprobs" in body:
            told = [None, *({str(token): {"logprob": value}} for token, value in zip(ids[1:], values[1:], strict=True))]
            return {"index": place, "text": "x", "prompt_logprobs": told}
        # Behind the prompt stands the token that was written.
        tokens = [*(tokenizer.decode([token]) for token in ids), "!"]
        offsets = [sum(map(len, tokens[:at])) for at in range(len(tokens))]
        logprobs = {"tokens": tokens, "token_logprobs": [*values, -0.5], "text_offset": offsets}
        return {"index": place, "text": "".join(tokens), "logprobs": logprobs}


@asynccontextmanager
async def serving(kind=OpenAiCompatibleGenerator, mend=None, *, status=200, **options):
    endpoint = Endpoint(mend, status=status)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    generator = kind("remote", base_url=f"http://127.0.0.1:{port}/v1", model="m", **options)
    try:
        yield endpoint, generator
    finally:
        await generator.close()
        server.close()


async def local(tasks):
    generator = TransformersGenerator("tiny", load_tiny_random)
    try:
        return await generator.score(tasks, isolation="")
    finally:
        await generator.close()


async def test_an_endpoint_that_gives_prompts_back_scores_as_the_model_does_here():
    async with serving() as (endpoint, generator):
        found = await generator.score(TASKS, isolation="orgs/a")
    here = await local([TASKS[0], ScoreTask(" yes", prompt="User: Is it?\nAssistant:")])
    assert [one.log_probability for one in found] == pytest.approx([one.log_probability for one in here], rel=1e-4)
    assert [(one.prompt_token_count, one.token_count) for one in found] == [(20, 13), (23, 4)]
    (body,) = endpoint.asked
    assert (body["model"], body["echo"], body["max_tokens"]) == ("m", True, 1)


def without_logprobs(answer):
    return {"choices": [{**choice, "logprobs": None} for choice in answer["choices"]]}


def without_the_prompt(answer):
    cut = [
        {name: values[-1:] for name, values in choice["logprobs"].items()} | {"text_offset": [0]}
        for choice in answer["choices"]
    ]
    return {"choices": [{**choice, "logprobs": told} for choice, told in zip(answer["choices"], cut, strict=True)]}


def with_holes(answer):
    answer["choices"][0]["logprobs"]["token_logprobs"][-2] = None
    return answer


def too_few(answer):
    return {"choices": answer["choices"][:1]}


@pytest.mark.parametrize(
    "mend", [without_logprobs, without_the_prompt, with_holes, too_few, lambda _: [], lambda _: {}]
)
async def test_an_endpoint_without_probabilities_of_a_prompt_is_told_as_such(mend):
    async with serving(mend=mend) as (_, generator):
        with pytest.raises(PlatformError, match="no log-probabilities") as caught:
            await generator.score(TASKS, isolation="orgs/a")
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.FAILED_PRECONDITION),
        (429, Reason.OVERLOADED),
        (404, Reason.MODEL_UNAVAILABLE),
        (500, Reason.UNAVAILABLE),
    ],
)
async def test_errors_of_the_endpoint_are_told_apart(status, reason):
    async with serving(status=status) as (_, generator):
        with pytest.raises(PlatformError) as caught:
            await generator.score(TASKS, isolation="orgs/a")
    assert caught.value.reason is reason


async def test_vllm_scores_by_the_models_own_tokens_and_format(tmp_path):
    loaded = load_tiny_random()
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    async with serving(VllmGenerator, folder=tmp_path, secret=str.encode) as (endpoint, generator):
        found = await generator.score(TASKS, isolation="orgs/a")
        await generator.score(TASKS[:1], isolation="orgs/b")
    here = await local(TASKS)
    assert [one.log_probability for one in found] == pytest.approx([one.log_probability for one in here], rel=1e-4)
    assert [one.token_count for one in found] == [one.token_count for one in here]
    # What two organisations ask shares no cache.
    first, second = endpoint.asked
    assert first["cache_salt"] != second["cache_salt"]


async def test_vllm_without_the_models_files_asks_for_an_echo():
    async with serving(VllmGenerator, secret=str.encode) as (endpoint, generator):
        found = await generator.score(TASKS[:1], isolation="orgs/a")
    (here,) = await local(TASKS[:1])
    assert found[0].log_probability == pytest.approx(here.log_probability, rel=1e-4)
    assert endpoint.asked[0]["echo"]
    assert endpoint.asked[0]["cache_salt"]
