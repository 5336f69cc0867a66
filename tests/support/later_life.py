"""What an organisation does with memory beyond keeping it: looks back, branches, consolidates, runs pipelines."""

from __future__ import annotations

from typing import Any

import yaml
from google.protobuf.json_format import ParseDict

from memporium.cube.v1 import cube_pb2
from memporium.inference.v1 import convert_pb2, generate_pb2
from memporium.reader.v1 import memory_call_pb2, recall_pb2, remember_pb2, scenes_pb2
from memporium.scheduler.v1 import job_pb2, pipeline_calls_pb2, pipeline_pb2, scheduler_service_pb2
from memporium.vault.v1 import changes_pb2, search_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import NewCube
from support.vaults import search

NOTES, BRANCH, DIARY, SHELF = (f"orgs/acme/vaults/{vault}" for vault in ("notes", "what-if", "diary", "shelf"))
_STEPS = """
description: sums up
inputs: [{name: question, type: VALUE_TYPE_TEXT}, {name: turns, type: VALUE_TYPE_TURNS}]
steps:
- {id: hear, remember: {turns: "${inputs.turns}", session: piped}}
- {id: find, retrieve: {query: "${inputs.question}", limit: 3}}
- {id: sum, augment: {prompt: "On ${inputs.question}", model: none}}
- {id: keep, update: {title: Summary, text: "${steps.sum.text}", tags: [summary]}}
"""


async def live_on(life: Any) -> None:
    """Do all of it, with a canary in each field."""
    await _look_back(life)
    await _gather(life)
    await _run(life)
    await _keep_diary(life)
    await _keep_elsewhere(life)
    branch = api.CreateVaultRequest(parent="orgs/acme", vault_id="what-if", branch_of=NOTES)
    await life.vault.CreateVault(branch)
    await search(life.vault, BRANCH, f"who met {life.word('branch query')}")


async def erase_diary(life: Any) -> None:
    """Forget a whole vault."""
    done = await life.vault.DeleteVault(api.DeleteVaultRequest(name=DIARY, erase=True))
    assert done.receipt.cubes == 2


async def _look_back(life: Any) -> None:
    """Search as of earlier revisions: what has changed since is made anew."""
    now = (await life.vault.GetVault(api.GetVaultRequest(name=NOTES))).vault.revision
    made_anew = 0
    for revision in (2, 3, now):
        for mode in (1, 2, 3, 4):
            query = f"who met {life.word('query of the past')}"
            found = await search(life.vault, NOTES, query, mode=mode, read_revision=revision, view=2)
            made_anew += found.summary.past_units
        several = search_pb2.SearchUnitsRequest(parent=NOTES, read_revision=revision, queries=[{"query": "by the sea"}])
        async for _ in life.vault.SearchUnits(several):
            pass
        recall = recall_pb2.RecallRequest(
            parent=NOTES, query=f"Who met {life.word('recall of the past')}?", read_revision=revision
        )
        await life.reader.Recall(recall)
    assert made_anew


async def _gather(life: Any) -> None:
    await life.reader.Consolidate(scenes_pb2.ConsolidateRequest(parent=NOTES, threshold=0.1))
    said = {field: word for word, field in life.word.by_word.items()}
    recall = recall_pb2.RecallRequest(
        parent=NOTES,
        query=f"Where does the cat of {said['speaker'].capitalize()} sleep?",
        filter=recall_pb2.RecallFilter(persona=said["session persona"]),
        limit=1,
        options=recall_pb2.RecallOptions(scenes=True, profiles=True),
    )
    assert any(item.evidence for item in (await life.reader.Recall(recall)).items)
    text = f"What did {life.word('asked').capitalize()} say about {life.word('asked topic')} last week?"
    await life.reader.ParseMemoryCall(memory_call_pb2.ParseMemoryCallRequest(parent=NOTES, text=text))


