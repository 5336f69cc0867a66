"""A leaked copy names its recipient: released, pulled by two, leaked by one, traced by the publisher."""

from __future__ import annotations

import json
import uuid
from hashlib import sha256
from pydoc_data import topics

import pytest

from memporium.transfer.v1 import tracing_pb2
from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium_platform.errors import Reason
from memporium_platform.tracing.keys import RecipientKey
from support import leaks, tensor_leaks
from support.integration_transfer import LISTING, SOURCE, refusal, running_scene
from support.stored import stored

TEXTS = [
    part for topic in topics.topics.values() for part in topic.split("\n\n") if len(part) > 200 and "@" not in part
][:700]
TRACED = tracing_pb2.TraceVerdict.TRACE_VERDICT_TRACED
UNDECIDED = tracing_pb2.TraceVerdict.TRACE_VERDICT_UNDECIDED
NOT_OURS = tracing_pb2.TraceVerdict.TRACE_VERDICT_NOT_OURS


@pytest.fixture
async def scene(tmp_path):
    async with running_scene(tmp_path) as scene:
        scene.vaults.add(SOURCE, TEXTS)
        scene.second = scene.market.agree("orgs/press", "orgs/thief", LISTING, "a2")
        yield scene


async def trace(scene, sample: bytes, *, parent="orgs/press", listing=LISTING, stub=None):
    async def requests():
        yield pb.TraceLeakRequest(header=pb.TraceLeakHeader(parent=parent, listing=listing))
        for at in range(0, len(sample), 100_000):
            yield pb.TraceLeakRequest(data=sample[at : at + 100_000])

    return await (stub or scene.press).TraceLeak(requests())


async def delivered(scene):
    """Let both pull; return the texts of each."""
    await scene.pull(vault_id="mine")
    values = {"parent": "orgs/thief", "agreement": scene.second, "vault_id": "mine"}
    async for _ in scene.thief.PullBundle(pb.PullBundleRequest(request_id=str(uuid.uuid4()), **values)):
        pass
    return scene.vaults.texts("orgs/reader/vaults/mine"), scene.vaults.texts("orgs/thief/vaults/mine")


def accused(response):
    return [suspect.agreement for suspect in response.suspects if suspect.accused]


async def test_a_leak_names_the_right_one_of_two_and_an_unrelated_text_nobody(scene):
    released = (await scene.seal()).bundle
    assert released.tracing.slots > 400
    assert released.tracing.canaries >= 5
    assert "canaries only" in released.tracing.statement or released.tracing.slots >= 520
    mine, theirs = await delivered(scene)
    assert len(mine) == len(theirs) == len(TEXTS) + released.tracing.canaries
    assert sorted(mine) != sorted(theirs)
    assert 0.05 < sum(text not in TEXTS for text in mine) / len(mine) < 0.9

    rng = leaks.generator(4)
    dump = json.dumps([{"id": at, "text": text} for at, text in enumerate(leaks.hard(theirs[: len(TEXTS)], rng))])
    found = await trace(scene, dump.encode())
    assert found.verdict == TRACED
    assert accused(found) == [scene.second]
    assert found.suspects[0].recipient == "orgs/thief"
    assert found.suspects[0].z > 6 > found.suspects[1].z
    assert (found.recipient_count, found.detector_count) == (2, 2)
    # What the audit log has kept since before delivery proves the key that is shown now.
    key = found.suspects[0].marks_key
    assert RecipientKey(key).commitment() == found.suspects[0].commitment
    assert not found.suspects[1].marks_key

    for sample, verdict in ((b"Nothing of yours. " * 200, NOT_OURS), (b"", NOT_OURS)):
        none = await trace(scene, sample)
        assert (none.verdict, accused(none)) == (verdict, [])
    own = await trace(scene, "\n".join(TEXTS).encode())
    assert (own.verdict, accused(own)) == (UNDECIDED, [])
    assert "Nobody is accused" in own.explanation


async def test_the_commitment_is_in_the_audit_log_before_anything_is_delivered(scene):
    await scene.seal()
    await scene.pull(vault_id="mine")
    database = await scene.platform.kernel.database("transfer")

    def rows(conn):
        from sqlalchemy import text

        return conn.execute(text("select commitment, agreement from marked_copies")).all()

    ((commitment, agreement),) = await database.read(rows)
    assert agreement == scene.agreement
    assert len(commitment) == 64
    envelope = next(path for path, data in stored(scene.data_dir) if b"mcb1.part" in data)
    assert envelope


async def test_a_second_pull_brings_the_same_copy_and_it_still_verifies(scene):
    await scene.seal()
    first, _ = await delivered(scene)
    await scene.pull(vault_id="again")
    assert scene.vaults.texts("orgs/reader/vaults/again") == first
    call = pb.VerifyBundleRequest(parent="orgs/reader", agreement=scene.agreement)
    steps = [response.WhichOneof("event") async for response in scene.reader.VerifyBundle(call)]
    assert steps.count("step") >= 12


async def test_the_next_release_stores_little_and_carries_the_same_marks(scene):
    await scene.seal()
    before, _ = await delivered(scene)
    scene.vaults.document(SOURCE, "new", "We think that this was probably a really good idea.")
    await scene.seal("1.1.0")
    assert (await scene.seal("1.2.0")).bundle.new_bytes == 0
    await scene.pull(vault_id="mine")
    after = scene.vaults.texts("orgs/reader/vaults/mine")
    assert len(set(before) - set(after)) <= 1
    found = await trace(scene, "\n".join(after).encode())
    assert accused(found) == [scene.agreement]


