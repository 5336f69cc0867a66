"""Moves carried out over fakes: what one refusal, a failed admission, and a passing failure leave behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from memporium.cube.v1 import cube_pb2
from memporium_platform.call import Principal, PrincipalKind, acting_as
from memporium_platform.errors import PlatformError, Reason
from memporium_services.scheduler.app.conversions import Conversions
from memporium_services.scheduler.domain.conversions import BUILD, CONVERTED, TRAIN, Memory
from memporium_services.scheduler.domain.jobs import Job, JobKind

NOW = datetime(2026, 3, 10, tzinfo=UTC)
VAULT = "orgs/acme/vaults/notes"


class Clock:
    def now(self):
        return NOW


class Moves:
    """Memories in a dictionary."""

    def __init__(self, *memories):
        self.memories_ = {one.cube: one for one in memories}
        self.expired, self.activated, self.forbids = [], [], ""

    async def memories(self, vault, limit):
        return list(self.memories_.values())[:limit], len(self.memories_) > limit

    async def refusal(self, agreement, target):
        return self.forbids

    async def find(self, cube):
        if cube not in self.memories_:
            raise PlatformError(Reason.PERMISSION_DENIED, "not there")
        return self.memories_[cube]

    async def expire(self, cube, *, reason, request_id):
        self.expired.append((cube, reason, request_id))
        self.memories_[cube] = replace(self.memories_[cube], state="EXPIRED", update_time=NOW)
        return cube_pb2.Cube(name=cube)

    async def activate(self, cube, *, reason, request_id):
        self.activated.append(cube)
        self.memories_[cube] = replace(self.memories_[cube], archived=False)


class Services:
    """Makes what it is asked for, or fails as the test says."""

    def __init__(self, moves):
        self.moves, self.fails, self.asked, self.not_admitted = moves, {}, [], ""

    async def build_activation(self, spec, request_id, report):
        return self._made("kv", BUILD, spec, request_id)

    async def train_parameter(self, spec, request_id, report):
        found = self._made("lora", TRAIN, spec, request_id)
        return found | ({"not_admitted": self.not_admitted} if self.not_admitted else {})

    def _made(self, prefix, derivation, spec, request_id):
        if (reason := self.fails.get(spec["cubes"][0])) is not None:
            raise PlatformError(reason, "as the test says")
        self.asked.append((spec, request_id))
        name = f"{prefix}-{spec['cubes'][0]}"
        made = Memory(
            name, 1000, 0.0, NOW, NOW, derivation=derivation, parents=tuple(spec["cubes"]),
            labels=frozenset(spec["tags"]), state="GENERATED",
        )  # fmt: skip
        self.moves.memories_[name] = made
        return {"cube": name}


def text(name, **more):
    then = NOW - timedelta(days=3)
    return Memory(name, 4_000, 5.0, then, then, **({"semantic_type": "FACT"} | more))


def job():
    return Job(
        "acme", "j1", JobKind.CONVERT_MEMORIES, {"vault": VAULT}, "orgs/acme/principals/ada", PrincipalKind.USER, NOW
    )


async def nothing(completed, total, message):
    pass


def place(*memories):
    moves = Moves(*memories)
    services = Services(moves)
    return moves, services, Conversions(moves, services, clock=Clock())


async def test_each_conversion_has_its_reason_and_an_id_that_a_repeat_has_too():
    moves, services, conversions = place(text("a"))
    assert (await conversions.apply(job(), nothing))["activation"] == "1"
    (spec, request_id), *_ = services.asked
    assert spec["reason"].startswith("by orgs/acme/jobs/j1: stable for 3.0 days")
    assert spec["tags"] == [CONVERTED]
    # A crash before the job knew of it: the same plan, the same id.
    del moves.memories_["kv-a"]
    await conversions.apply(job(), nothing)
    assert services.asked[1][1] == request_id


async def test_one_refusal_does_not_keep_the_others_from_moving():
    _, services, conversions = place(text("a"), text("b"))
    services.fails["a"] = Reason.LICENCE_REVOKED
    found = await conversions.apply(job(), nothing)
    assert (found["activation"], found["refused"]) == ("1", "LICENCE_REVOKED")


async def test_what_may_pass_ends_the_attempt_and_the_next_goes_on():
    moves, services, conversions = place(text("a"), text("b"))
    services.fails["b"] = Reason.UNAVAILABLE
    with pytest.raises(PlatformError):
        await conversions.apply(job(), nothing)
    services.fails.clear()
    assert (await conversions.apply(job(), nothing))["activation"] == "1"
    assert set(moves.memories_) == {"a", "b", "kv-a", "kv-b"}


async def test_an_adapter_that_fails_its_tests_expires_and_its_texts_rest():
    moves, services, conversions = place(text("s", semantic_type="SKILL"))
    services.not_admitted = "recall 0.2 of at least 0.7"
    found = await conversions.apply(job(), nothing)
    assert (found["parameter"], found["not_admitted"]) == ("0", "1")
    assert [(cube, why) for cube, why, _ in moves.expired] == [("lora-s", "not admitted: recall 0.2 of at least 0.7")]
    assert (await conversions.apply(job(), nothing))["not_admitted"] == "0"


async def test_a_licence_that_forbids_blocks():
    moves, services, conversions = place(text("a", agreements=frozenset({"orgs/p/agreements/x"})))
    moves.forbids = "only for reading"
    assert (await conversions.apply(job(), nothing))["blocked"] == "1"
    assert services.asked == []


async def test_undoing_brings_archived_texts_back_and_leaves_lost_ones():
    then = NOW - timedelta(days=2)
    kv = Memory("kv", 1000, 5.0, then, then, derivation=BUILD, parents=("a", "lost"), state="GENERATED")
    moves, _, conversions = place(text("a", archived=True, state="ARCHIVED"), kv)
    with acting_as(Principal("orgs/acme/principals/ada", "acme", PrincipalKind.USER)):
        cube, used = await conversions.undo("kv", "wrong model")
        with pytest.raises(PlatformError) as caught:
            await conversions.undo("a", "")
    assert (cube.name, used, moves.activated) == ("kv", ["a"], ["a"])
    assert moves.expired[0][1] == "conversion undone: wrong model"
    assert caught.value.fields[0].field == "name"
