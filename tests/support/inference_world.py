"""The inference service over fakes: a vault, a model and a marketplace that note what they are asked."""

from __future__ import annotations

import asyncio

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.app.agreements import Agreements
from memporium_services.inference.app.blob_cache import BlobCache
from memporium_services.inference.app.conversion import Conversion
from memporium_services.inference.app.fair_queue import FairQueue
from memporium_services.inference.app.generation import Generation, Limits
from memporium_services.inference.app.making import Making
from memporium_services.inference.app.registry import Registry, RunningGenerator
from memporium_services.inference.app.training import Training
from memporium_services.inference.app.watermarks import Watermarks
from memporium_services.inference.domain.admission import Evaluation
from memporium_services.inference.domain.memory import (
    ActivationRef,
    BlobRef,
    Form,
    Licence,
    ParameterRef,
    UsedMemory,
)
from memporium_services.inference.domain.requests import GenerateCall
from memporium_services.inference.domain.trainings import TrainedAdapter
from memporium_services.inference.domain.values import (
    BuiltKv,
    Ended,
    Finish,
    Kind,
    ModelInfo,
    PromptRead,
    Sampling,
    TextPiece,
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
        self.deleted, self.swept, self.begun, self.forgotten = [], 0, {}, False

    async def begin(self, key, org, cubes):
        self.begun[key] = (org, list(cubes))
        return True

    async def check(self, key):
        assert key in self.begun
        if self.forgotten:
            raise PlatformError(Reason.NOT_FOUND, "forgotten")

    async def close(self, key):
        self.begun.pop(key, None)

    async def delete(self, key, cubes):
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
