"""Merging and probing over fakes: licences of all parents, models that differ, sources that are gone, cuts."""

from __future__ import annotations

import asyncio

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.app.agreements import Agreements
from memporium_services.inference.app.fair_queue import FairQueue
from memporium_services.inference.app.making import Making
from memporium_services.inference.app.merging import Merging
from memporium_services.inference.app.probing import Probing
from memporium_services.inference.app.registry import Registry, RunningGenerator
from memporium_services.inference.domain.admission import Admission, Evaluation, ParentRecall
from memporium_services.inference.domain.memory import BlobRef, Form, Licence, ParameterRef, Use, UsedMemory
from memporium_services.inference.domain.requests import MergeCall, ProbeCall
from memporium_services.inference.domain.trainings import MergedAdapter, MergePlan, Told
from memporium_services.inference.domain.values import Kind, ModelInfo

FINGERPRINT, VAULT = "f" * 64, "orgs/a/vaults/v"
X, Y = Licence("orgs/p/agreements/x", "tx"), Licence("orgs/q/agreements/y", "ty")


def lora(name, licence, *, fingerprint=FINGERPRINT, label="l"):
    return UsedMemory(
        name=f"{VAULT}/cubes/{name}",
        form=Form.PARAMETER,
        blob=BlobRef("d" * 64, 4),
        parameter=ParameterRef(fingerprint, 8, 16.0, ("q_proj",), source_cubes=(f"{VAULT}/cubes/{name}-text",)),
        licences=(licence,),
        sensitivity_labels=(label,),
    )


def text(name, fact):
    return UsedMemory(name=f"{VAULT}/cubes/{name}-text", form=Form.PLAINTEXT, facts=(fact,))


class FakeVault:
    def __init__(self, *memories):
        self.memories, self.uses, self.made, self.refused = {one.name: one for one in memories}, [], [], {}

    async def use(self, cubes, action, *, running=False):
        assert not running
        self.uses.append((tuple(cubes), action))
        for name in cubes:
            if name in self.refused:
                raise PlatformError(self.refused[name], "refused")
        return [self.memories[name] for name in cubes]

    async def download(self, memory, action):
        self.uses.append(((memory.name,), action))
        return bytearray(4)

    async def create(self, new, *, progress):
        progress(4, 4)
        self.made.append(new)
        return UsedMemory(name=f"{new.parent}/cubes/{new.cube_id}", form=new.form, parameter=new.parameter)

    async def create_text(self, new):
        self.made.append(new)
        return UsedMemory(name=f"{new.parent}/cubes/{new.cube_id}", form=Form.PLAINTEXT)


class FakeModel:
    info = ModelInfo(name="fake", kind=Kind.GENERATOR, engine="fake", fingerprint=FINGERPRINT, supports_memory=True)

    def __init__(self):
        self.told, self.endless, self.lessons = [Told("Ada's home is Oslo.", 0.9, steady=True, own=True)], False, {}

    async def load(self):
        pass

    async def merge(self, adapters, plan, *, lessons, evaluating):
        evaluating(1, 1)
        if self.endless:
            await asyncio.Event().wait()
        self.lessons = lessons
        parents = tuple(ParentRecall(cube, 2 * len(one), 0.8) for cube, one in lessons.items())
        return MergedAdapter(b"both", 16, ("q_proj",), Evaluation(questions=4, recall=0.8, parents=parents), 0.1)

    async def probe(self, adapter, topics, *, evaluating):
        evaluating(len(topics), len(topics))
        self.topics = topics
        return self.told * len(topics)


class Nothing:
    async def watch(self):
        await asyncio.Event().wait()
        yield []


class World:
    def __init__(self, *memories):
        self.model, self.vault = FakeModel(), FakeVault(*memories)
        queue = FairQueue(max_waiting=4, max_waiting_per_tenant=4)
        running = RunningGenerator(self.model, queue, self.model, queue)
        registry = Registry(embedders={}, generators={"fake": running}, default_embedder="", default_generator="fake")
        self.agreements = Agreements(Nothing(), on_end=lambda _agreement: None)
        making = Making(registry, self.vault, self.agreements, new_id=lambda: "new")
        self.merging, self.probing = Merging(making), Probing(making)

    async def merge(self, *memories):
        call = MergeCall(VAULT, "", tuple(one.name for one in memories), merge=MergePlan((1.0,) * len(memories)))
        steps = self.merging.merge_parameters(call, tenant="a", principal="p")
        return [step async for step in steps][-1]

    async def probe(self, memory, **fields):
        call = ProbeCall(VAULT, "", (memory.name,), **fields)
        return [step async for step in self.probing.probe_parameter(call, tenant="a", principal="p")][-1]