async def test_an_agent_that_answers_canary_questions_is_traced(scene):
    await scene.seal()
    _, theirs = await delivered(scene)
    response = await scene.press.ListCanaryQuestions(
        pb.ListCanaryQuestionsRequest(parent="orgs/press", listing=LISTING, page_size=1000)
    )
    asked = [question for question in response.questions if question.agreement == scene.second]
    assert len(asked) >= 5
    invented = [
        text
        for text in theirs
        if text not in TEXTS and any(q.question.split(" in ")[-1].strip("?") in text for q in asked)
    ]
    answers = [f"I believe it is {text}" for text in invented[:3]]
    found = await trace(scene, "\n".join(answers).encode())
    assert accused(found) == [scene.second]
    assert found.suspects[0].detector == "canaries"
    page = await scene.press.ListCanaryQuestions(
        pb.ListCanaryQuestionsRequest(parent="orgs/press", listing=LISTING, page_size=3)
    )
    assert len(page.questions) == 3
    assert page.next_page_token


async def test_a_leaked_adapter_and_cache_are_traced(scene):
    adapter, cache = tensor_leaks.adapter(), tensor_leaks.cache()
    held = scene.vaults.held[SOURCE]
    for cube_id, blob in (("lora", adapter), ("kv", cache)):
        digest = sha256(blob).hexdigest()
        portable = scene.vaults.document(SOURCE, cube_id, "x")
        portable.Clear()
        portable.cube.name = f"{SOURCE}/cubes/{cube_id}"
        payload = getattr(portable.cube.payload, "parameter" if cube_id == "lora" else "activation")
        payload.blob.sha256, payload.blob.size_bytes = digest, len(blob)
        payload.source_cubes.append(f"{SOURCE}/cubes/c0")
        held.blobs[digest] = blob
    await scene.seal()
    await delivered(scene)
    blobs = scene.vaults.held["orgs/thief/vaults/mine"].blobs.values()
    leaked = {("lora" if b"lora_B" in blob else "kv"): blob for blob in blobs}
    assert adapter not in leaked.values()
    assert cache not in leaked.values()
    for name, attack in (("lora", tensor_leaks.halved), ("lora", tensor_leaks.int8), ("kv", tensor_leaks.int8)):
        found = await trace(scene, attack(leaked[name]))
        assert accused(found) == [scene.second], name
    for blob in (adapter, cache, tensor_leaks.adapter(9)):
        assert accused(await trace(scene, blob)) == []


async def test_only_the_publisher_of_a_listing_traces_it(scene):
    await scene.seal()
    error = await refusal(trace(scene, b"x", stub=scene.reader))
    assert error.reason is Reason.PERMISSION_DENIED
    error = await refusal(trace(scene, b"x", parent="orgs/reader", stub=scene.reader))
    assert error.reason is Reason.PERMISSION_DENIED

    async def twice():
        for _ in range(2):
            yield pb.TraceLeakRequest(header=pb.TraceLeakHeader(parent="orgs/press", listing=LISTING))

    assert (await refusal(scene.press.TraceLeak(twice()))).reason is Reason.INVALID_FIELD


async def test_a_listing_that_nobody_took_names_nobody(scene):
    await scene.seal()
    found = await trace(scene, "\n".join(TEXTS).encode())
    assert (found.verdict, found.recipient_count) == (NOT_OURS, 0)
    assert "No marked copy" in found.explanation


async def test_marking_can_be_switched_off(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_TRANSFER_MARK_COPIES", "false")
    async with running_scene(tmp_path) as scene:
        scene.vaults.add(SOURCE, TEXTS[:30])
        released = (await scene.seal()).bundle
        await scene.pull(vault_id="mine")
        assert released.part_cube_count == 0
        assert scene.vaults.texts("orgs/reader/vaults/mine") == TEXTS[:30]


async def test_a_leaked_sample_of_a_trial_is_traced_by_its_listing(scene):
    await scene.seal()
    await scene.pull(vault_id="mine")
    sample = (await scene.seal("1.0.1", sample=True)).bundle
    assert sample.tracing.slots > 400
    values = {"parent": "orgs/thief", "agreement": scene.second, "vault_id": "tried"}
    async for _ in scene.thief.PullBundle(pb.PullBundleRequest(request_id=str(uuid.uuid4()), **values)):
        pass
    tried, whole = scene.vaults.texts("orgs/thief/vaults/tried"), scene.vaults.texts("orgs/reader/vaults/mine")
    found = await trace(scene, json.dumps(tried).encode())
    assert (found.verdict, accused(found)) == (TRACED, [scene.second])
    assert found.recipient_count == 2
    assert found.detector_count == 4
    assert RecipientKey(found.suspects[0].marks_key).commitment() == found.suspects[0].commitment
    # A copy of the whole pack names its own recipient, as before.
    found = await trace(scene, json.dumps(whole).encode())
    assert accused(found) == [scene.agreement]
    asked = await scene.press.ListCanaryQuestions(pb.ListCanaryQuestionsRequest(parent="orgs/press", listing=LISTING))
    assert {each.agreement for each in asked.questions} == {scene.agreement, scene.second}