async def _run(life: Any) -> None:
    turn = remember_pb2.Turn(id="p1", speaker=life.word("piped speaker").capitalize(), text=life.word("piped text"))
    turn.time.FromSeconds(1_700_000_000)
    inputs = {
        "question": pipeline_pb2.PipelineValue(text=f"who met {life.word('pipeline question')}"),
        "turns": pipeline_pb2.PipelineValue(turns=pipeline_pb2.Turns(turns=[turn])),
    }
    definition = ParseDict(yaml.safe_load(_STEPS), pipeline_pb2.Pipeline())
    request = pipeline_calls_pb2.RunPipelineRequest(
        parent="orgs/acme", definition=definition, vault=NOTES, inputs=inputs, request_id="run"
    )
    run = (await life.jobs.RunPipeline(request)).run
    watch = pipeline_calls_pb2.WatchPipelineRunRequest(name=run.name)
    last = [response.run async for response in life.jobs.WatchPipelineRun(watch)][-1]
    assert len(last.cubes) == 2, last.error
    change = changes_pb2.Change(create=NewCube(cube_id="applied", cube=life.cube("applied")))
    await life.vault.ApplyChanges(changes_pb2.ApplyChangesRequest(parent=NOTES, changes=[change], request_id="apply"))


async def _keep_diary(life: Any) -> None:
    await life.vault.CreateVault(api.CreateVaultRequest(parent="orgs/acme", vault_id="diary"))
    for label in ("diary one", "diary two"):
        made = await life.vault.CreateCube(api.CreateCubeRequest(parent=DIARY, cube=life.cube(label)))
    changed = life.cube("diary changed")
    changed.name = made.cube.name
    await life.vault.UpdateCube(api.UpdateCubeRequest(cube=changed, update_mask={"paths": ["payload"]}))
    await search(life.vault, DIARY, "by the sea", read_revision=2)


async def _keep_elsewhere(life: Any) -> None:
    """Keep in another vault what is copied and made of the notes: deliveries, text, a cache, an adapter, and a branch."""
    await life.vault.CreateVault(api.CreateVaultRequest(parent="orgs/acme", vault_id="shelf"))
    listed = await life.vault.ListCubes(api.ListCubesRequest(parent=NOTES, filter={"forms": [1], "states": [1, 2, 3]}))
    cubes = [cube.name for cube in listed.cubes if cube.descriptive.title][:2]
    deliver = job_pb2.JobSpec(deliver_cubes=job_pb2.DeliverCubes(vault=NOTES, cubes=cubes, target=SHELF))
    request = scheduler_service_pb2.CreateJobRequest(parent="orgs/acme", spec=deliver, request_id="deliver")
    job = (await life.jobs.CreateJob(request)).job
    watch = scheduler_service_pb2.WatchJobRequest(name=job.name)
    last = [response.job async for response in life.jobs.WatchJob(watch, timeout=300)][-1]
    assert last.result["delivered"] == "2", last
    build = convert_pb2.BuildActivationRequest(parent=SHELF, cubes=cubes, model="tiny-random", request_id="shelf-build")
    cache = [event async for event in life.inference.BuildActivation(build)][-1].result.cube
    train = convert_pb2.TrainParameterRequest(parent=SHELF, cubes=cubes, model="tiny-random", request_id="shelf-train")
    train.options.epochs = 1
    adapter = [event async for event in life.inference.TrainParameter(train)][-1].result.cube
    for made in (cache, adapter):
        message = generate_pb2.Message(role=generate_pb2.ROLE_USER, content=life.word("prompt elsewhere"))
        generate = generate_pb2.GenerateRequest(model="tiny-random", messages=[message], max_tokens=2)
        generate.mounts.append(generate_pb2.MemoryMount(cube=made.name))
        async for _ in life.inference.Generate(generate):
            pass
    text = life.cube("shelf")
    text.descriptive.origin = cube_pb2.ORIGIN_INFERENCE_EXTRACTION
    text.behavioural.lineage.parents.extend(cubes)
    await life.vault.CreateCube(api.CreateCubeRequest(parent=SHELF, cube=text))
    await search(life.vault, SHELF, f"who met {life.word('query elsewhere')}")
    await life.vault.CreateVault(api.CreateVaultRequest(parent="orgs/acme", vault_id="shelf-if", branch_of=SHELF))
