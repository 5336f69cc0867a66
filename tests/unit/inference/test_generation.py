"""Generate over fakes: licences of mounts, citations, cuts, and the cache between."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.app.agreements import Agreements
from memporium_services.inference.app.blob_cache import BlobCache
from memporium_services.inference.app.conversion import Conversion
from memporium_services.inference.app.fair_queue import FairQueue
from memporium_services.inference.app.generation import Generation, Limits
from memporium_services.inference.app.making import Making
from memporium_services.inference.app.registry import Registry, RunningGenerator
from memporium_services.inference.app.running import going
from memporium_services.inference.app.training import Training
from memporium_services.inference.app.watermarks import Watermarks
from memporium_services.inference.domain.admission import Admission, Evaluation
from memporium_services.inference.domain.memory import (
    ActivationRef,
    BlobRef,
    Form,
    Licence,
    ParameterRef,
    Use,
    UsedMemory,
)
from memporium_services.inference.domain.requests import Built, ConvertCall, Delta, Finished, GenerateCall, Trained
from memporium_services.inference.domain.values import (
    BuiltKv,
    Ended,
    Finish,
    Kind,
    ModelInfo,
    PromptRead,
    Sampling,
    TextPiece,
    TrainedAdapter,
)

FINGERPRINT = "f" * 64
TEXT = UsedMemory(
    name="orgs/a/vaults/v/cubes/text", form=Form.PLAINTEXT, title="T", text="The sky is blue today.",
    licences=(Licence("orgs/p/agreements/x", attribution="by P"),), sensitivity_labels=("secret",),
)  # fmt: skip
KV = UsedMemory(
    name="orgs/a/vaults/v/cubes/kv",
    form=Form.ACTIVATION,
    blob=BlobRef("d" * 64, 4),
    activation=ActivationRef(FINGERPRINT, "t", "i", 3, 1, 1, 1, "float16"),
    licences=TEXT.licences,
)
LORA = UsedMemory(
    name="orgs/a/vaults/v/cubes/lora",
    form=Form.PARAMETER,
    blob=BlobRef("e" * 64, 4),
    parameter=ParameterRef(FINGERPRINT, 8, 16.0, ("q_proj",)),
)


class FakeVault:
    """Gives out the memories it has, and counts what it is asked for."""

    def __init__(self, *memories):
        self.memories = {memory.name: memory for memory in memories}
        self.uses, self.downloads, self.refuses = [], 0, {}

    async def use(self, cubes, action, *, running=False):
        self.uses.append(action)
        self.running = running
        if action in self.refuses:
            raise PlatformError(self.refuses[action], "the terms do not permit it")
        return [self.memories[name] for name in cubes]

    async def download(self, memory):
        self.downloads += 1
        return bytearray(memory.blob.size_bytes)

    async def find(self, name):
        return self.memories.get(name)

    async def create(self, new, *, progress):
        progress(len(new.data), len(new.data))
        made = UsedMemory(
            name=f"{new.parent}/cubes/{new.cube_id}",
            form=new.form,
            parameter=new.parameter,
            licences=new.licences,
            sensitivity_labels=new.sensitivity_labels,
            derivation=new.derivation,
            parents=new.parents,
        )
        self.memories[made.name] = made
        return made


class FakeGenerator:
    """Writes `pieces` pieces, then waits for ever where it has been told to."""

    info = ModelInfo(name="fake", kind=Kind.GENERATOR, engine="fake", fingerprint=FINGERPRINT, supports_memory=True)

    def __init__(self, *, pieces=2, endless=False):
        self.pieces, self.endless = pieces, endless
        self.tasks, self.closed = [], 0
        self.evaluation = Evaluation(questions=4, recall=1.0, perplexity_before=10.0, perplexity_after=10.5)

    async def load(self):
        pass

    async def generate(self, task):
        self.tasks.append(task)
        try:
            yield PromptRead(10, 3 if task.kvs else 0)
            for index in range(self.pieces):
                yield TextPiece(f"w{index} ", (index,))
            if self.endless:
                await asyncio.Event().wait()
            yield Ended(Finish.END, 10, self.pieces)
        finally:
            self.closed += 1

    async def build_kv(self, memories, *, form, progress):
        progress(5, 5)
        return BuiltKv(b"kv", "i", 5, 1, 1, 1, "float16", 0.1)

    async def train(self, examples, plan, *, progress, lessons, evaluating, key):
        progress(1, 1, 0.5)
        evaluating(1, 1)
        self.trained = (examples, lessons, key)
        return TrainedAdapter(b"lora", 8, 16.0, ("q_proj",), 2.0, 1.0, 1, 0.1, self.evaluation)


class KeptStates:
    """Hears which states of trainings are forgotten."""

    def __init__(self):
        self.deleted, self.swept = [], 0

    async def delete(self, key):
        self.deleted.append(key)

    async def sweep(self):
        self.swept += 1


class Nothing:
    async def watch(self):
        await asyncio.Event().wait()
        yield []


class Places:
    """Hears which uses go on and which are over."""

    def __init__(self):
        self.heard, self.deaf = [], False

    async def go_on(self, agreement, use_id):
        self.heard.append(("go on", agreement, use_id))

    async def end(self, agreement, use_id):
        if self.deaf:
            raise PlatformError(Reason.UNAVAILABLE, "away")
        self.heard.append(("end", agreement, use_id))


class World:
    def __init__(self, *memories, generator=None):
        self.vault = FakeVault(*memories)
        self.generator = generator or FakeGenerator()
        self.cache = BlobCache(1000)
        self.agreements = Agreements(Nothing(), on_end=self.cache.drop_agreement)
        self.queue = FairQueue(max_waiting=4, max_waiting_per_tenant=1)
        training = FairQueue(max_waiting=4, max_waiting_per_tenant=1)
        running = RunningGenerator(self.generator, self.queue, self.generator, training)
        registry = Registry(embedders={}, generators={"fake": running}, default_embedder="", default_generator="fake")
        watermarks = Watermarks(registry, str.encode)
        self.places = Places()
        self.generation = Generation(
            registry, self.vault, self.cache, self.agreements, watermarks, self.places, Limits(100, 200)
        )
        making = Making(registry, self.vault, self.agreements, new_id=lambda: "new")
        self.checkpoints = KeptStates()
        self.conversion, self.training = Conversion(making), Training(making, self.checkpoints)

    async def generate(self, *memories, prompt="x", tenant="a"):
        call = GenerateCall("", (), prompt, tuple(memory.name for memory in memories), Sampling(4))
        return [event async for event in self.generation.generate(call, tenant=tenant)]


async def test_licensed_mounts_are_used_for_inference_and_cited():
    world = World(TEXT)
    events = await world.generate(TEXT)
    assert world.vault.uses == [Use.INFER_WITH]
    assert "".join(event.text for event in events if isinstance(event, Delta)) == "w0 w1 "
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.citations[0].licence.attribution == "by P"
    assert world.generator.tasks[0].memories[0].text == TEXT.text


async def test_cached_tensors_still_ask_for_each_use():
    world = World(KV)
    for _ in range(3):
        events = await world.generate(KV)
    assert events[-1].cached_tokens == 3
    assert world.vault.downloads == 1
    assert world.vault.uses == [Use.INFER_WITH] * 3
    world.vault.refuses[Use.INFER_WITH] = Reason.LICENCE_QUOTA_EXHAUSTED
    with pytest.raises(PlatformError) as caught:
        await world.generate(KV)
    assert caught.value.reason is Reason.LICENCE_QUOTA_EXHAUSTED
    assert len(world.generator.tasks) == 3


async def test_a_tenants_cache_is_not_anothers():
    world = World(KV)
    await world.generate(KV, tenant="a")
    await world.generate(KV, tenant="b")
    assert world.vault.downloads == 2


async def test_a_running_generation_is_cut_and_its_tensors_dropped():
    world = World(KV, generator=FakeGenerator(endless=True))
    running = asyncio.create_task(world.generate(KV))
    while not world.generator.tasks:
        await asyncio.sleep(0)
    world.agreements.apply("orgs/p/agreements/x", "REVOKED")
    with pytest.raises(PlatformError) as caught:
        await asyncio.wait_for(running, 1)
    assert caught.value.reason is Reason.LICENCE_REVOKED
    assert world.generator.closed == 1
    assert world.cache.size_bytes == 0
    assert not world.queue.waiting
    world.generator.endless = False
    world.agreements.apply("orgs/p/agreements/x", "ACTIVE")
    assert isinstance((await asyncio.wait_for(world.generate(KV), 1))[-1], Finished)


async def test_a_caller_that_goes_ends_the_generation():
    world = World(generator=FakeGenerator(endless=True))
    running = asyncio.create_task(world.generate())
    while not world.generator.tasks:
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert world.generator.closed == 1
    async with asyncio.timeout(1), world.queue.turn("b"):
        pass


async def test_who_would_wait_too_long_uses_nothing():
    world = World(TEXT, generator=FakeGenerator(endless=True))
    first, second = asyncio.create_task(world.generate()), asyncio.create_task(world.generate())
    while not world.queue.waiting:
        await asyncio.sleep(0)
    with pytest.raises(PlatformError) as caught:
        await world.generate(TEXT)
    assert caught.value.reason is Reason.QUOTA_EXCEEDED
    assert world.vault.uses == []
    for task in (first, second):
        task.cancel()
    await asyncio.gather(first, second, return_exceptions=True)


@pytest.mark.parametrize(
    ("memories", "reason"),
    [
        ((replace(KV, activation=replace(KV.activation, model_fingerprint="0" * 64)),), Reason.MODEL_MISMATCH),
        ((replace(LORA, parameter=replace(LORA.parameter, base_model_fingerprint="")),), Reason.MODEL_MISMATCH),
        ((replace(KV, blob=None),), Reason.BLOB_MISSING),
        ((KV, LORA), Reason.INVALID_FIELD),
        ((replace(TEXT, text="x" * 300),), Reason.INVALID_FIELD),
    ],
)
async def test_mounts_that_do_not_fit_are_refused(memories, reason):
    world = World(*memories)
    with pytest.raises(PlatformError) as caught:
        await world.generate(*memories)
    assert caught.value.reason is reason
    assert not world.generator.tasks


def converting(*memories, **fields):
    return ConvertCall("orgs/a/vaults/v", fields.pop("request_id", ""), tuple(m.name for m in memories), **fields)


async def last(steps):
    return [step async for step in steps][-1]


async def test_a_derived_memory_carries_the_licences_of_its_parents():
    world = World(TEXT)
    built = await last(world.conversion.build_activation(converting(TEXT), tenant="a", principal="p"))
    assert isinstance(built, Built)
    assert world.vault.uses == [Use.MATERIALISE_KV]
    assert built.memory.licences == TEXT.licences
    assert built.memory.sensitivity_labels == ("secret",)
    assert built.memory.name == "orgs/a/vaults/v/cubes/kv-new"


async def test_training_on_a_pack_asks_its_licence_first():
    world = World(TEXT)
    world.vault.refuses[Use.DERIVE_LORA] = Reason.LICENCE_NOT_PERMITTED
    with pytest.raises(PlatformError) as caught:
        await last(world.training.train_parameter(converting(TEXT), tenant="a", principal="p"))
    assert caught.value.reason is Reason.LICENCE_NOT_PERMITTED
    del world.vault.refuses[Use.DERIVE_LORA]
    trained = await last(world.training.train_parameter(converting(TEXT), tenant="a", principal="p"))
    assert isinstance(trained, Trained)
    assert (trained.loss_before, trained.loss_after) == (2.0, 1.0)
    assert trained.memory.parameter.report.admission is Admission.ADMITTED


async def test_an_adapter_that_does_not_know_its_facts_is_kept_and_not_mounted():
    world = World(TEXT)
    world.generator.evaluation = replace(world.generator.evaluation, recall=0.25, perplexity_after=20.0, leakage=0.5)
    trained = await last(world.training.train_parameter(converting(TEXT), tenant="a", principal="p"))
    report = trained.memory.parameter.report
    assert report.admission is Admission.REFUSED
    assert [reason.split()[0] for reason in report.reasons] == ["answers", "perplexity", "answers"]
    refused = replace(LORA, parameter=replace(LORA.parameter, report=report))
    world.vault.memories[refused.name] = refused
    with pytest.raises(PlatformError) as caught:
        await world.generate(refused)
    assert caught.value.reason is Reason.FAILED_PRECONDITION
    assert "25%" in caught.value.message
    assert not world.generator.tasks


async def test_the_state_of_a_training_is_forgotten_with_its_end_and_with_its_agreement():
    world = World(TEXT)
    call = converting(TEXT, request_id="r1")
    await last(world.training.train_parameter(call, tenant="a", principal="p"))
    key = world.generator.trained[2]
    assert key
    assert world.checkpoints.deleted == [key]
    world.checkpoints.deleted.clear()
    world.agreements.apply(TEXT.licences[0].agreement, "REVOKED")
    with pytest.raises(PlatformError) as caught:
        await last(world.training.train_parameter(replace(call, request_id="r2"), tenant="a", principal="p"))
    assert caught.value.reason is Reason.LICENCE_REVOKED
    assert len(world.checkpoints.deleted) == 1


async def test_a_repeated_conversion_is_not_done_twice_and_not_for_other_cubes():
    world = World(TEXT, replace(TEXT, name="orgs/a/vaults/v/cubes/second"))
    call = converting(TEXT, request_id="r1")
    first = await last(world.conversion.build_activation(call, tenant="a", principal="p"))
    again = await last(world.conversion.build_activation(call, tenant="a", principal="p"))
    assert first.memory.name == again.memory.name
    assert again.reused
    assert world.vault.uses == [Use.MATERIALISE_KV]
    other = replace(call, cubes=("orgs/a/vaults/v/cubes/second",))
    with pytest.raises(PlatformError) as caught:
        await last(world.conversion.build_activation(other, tenant="a", principal="p"))
    assert caught.value.reason is Reason.REQUEST_ID_REUSED


async def test_only_text_is_converted():
    world = World(KV)
    with pytest.raises(PlatformError) as caught:
        await last(world.conversion.build_activation(converting(KV), tenant="a", principal="p"))
    assert caught.value.reason is Reason.INVALID_FIELD


LICENSED = replace(TEXT, licences=(Licence("agreement", use_id="use"),))


async def test_a_generation_gives_its_place_back_when_it_ends_or_is_left():
    world = World(LICENSED)
    await world.generate(LICENSED)
    assert world.vault.running
    assert world.places.heard == [("end", "agreement", "use")]
    call = GenerateCall("", (), "x", (LICENSED.name,), Sampling(4))
    stream = world.generation.generate(call, tenant="a")
    await anext(stream)
    assert len(world.places.heard) == 1
    await stream.aclose()
    assert len(world.places.heard) == 2


async def test_a_marketplace_that_is_away_ends_no_generation():
    world = World(LICENSED)
    world.places.deaf = True
    assert await world.generate(LICENSED)


async def test_a_long_generation_says_that_it_goes_on(monkeypatch):
    monkeypatch.setattr("memporium_services.inference.app.running._SAY_EVERY_S", 0.01)
    places = Places()
    async with going(places, {("agreement", "use")}):
        while len(places.heard) < 2:
            await asyncio.sleep(0.005)
    assert places.heard[0] == ("go on", "agreement", "use")
    assert places.heard[-1] == ("end", "agreement", "use")


async def test_memory_without_a_licence_takes_no_place():
    world = World(TEXT)
    await world.generate(TEXT)
    assert not world.places.heard
