"""The inference service with the vault over gRPC: memory mounted in each form, built, trained, and refused."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
import pytest

from memporium.cube.v1 import adapter_pb2, cube_pb2
from memporium.inference.v1 import convert_pb2, generate_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform

MODEL = "tiny-random"
# A model that writes nonsense learns no fact in seconds.
ANY = adapter_pb2.AdmissionLimits(min_recall=0, max_perplexity_ratio=0, max_leakage=1)
FACTS = ("The sky over Mars is pink.", "The ground of Mars is red.", "Mars has two small moons, Phobos and Deimos.")


@dataclass
class World:
    inference: InferenceServiceStub
    vault: VaultServiceStub
    parent: str
    cubes: list[str]
    other: InferenceServiceStub


@pytest.fixture
async def world(tmp_path):
    async with running_platform(("vault", "inference"), data_dir=tmp_path) as platform:
        acme, rival = await platform.organisation("acme"), await platform.organisation("rival")
        vault = VaultServiceStub(platform.channel(acme.owner_key))
        request = vault_service_pb2.CreateVaultRequest(
            parent=acme.name, vault_id="notes", vault=vault_pb2.Vault(embedding_model="hashing-384")
        )
        parent = (await vault.CreateVault(request)).vault.name
        cubes = [await remember(vault, parent, f"mars{index}", fact) for index, fact in enumerate(FACTS)]
        yield World(
            InferenceServiceStub(platform.channel(acme.owner_key)),
            vault,
            parent,
            cubes,
            InferenceServiceStub(platform.channel(rival.owner_key)),
        )


async def remember(vault, parent, cube_id, fact):
    cell = cube_pb2.MemCell(episode=fact, facts=[cube_pb2.AtomicFact(text=fact)])
    cube = cube_pb2.Cube(
        descriptive=cube_pb2.Descriptive(title=f"About {cube_id}", source="lesson"),
        governance=cube_pb2.Governance(sensitivity_labels=["school"]),
        payload=cube_pb2.Payload(plaintext=cube_pb2.Plaintext(mem_cell=cell)),
    )
    request = vault_service_pb2.CreateCubeRequest(parent=parent, cube_id=cube_id, cube=cube)
    return (await vault.CreateCube(request)).cube.name


async def generate(stub, cubes, *, model=MODEL, max_tokens=12, **options):
    request = generate_pb2.GenerateRequest(
        model=model,
        messages=[generate_pb2.Message(role=generate_pb2.ROLE_USER, content="What colour is the sky over Mars?")],
        mounts=[generate_pb2.MemoryMount(cube=cube) for cube in cubes],
        max_tokens=max_tokens,
        **options,
    )
    events = [event async for event in stub.Generate(request)]
    return [token for event in events for token in event.delta.token_ids], events[-1].finished


async def last(stream):
    return [event async for event in stream][-1]


async def refusal(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return reason_of(caught.value)


async def test_kv_memory_answers_as_the_same_memory_in_the_prompt(world):
    as_text, finished = await generate(world.inference, world.cubes)
    assert [citation.cube for citation in finished.citations] == world.cubes
    assert finished.citations[0].source == "lesson"
    request = convert_pb2.BuildActivationRequest(parent=world.parent, cubes=world.cubes, model=MODEL, tags=["hot"])
    events = [event async for event in world.inference.BuildActivation(request)]
    cube = events[-1].result.cube
    assert {event.progress.stage for event in events[:-1]} >= {
        convert_pb2.CONVERSION_STAGE_READING,
        convert_pb2.CONVERSION_STAGE_COMPUTING,
        convert_pb2.CONVERSION_STAGE_STORING,
    }
    as_kv, with_kv = await generate(world.inference, [cube.name])
    assert as_kv == as_text
    assert len(as_text) == 12
    assert with_kv.usage.cached_tokens == cube.payload.activation.token_count > 0
    assert with_kv.usage.prompt_tokens == finished.usage.prompt_tokens
    without, _ = await generate(world.inference, [])
    assert without != as_text


async def test_a_built_cube_keeps_lineage_and_labels(world):
    request = convert_pb2.BuildActivationRequest(
        parent=world.parent, cubes=world.cubes[:2], model=MODEL, cube_id="mars-kv", reason="used often"
    )
    made = (await last(world.inference.BuildActivation(request))).result.cube
    stored = (await world.vault.GetCube(vault_service_pb2.GetCubeRequest(name=made.name))).cube
    assert made.name == f"{world.parent}/cubes/mars-kv"
    assert list(stored.behavioural.lineage.parents) == world.cubes[:2]
    assert stored.behavioural.lineage.derivation == "build-activation"
    assert stored.behavioural.lineage.reason == "used often"
    assert list(stored.governance.sensitivity_labels) == ["school"]
    assert list(stored.payload.activation.source_cubes) == world.cubes[:2]


async def test_a_repeated_request_gives_the_same_cube(world):
    request = convert_pb2.BuildActivationRequest(
        parent=world.parent, cubes=world.cubes, model=MODEL, request_id="7f8e3c1a-0000-4000-8000-000000000001"
    )
    first = (await last(world.inference.BuildActivation(request))).result
    second = (await last(world.inference.BuildActivation(request))).result
    assert first.cube.name == second.cube.name
    assert (first.reused, second.reused) == (False, True)
    request.cubes.pop()
    assert (await refusal(last(world.inference.BuildActivation(request)))).reason is Reason.REQUEST_ID_REUSED


async def test_a_trained_cube_is_mounted_and_changes_the_answer(world):
    bare, _ = await generate(world.inference, [])
    options = convert_pb2.TrainingOptions(epochs=8, learning_rate=0.01, limits=ANY)
    request = convert_pb2.TrainParameterRequest(parent=world.parent, cubes=world.cubes, model=MODEL, options=options)
    events = [event async for event in world.inference.TrainParameter(request)]
    result = events[-1].result
    assert result.loss_after < result.loss_before
    assert result.examples == result.question_answer_pairs == 18
    stages = list(dict.fromkeys(event.progress.stage for event in events[:-1]))
    assert stages[-3:] == [
        convert_pb2.CONVERSION_STAGE_COMPUTING,
        convert_pb2.CONVERSION_STAGE_EVALUATING,
        convert_pb2.CONVERSION_STAGE_STORING,
    ]
    assert result.cube.payload.parameter.rank == 8
    stored = (await world.vault.GetCube(vault_service_pb2.GetCubeRequest(name=result.cube.name))).cube
    report = stored.payload.parameter.report
    assert report == result.cube.payload.parameter.report
    assert report.admission == adapter_pb2.ADMISSION_ADMITTED
    assert (report.facts, report.questions) == (3, 6)
    assert report.perplexity_before > 1
    mounted, finished = await generate(world.inference, [result.cube.name])
    assert mounted != bare
    assert finished.citations[0].form == cube_pb2.MEMORY_FORM_PARAMETER
    assert (await generate(world.inference, []))[0] == bare


async def test_an_adapter_below_the_limits_is_kept_with_its_report_and_not_mounted(world):
    limits = adapter_pb2.AdmissionLimits(min_recall=1, max_perplexity_ratio=0, max_leakage=1)
    options = convert_pb2.TrainingOptions(epochs=1, limits=limits)
    request = convert_pb2.TrainParameterRequest(parent=world.parent, cubes=world.cubes, model=MODEL, options=options)
    cube = (await last(world.inference.TrainParameter(request))).result.cube
    report = cube.payload.parameter.report
    assert report.admission == adapter_pb2.ADMISSION_REFUSED
    assert "held-out" in report.reasons[0]
    assert report.limits == limits
    error = await refusal(generate(world.inference, [cube.name]))
    assert error.reason is Reason.FAILED_PRECONDITION
    assert report.reasons[0] in error.message


async def test_memory_of_another_model_is_refused(world):
    request = convert_pb2.BuildActivationRequest(parent=world.parent, cubes=world.cubes, model=MODEL)
    made = (await last(world.inference.BuildActivation(request))).result.cube
    foreign = cube_pb2.Cube()
    foreign.payload.CopyFrom(made.payload)
    foreign.payload.activation.model_fingerprint = "0" * 64
    create = vault_service_pb2.CreateCubeRequest(parent=world.parent, cube_id="foreign", cube=foreign)
    name = (await world.vault.CreateCube(create)).cube.name
    error = await refusal(generate(world.inference, [name]))
    assert error.reason is Reason.MODEL_MISMATCH
    assert error.metadata["expected"] == "0" * 64


async def test_another_organisation_cannot_mount_it(world):
    error = await refusal(generate(world.other, world.cubes[:1]))
    assert error.reason is Reason.PERMISSION_DENIED
    request = convert_pb2.BuildActivationRequest(parent=world.parent, cubes=world.cubes, model=MODEL)
    assert (await refusal(last(world.other.BuildActivation(request)))).reason is Reason.PERMISSION_DENIED


async def test_two_activations_are_composed_as_asked(world):
    requests = [
        convert_pb2.BuildActivationRequest(parent=world.parent, cubes=cubes, model=MODEL)
        for cubes in (world.cubes[:2], world.cubes[2:])
    ]
    made = [(await last(world.inference.BuildActivation(request))).result.cube for request in requests]
    names, tokens = [cube.name for cube in made], [cube.payload.activation.token_count for cube in made]
    exact, with_exact = await generate(world.inference, names)
    turned, with_turned = await generate(world.inference, names[::-1])
    moved = generate_pb2.KV_COMPOSITION_RE_ROTATED
    _, with_moved = await generate(world.inference, names, kv_composition=moved)
    every, _ = await generate(
        world.inference, names, kv_composition=generate_pb2.KV_COMPOSITION_SELECTIVE, recompute_share=1
    )
    assert with_exact.usage.cached_tokens == tokens[0]
    assert with_turned.usage.cached_tokens == tokens[1]
    assert with_moved.usage.cached_tokens == sum(tokens)
    assert with_exact.usage.prompt_tokens == with_moved.usage.prompt_tokens > sum(tokens)
    assert every == exact != turned
    assert [citation.cube for citation in with_exact.citations] == names


async def test_eight_bits_are_half_the_size_and_mount(world):
    request = convert_pb2.BuildActivationRequest(parent=world.parent, cubes=world.cubes, model=MODEL)
    sixteen = (await last(world.inference.BuildActivation(request))).result.cube
    request.dtype = convert_pb2.KV_DTYPE_INT8
    cube = (await last(world.inference.BuildActivation(request))).result.cube
    eight = cube.payload.activation
    assert eight.dtype == "int8"
    assert sixteen.payload.activation.relative_error < eight.relative_error < 0.03
    assert eight.blob.size_bytes < 0.7 * sixteen.payload.activation.blob.size_bytes
    _, finished = await generate(world.inference, [cube.name])
    assert finished.usage.cached_tokens == eight.token_count


async def test_a_double_name_or_a_wrong_form_is_refused(world):
    request = convert_pb2.BuildActivationRequest(parent=world.parent, cubes=world.cubes, model=MODEL)
    made = (await last(world.inference.BuildActivation(request))).result.cube.name
    for mounts in (world.cubes[:1] * 2, ["nonsense"]):
        error = await refusal(generate(world.inference, mounts))
        assert (error.reason, [field.field for field in error.fields]) == (Reason.INVALID_FIELD, ["mounts"])
    wrong_form = convert_pb2.BuildActivationRequest(parent=world.parent, cubes=[made], model=MODEL)
    assert (await refusal(last(world.inference.BuildActivation(wrong_form)))).reason is Reason.INVALID_FIELD


async def test_a_forgotten_memory_cannot_be_mounted(world):
    await world.vault.ForgetCubes(vault_service_pb2.ForgetCubesRequest(parent=world.parent, names=world.cubes[:1]))
    error = await refusal(generate(world.inference, world.cubes[:1]))
    assert error.reason in {Reason.NOT_FOUND, Reason.PERMISSION_DENIED}
