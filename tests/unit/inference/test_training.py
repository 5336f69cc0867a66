"""Training on `tiny-random`: what is cut off goes on with the same result, and what was learned is measured."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from memporium_platform.crypto.shares import Shares
from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.checkpoints import ObjectCheckpoints
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.trainers.peft_lora import PeftTrainer
from memporium_services.inference.domain.examples import examples_of
from memporium_services.inference.domain.lessons import stated
from memporium_services.inference.domain.trainings import TrainingPlan

LESSONS = [stated("Ada", "home", "Oslo"), stated("Ada", "dog", "Rex"), stated("Marek", "home", "Brno")]
PLAN = TrainingPlan(rank=4, alpha=8, epochs=6, learning_rate=1e-2)


class States:
    """Keeps states in memory."""

    def __init__(self):
        self.kept, self.saves = {}, 0

    async def load(self, key):
        return self.kept.get(key)

    async def save(self, key, data):
        self.kept[key] = data
        self.saves += 1


async def train(states, *, plan=PLAN, stop_at=None, lessons=LESSONS):
    """Return (the adapter or None where it was cut off, the steps that were done)."""
    trainer, steps, cut = PeftTrainer("tiny-random", load_tiny_random, checkpoints=states, keep_every_s=0), [], []

    def stepped(done, _total, loss):
        steps.append((done, loss))
        if done == stop_at:
            cut.append(asyncio.get_running_loop().call_soon(task.cancel))

    work = trainer.train(examples_of([], lessons), plan, progress=stepped, lessons=lessons, key="k" if states else "")
    task = asyncio.ensure_future(work)
    try:
        return await task, steps
    except asyncio.CancelledError:
        return None, steps
    finally:
        await trainer.close()


async def test_a_training_that_was_cut_off_goes_on_with_the_same_result():
    whole, all_steps = await train(None)
    states = States()
    cut, first = await train(states, stop_at=8)
    assert cut is None
    assert 0 < states.saves < len(all_steps)
    ended, rest = await train(states)
    assert ended.resumed_steps == states.saves - (len(rest) - 1) > 0
    assert hashlib.sha256(ended.data).digest() == hashlib.sha256(whole.data).digest()
    assert (ended.loss_before, ended.loss_after, ended.steps) == (whole.loss_before, whole.loss_after, whole.steps)
    assert ended.evaluation == whole.evaluation
    # Each step was done once, with the loss that it has without the cut.
    assert dict(first[1:])[1] == dict(all_steps[1:])[1]
    assert rest[0][0] == ended.resumed_steps
    assert dict(rest[1:]) == {done: loss for done, loss in all_steps if done > ended.resumed_steps}


async def test_the_state_of_another_training_is_not_gone_on_with():
    states = States()
    await train(states, stop_at=4)
    other, _ = await train(states, plan=replace(PLAN, seed=5, epochs=2))
    assert other.resumed_steps == 0


async def test_what_was_learned_is_measured_in_words_that_were_not_trained():
    found, _ = await train(None, plan=replace(PLAN, epochs=60, rank=8, alpha=16, learning_rate=5e-3))
    measured = found.evaluation
    trained = {question for lesson in LESSONS for question in lesson.seen}
    assert not trained & {question for lesson in LESSONS for question in lesson.held_out}
    assert measured.facts == measured.ranked == 3
    assert measured.questions == 6
    assert measured.recall_before == 0
    assert measured.recall_seen > 0.6
    assert measured.mean_reciprocal_rank > 0.6
    assert measured.perplexity_before > 1
    assert measured.perplexity_after != measured.perplexity_before
    # Each on somebody, or something, else.
    assert measured.control_questions == 48


class Clock:
    def __init__(self):
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self):
        return self.time


class Objects:
    def __init__(self):
        self.objects = {}

    async def put(self, key, data):
        self.objects[key] = data

    async def get_bytes(self, key, *, limit_bytes):
        from memporium_platform.storage.objects.object_store import ObjectNotFoundError

        if key not in self.objects:
            raise ObjectNotFoundError(key)
        assert len(self.objects[key]) <= limit_bytes
        return self.objects[key]

    async def get(self, key, *, offset=0, length=None):
        yield self.objects[key][offset : offset + length]

    async def delete(self, key):
        self.objects.pop(key, None)

    async def list(self, prefix):
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield key


class Keys:
    """One key for each name, as a keyring has."""

    def __init__(self):
        self.lost = False

    async def vault_key(self, org, name):
        if self.lost:
            raise PlatformError(Reason.NOT_FOUND, "destroyed")
        return hashlib.sha256(f"{org}/{name}".encode()).digest()

    def derive(self, label):
        return hashlib.sha256(label.encode()).digest()


VAULT = "orgs/acme/vaults/notes"
CUBES = [f"{VAULT}/cubes/{one}" for one in ("diary", "letters")]


@pytest.fixture
def stored():
    objects, clock, keys = Objects(), Clock(), Keys()
    shares = Shares(objects, keys)
    return ObjectCheckpoints(objects, shares, clock=clock, keep_s=3600), objects, clock, shares, keys


async def test_states_are_sealed_and_each_opens_under_its_own_key_only(stored):
    states, objects, *_ = stored
    for key in "ab":
        assert await states.begin(key, "acme", CUBES)
    await states.save("a", b"weights of a memory")
    assert await states.load("a") == b"weights of a memory"
    assert all(b"memory" not in data for data in objects.objects.values())
    assert not any("diary" in name or "notes" in name for name in objects.objects)
    name = "inference/training/a"
    objects.objects["inference/training/b"] = objects.objects[name]
    assert await states.load("b") is None
    objects.objects[name] = objects.objects[name][:-1] + bytes([objects.objects[name][-1] ^ 1])
    assert await states.load("a") is None
    for key in "ab":
        await states.delete(key, CUBES)
    assert not objects.objects


async def test_another_process_goes_on_from_a_state(stored):
    states, objects, clock, shares, _ = stored
    await states.begin("a", "acme", CUBES)
    await states.save("a", b"weights")
    other = ObjectCheckpoints(objects, shares, clock=clock, keep_s=3600)
    assert not await other.begin("a", "acme", CUBES)
    assert await other.load("a") == b"weights"
    # Of other memories it is another training.
    assert await other.begin("a", "acme", [*CUBES, f"{VAULT}/cubes/third"])
    assert await other.load("a") is None


@pytest.mark.parametrize("forgotten", [CUBES[:1], CUBES[1:], None])
async def test_no_copy_of_a_state_can_be_read_once_a_memory_of_its_training_is_forgotten(stored, forgotten):
    states, objects, clock, shares, _ = stored
    await states.begin("a", "acme", CUBES)
    await states.begin("b", "acme", [f"{VAULT}/cubes/other"])
    for key in "ab":
        await states.save(key, b"weights")
    copy = dict(objects.objects)
    assert await shares.any_of(VAULT)
    assert await shares.destroy(VAULT, forgotten) == (2 if forgotten is None else 1)
    assert "inference/training/a" not in objects.objects
    with pytest.raises(PlatformError, match="forgotten"):
        await states.check("a")
    # The training has not heard of it: what it keeps once more is refused, and what a disk has kept says nothing.
    with pytest.raises(PlatformError, match="forgotten"):
        await states.save("a", b"weights")
    objects.objects["inference/training/a"] = copy["inference/training/a"]
    later = ObjectCheckpoints(objects, shares, clock=clock, keep_s=3600)
    assert await later.begin("a", "acme", CUBES)
    objects.objects["inference/training/a"] = copy["inference/training/a"]
    assert await later.load("a") is None
    if forgotten is not None:
        assert await states.load("b") == b"weights"
    assert await shares.destroy("orgs/acme/vaults/others", None) == 0


async def test_what_an_organisation_trained_on_goes_with_its_keys(stored):
    states, objects, clock, shares, keys = stored
    await states.begin("a", "acme", CUBES)
    await states.save("a", b"weights")
    keys.lost = True
    with pytest.raises(PlatformError):
        await states.check("a")
    with pytest.raises(PlatformError, match="destroyed"):
        await ObjectCheckpoints(objects, shares, clock=clock, keep_s=3600).begin("a", "acme", CUBES)


async def test_a_state_that_nobody_came_back_for_is_swept_and_so_is_its_key(stored):
    states, objects, clock, *_ = stored
    for key in ("old", "new", "never-kept", "running"):
        await states.begin(key, "acme", CUBES)
    await states.save("old", b"1")
    for key in ("old", "new", "never-kept"):
        await states.close(key)
    clock.time += timedelta(minutes=50)
    await states.begin("new", "acme", CUBES)
    await states.save("new", b"2")
    await states.close("new")
    clock.time += timedelta(minutes=20)
    await states.sweep()
    assert {name.rpartition(".")[2] for name in objects.objects if "shares" in name} == {"new", "running"}
    assert {name for name in objects.objects if "shares" not in name} == {"inference/training/new"}
    assert not await states.begin("new", "acme", CUBES)
    assert await states.load("new") == b"2"


async def test_a_training_is_refused_whose_keys_a_vault_would_not_destroy(stored):
    """The vault service has a folder of its own: it could forget the memory, and the training's state would stay."""
    _, objects, clock, shares, keys = stored
    apart = Shares(Objects(), keys)
    refusing = ObjectCheckpoints(objects, shares, clock=clock, keep_s=3600, known=apart.known)
    with pytest.raises(PlatformError, match="MEMPORIUM_OBJECTS_URL") as refused:
        await refusing.begin("a", "acme", CUBES)
    assert (refused.value.reason, refused.value.metadata) == (Reason.FAILED_PRECONDITION, {"resource": VAULT})
    assert not objects.objects
    # One that was kept before they were apart is refused as well, and gone.
    await ObjectCheckpoints(objects, shares, clock=clock, keep_s=3600).begin("a", "acme", CUBES)
    with pytest.raises(PlatformError, match="MEMPORIUM_OBJECTS_URL"):
        await refusing.begin("a", "acme", CUBES)
    assert not objects.objects
    together = ObjectCheckpoints(objects, shares, clock=clock, keep_s=3600, known=shares.known)
    assert await together.begin("a", "acme", CUBES)
    assert not await together.begin("a", "acme", CUBES)


async def test_each_vault_of_a_training_is_asked(stored):
    _, objects, clock, shares, _ = stored
    asked = []

    async def known(vault, training):
        asked.append((vault, training))
        return await shares.known(vault, training)

    states = ObjectCheckpoints(objects, shares, clock=clock, keep_s=3600, known=known)
    other = "orgs/acme/vaults/other"
    assert await states.begin("a", "acme", [*CUBES, f"{other}/cubes/one"])
    assert asked == [(VAULT, "a"), (other, "a")]
    assert not await shares.known(VAULT, "b")
    assert not await shares.known("orgs/acme/vaults/third", "a")


async def test_a_memory_forgotten_at_that_moment_is_no_matter_of_stores(stored):
    _, objects, clock, shares, _ = stored

    async def forgets(vault, _training):
        await shares.destroy(vault, None)
        return False

    states = ObjectCheckpoints(objects, shares, clock=clock, keep_s=3600, known=forgets)
    assert await states.begin("a", "acme", CUBES)
    with pytest.raises(PlatformError, match="forgotten"):
        await states.check("a")
