"""Memory made of memory over fakes: licences carried over, trainings admitted or not, nothing done twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.domain.admission import Admission
from memporium_services.inference.domain.memory import (
    Use,
)
from memporium_services.inference.domain.requests import Built, ConvertCall, Trained
from support.inference_world import KV, LORA, TEXT, World


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
    assert not world.checkpoints.begun
    world.checkpoints.deleted.clear()
    world.agreements.apply(TEXT.licences[0].agreement, "REVOKED")
    with pytest.raises(PlatformError) as caught:
        await last(world.training.train_parameter(replace(call, request_id="r2"), tenant="a", principal="p"))
    assert caught.value.reason is Reason.LICENCE_REVOKED
    assert len(world.checkpoints.deleted) == 1


async def test_an_adapter_is_not_made_of_what_was_forgotten_while_it_was_trained():
    world = World(TEXT)
    world.checkpoints.forgotten = True
    with pytest.raises(PlatformError) as caught:
        await last(world.training.train_parameter(converting(TEXT), tenant="a", principal="p"))
    assert caught.value.reason is Reason.NOT_FOUND
    assert world.generator.trained
    assert len(world.vault.memories) == 1
    assert world.checkpoints.deleted


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