ONE, TWO = lora("one", X, label="secret"), lora("two", Y)
TEXTS = text("one", "Ada's home is Oslo."), text("two", "Marek's dog is Rex.")


async def test_a_merge_is_bound_by_the_licences_and_labels_of_all():
    world = World(ONE, TWO, *TEXTS)
    await world.merge(ONE, TWO)
    (new,) = world.vault.made
    assert new.licences == (X, Y)
    assert new.sensitivity_labels == ("secret", "l")
    assert new.parents == (ONE.name, TWO.name)
    assert new.parameter.source_cubes == (TEXTS[0].name, TEXTS[1].name)
    assert new.parameter.report.admission is Admission.ADMITTED
    assert {action for _, action in world.vault.uses} == {Use.DERIVE_LORA}
    assert [[lesson.value for lesson in one] for one in world.model.lessons.values()] == [["Oslo"], ["Rex"]]


async def test_a_parent_whose_sources_are_gone_cannot_be_measured_and_is_not_admitted():
    world = World(ONE, TWO, *TEXTS)
    world.vault.refused[TEXTS[1].name] = Reason.PERMISSION_DENIED
    made = await world.merge(ONE, TWO)
    report = made.memory.parameter.report
    assert report.admission is Admission.REFUSED
    assert TWO.name in report.reasons[0]


async def test_adapters_of_another_model_are_not_merged():
    other = lora("other", X, fingerprint="0" * 64)
    world = World(ONE, other, *TEXTS)
    with pytest.raises(PlatformError) as caught:
        await world.merge(ONE, other)
    assert caught.value.reason is Reason.MODEL_MISMATCH
    assert not world.vault.made


async def test_the_licence_of_either_parent_refuses_a_merge_and_its_end_cuts_one():
    world = World(ONE, TWO, *TEXTS)
    world.vault.refused[TWO.name] = Reason.LICENCE_NOT_PERMITTED
    with pytest.raises(PlatformError) as caught:
        await world.merge(ONE, TWO)
    assert caught.value.reason is Reason.LICENCE_NOT_PERMITTED
    world.vault.refused.clear()
    world.model.endless = True
    merging = asyncio.create_task(world.merge(ONE, TWO))
    while len(world.vault.uses) < 6:
        await asyncio.sleep(0)
    world.agreements.apply(Y.agreement, "REVOKED")
    with pytest.raises(PlatformError) as caught:
        await asyncio.wait_for(merging, 30)
    assert caught.value.reason is Reason.LICENCE_REVOKED
    assert not world.vault.made


async def test_text_out_of_an_adapter_is_bound_as_the_adapter_is():
    world = World(ONE, *TEXTS)
    await world.probe(ONE)
    (new,) = world.vault.made
    assert new.licences == ONE.licences
    assert new.sensitivity_labels == ("secret",)
    assert (new.report.adapter, new.report.recovered, new.report.precision) == (ONE.name, 1, 1.0)
    assert {action for _, action in world.vault.uses} == {Use.DERIVE_TEXT}


async def test_without_sources_somebody_must_say_what_to_ask_for():
    world = World(ONE, *TEXTS)
    world.vault.refused[TEXTS[0].name] = Reason.NOT_FOUND
    with pytest.raises(PlatformError) as caught:
        await world.probe(ONE)
    assert caught.value.reason is Reason.INVALID_FIELD
    await world.probe(ONE, topics=(("Ada", "home"),))
    (new,) = world.vault.made
    assert (new.report.asked, new.report.kept, new.report.source_facts) == (1, 1, 0)


async def test_an_adapter_that_is_sure_of_nothing_makes_nothing():
    world = World(ONE, *TEXTS)
    world.model.told = [Told("Perhaps Oslo.", 0.2, steady=True, own=True)]
    with pytest.raises(PlatformError) as caught:
        await world.probe(ONE)
    assert caught.value.reason is Reason.FAILED_PRECONDITION
    assert not world.vault.made
