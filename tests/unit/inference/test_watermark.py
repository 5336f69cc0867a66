"""The watermark in what models write: found with its key in marked text, and in no other."""

from __future__ import annotations

import math
import random
from contextlib import aclosing
from dataclasses import replace

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.app.fair_queue import FairQueue
from memporium_services.inference.app.registry import Registry, RunningGenerator
from memporium_services.inference.app.watermarks import Watermarks
from memporium_services.inference.domain.memory import Licence
from memporium_services.inference.domain.values import GenerationTask, Sampling, TextPiece
from memporium_services.inference.domain.watermark import SHARE, evidence, least_z, preferred

VOCABULARY = 5_000
KEY, OTHER = b"k" * 32, b"o" * 32
MARKED, PLAIN = "orgs/p/agreements/marked", "orgs/p/agreements/plain"


def written(key, count, chance, *, strength):
    """Return tokens of which a share is chosen among the preferred ones."""
    ids = [0]
    for _ in range(count):
        ids.append(chance.randrange(VOCABULARY))
        if key and chance.random() < strength:
            green = preferred(key, ids[-2], VOCABULARY).nonzero()[0]
            ids[-1] = int(green[chance.randrange(len(green))])
    return ids


def test_a_quarter_is_preferred_and_each_token_and_key_has_its_own():
    masks = [preferred(key, before, VOCABULARY) for key in (KEY, OTHER) for before in (0, 1, 70_000)]
    assert all(mask.shape == (VOCABULARY,) for mask in masks)
    assert all(abs(mask.mean() - SHARE) < 0.03 for mask in masks)
    assert len({mask.tobytes() for mask in masks}) == len(masks)


def test_what_is_preferred_never_changes():
    # Texts that are out in the world were marked with these.
    assert preferred(KEY, 7, 64).nonzero()[0].tolist() == [
        1,
        5,
        6,
        20,
        22,
        32,
        35,
        39,
        40,
        41,
        46,
        47,
        48,
        49,
        51,
        59,
        62,
    ]


def test_marked_text_is_found_and_plain_text_and_wrong_keys_are_not():
    chance = random.Random(3)
    for _ in range(50):
        marked, plain = written(KEY, 100, chance, strength=0.5), written(None, 100, chance, strength=0)
        assert evidence(KEY, marked, VOCABULARY).z > 4
        assert evidence(OTHER, marked, VOCABULARY).z < 4
        assert evidence(KEY, plain, VOCABULARY).z < 4


def test_the_score_of_plain_text_is_normal():
    chance = random.Random(4)
    found = [evidence(KEY, written(None, 200, chance, strength=0), VOCABULARY).z for _ in range(400)]
    mean = sum(found) / len(found)
    assert abs(mean) < 0.2
    assert abs(math.sqrt(sum((z - mean) ** 2 for z in found) / len(found)) - 1) < 0.12


def test_saying_the_same_again_proves_nothing_more():
    chance = random.Random(5)
    once = written(KEY, 30, chance, strength=1.0)
    assert evidence(KEY, once * 50, VOCABULARY).tokens <= len(once) + 1
    assert evidence(KEY, [7], VOCABULARY).z == 0.0


def test_more_keys_need_more_evidence():
    bars = [least_z(keys) for keys in (1, 10, 1000)]
    assert bars[0] == 4.0
    assert bars == sorted(bars)
    assert 5 < bars[-1] < 6


@pytest.fixture
async def world():
    generator = TransformersGenerator("tiny-random", load_tiny_random)
    await generator.load()
    queue = FairQueue(max_waiting=1, max_waiting_per_tenant=1)
    registry = Registry(
        embedders={},
        generators={"tiny-random": RunningGenerator(generator, queue, None, queue)},
        default_embedder="",
        default_generator="tiny-random",
    )
    yield generator, Watermarks(registry, lambda label: label.encode().ljust(32))
    await generator.close()


async def answers(generator, keys):
    tokens = []
    for seed in range(4):
        sampling = Sampling(150, temperature=2.0, seed=seed)
        task = GenerationTask(sampling, prompt="tell a long story", watermark_keys=keys)
        async with aclosing(generator.generate(task)) as events:
            tokens += [token async for event in events if isinstance(event, TextPiece) for token in event.token_ids]
    return tokens


async def test_a_model_marks_what_it_writes_for_the_agreements_that_ask(world):
    generator, watermarks = world
    licences = [Licence(MARKED, duties=("attribute", "watermark-output")), Licence(PLAIN, duties=("attribute",))]
    keys = watermarks.keys(licences, generator.info)
    assert len(keys) == 1
    size = generator.info.vocabulary_size
    assert evidence(keys[0], await answers(generator, keys), size).z > 4
    assert evidence(keys[0], await answers(generator, ()), size).z < 4


async def test_a_provider_finds_its_mark_in_a_text(world):
    generator, watermarks = world
    (key,) = watermarks.keys([Licence(MARKED, duties=("watermark-output",))], generator.info)
    chance, letters, text = random.Random(6), "abcdefghijklmnopqrstuvwxyz ", "a"
    ids = {letter: (await generator.token_ids(letter))[0] for letter in letters}
    for _ in range(300):
        green = preferred(key, ids[text[-1]], generator.info.vocabulary_size)
        liked = [letter for letter in letters if green[ids[letter]]]
        text += chance.choice(liked if liked and chance.random() < 0.7 else letters)
    found = await watermarks.detect("orgs/p", [PLAIN, MARKED, PLAIN], text, "")
    assert [(row.agreement, row.detected) for row in found] == [(MARKED, True), (PLAIN, False)]
    assert found[0].evidence.p_value < 1e-5
    others = "".join(chance.choices(letters, k=300))
    assert not any(row.detected for row in await watermarks.detect("orgs/p", [MARKED, PLAIN], others, ""))


async def test_a_model_that_cannot_mark_is_refused(world):
    generator, watermarks = world
    remote = replace(generator.info, vocabulary_size=0)
    assert watermarks.keys([Licence(PLAIN)], remote) == ()
    with pytest.raises(PlatformError) as caught:
        watermarks.keys([Licence(MARKED, duties=("watermark-output",))], remote)
    assert caught.value.reason is Reason.LICENCE_NOT_PERMITTED
    assert caught.value.metadata["agreement"] == MARKED


@pytest.mark.parametrize("agreements", [["orgs/other/agreements/x"], ["orgs/p/listings/x"], [MARKED] * 1001])
async def test_only_a_providers_own_agreements_are_looked_for(world, agreements):
    with pytest.raises(PlatformError) as caught:
        await world[1].detect("orgs/p", agreements, "text", "")
    assert caught.value.reason is Reason.INVALID_FIELD
