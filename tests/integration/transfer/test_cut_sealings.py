"""A sealing that was cut off and whose caller never comes back: it fails by itself, and its objects go."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from memporium.transfer.v1 import transfer_pb2
from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium_platform.clock import ManualClock
from memporium_platform.errors import PlatformError, Reason
from memporium_services.transfer.adapters.bundle_rows import SqlBundleRows
from memporium_services.transfer.app.catalogue import Catalogue
from memporium_services.transfer.app.drafts import Drafts
from support.bundles import tensor_file
from support.integration_transfer import SOURCE, collect, refusal, running_scene
from support.patience import eventually

FAILED = transfer_pb2.BundleState.BUNDLE_STATE_FAILED


@pytest.fixture
def impatient(monkeypatch):
    """Let a sealing count as cut off after a second of the platform's clock, and look for such ten times a second."""
    monkeypatch.setenv("MEMPORIUM_TRANSFER_SEALING_TIMEOUT_S", "1")
    monkeypatch.setenv("MEMPORIUM_TRANSFER_SWEEP_INTERVAL_S", "0.1")


@pytest.fixture
def clock():
    """A clock that stands still: however slow the machine, nothing is given up that a test has not put past its time."""
    return ManualClock()


async def cut_off(scene, monkeypatch, *, request_id=""):
    """Leave a dump as a crash of the process leaves it: the row says SEALING, segments are stored, nothing beats."""

    async def never(*_args, **_more):
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr("memporium_services.transfer.app.sealing.Sealing._publish", never)
        broken.setattr(Drafts, "end", _only_stop_beating)
        request = pb.DumpVaultRequest(vault=SOURCE, bundle_id="cut", request_id=request_id or str(uuid.uuid4()))
        with pytest.raises(Exception, match=r".*"):
            await collect(scene.press.DumpVault(request))


async def _only_stop_beating(self, draft, *, failed):
    self._active.pop(draft.name).cancel()


async def state_of(scene, name="orgs/press/bundles/cut"):
    return (await scene.press.GetBundle(pb.GetBundleRequest(name=name))).bundle


async def until_failed(scene):
    async def failed():
        bundle = await state_of(scene)
        return bundle if bundle.state == FAILED else None

    return await eventually(failed)


async def test_it_fails_with_a_reason_and_its_objects_go(tmp_path, monkeypatch, impatient, clock):
    async with running_scene(tmp_path, clock=clock) as scene:
        scene.vaults.add(SOURCE, ["one", "two"], blobs={"kv": tensor_file()})
        await cut_off(scene, monkeypatch)
        assert scene.objects("lines")
        clock.advance(seconds=1.1)
        bundle = await until_failed(scene)
        assert "cut off" in bundle.failure
        await eventually(lambda: not scene.objects("lines"))
        error = await refusal(
            collect(scene.press.VerifyBundle(pb.VerifyBundleRequest(parent="orgs/press", bundle=bundle.name)))
        )
        assert str(error.reason) == "FAILED_PRECONDITION"
        await scene.press.DeleteBundle(pb.DeleteBundleRequest(name=bundle.name))
        assert str((await refusal(state_of(scene))).reason) == "NOT_FOUND"


async def test_segments_that_others_hold_stay(tmp_path, monkeypatch, impatient, clock):
    async with running_scene(tmp_path, clock=clock) as scene:
        scene.vaults.add(SOURCE, ["one", "two"])
        kept = pb.DumpVaultRequest(vault=SOURCE, bundle_id="kept")
        await collect(scene.press.DumpVault(kept))
        before = set(scene.objects("lines"))
        scene.vaults.document(SOURCE, "c9", "three")
        await cut_off(scene, monkeypatch)
        clock.advance(seconds=1.1)
        await until_failed(scene)
        await eventually(lambda: set(scene.objects("lines")) == before)
        request = pb.LoadBundleRequest(parent="orgs/press", bundle="orgs/press/bundles/kept", vault_id="again")
        assert len((await collect(scene.press.LoadBundle(request)))[0]) == 15


async def test_a_start_looks_too(tmp_path, monkeypatch, clock):
    async with running_scene(tmp_path, clock=clock) as scene:
        scene.vaults.add(SOURCE, ["one"])
        await cut_off(scene, monkeypatch)
    monkeypatch.setenv("MEMPORIUM_TRANSFER_SEALING_TIMEOUT_S", "1")
    clock.advance(seconds=1.1)
    async with running_scene(tmp_path, clock=clock) as scene:
        assert (await state_of(scene)).state == FAILED


async def test_whoever_comes_back_seals_anew_under_the_same_id(tmp_path, monkeypatch, impatient, clock):
    async with running_scene(tmp_path, clock=clock) as scene:
        scene.vaults.add(SOURCE, ["one"])
        request_id = str(uuid.uuid4())
        await cut_off(scene, monkeypatch, request_id=request_id)
        clock.advance(seconds=1.1)
        await until_failed(scene)
        request = pb.DumpVaultRequest(vault=SOURCE, bundle_id="cut", request_id=request_id)
        _, bundle = await collect(scene.press.DumpVault(request))
        assert bundle.name == "orgs/press/bundles/cut"
        assert bundle.state == transfer_pb2.BundleState.BUNDLE_STATE_SEALED


async def test_a_slow_sealing_is_not_taken_for_one_that_was_cut_off(tmp_path, monkeypatch, impatient, clock):
    """It takes three times the timeout by the platform's clock, and beats all the while."""
    collected, beats = [], []
    alive = SqlBundleRows.alive

    async def noted(self, failed):
        collected.append(failed)
        return 0, 0

    def beat(self, *arguments, **more):
        alive(self, *arguments, **more)
        beats.append(clock.now())

    monkeypatch.setattr(Catalogue, "collect", noted)
    monkeypatch.setattr(SqlBundleRows, "alive", beat)
    slow = "memporium_services.transfer.adapters.grpc_vaults.GrpcVaults.relations"

    async def dawdle(_self, _vault):
        for _ in range(4):
            clock.advance(milliseconds=800)
            await eventually(lambda: beats and beats[-1] == clock.now())
        for none in ():
            yield none

    monkeypatch.setattr(slow, dawdle)
    async with running_scene(tmp_path, clock=clock) as scene:
        scene.vaults.add(SOURCE, ["one"])
        _, bundle = await collect(scene.press.DumpVault(pb.DumpVaultRequest(vault=SOURCE, bundle_id="slow")))
        assert bundle.state == transfer_pb2.BundleState.BUNDLE_STATE_SEALED
    assert collected == []


async def test_a_database_that_is_away_for_a_moment_does_not_end_a_sealing(tmp_path, monkeypatch, impatient):
    """The sign of life fails, the sealing does not."""
    monkeypatch.setenv("MEMPORIUM_TRANSFER_SWEEP_INTERVAL_S", "3600")

    async def dawdle(_self, _vault):
        await eventually(lambda: failed)
        for none in ():
            yield none

    def away(_self, _conn, _bundle, *, now):
        failed.append(now)
        raise PlatformError(Reason.UNAVAILABLE, "away")

    failed = []
    monkeypatch.setattr("memporium_services.transfer.adapters.grpc_vaults.GrpcVaults.relations", dawdle)
    monkeypatch.setattr("memporium_services.transfer.adapters.bundle_rows.SqlBundleRows.alive", away)
    async with running_scene(tmp_path) as scene:
        scene.vaults.add(SOURCE, ["one"])
        _, bundle = await collect(scene.press.DumpVault(pb.DumpVaultRequest(vault=SOURCE, bundle_id="slow")))
        assert bundle.state == transfer_pb2.BundleState.BUNDLE_STATE_SEALED


async def test_a_sealing_that_was_given_up_does_not_come_back(tmp_path, monkeypatch, impatient, clock):
    """Its objects are gone by then: what it would publish could not be opened."""

    async def dawdle(_self, _vault):
        clock.advance(seconds=1.1)
        await until_failed(scene)
        for none in ():
            yield none

    monkeypatch.setattr("memporium_services.transfer.adapters.grpc_vaults.GrpcVaults.relations", dawdle)
    monkeypatch.setattr(Drafts, "_keep_alive", lambda _self, _draft: asyncio.sleep(0))
    async with running_scene(tmp_path, clock=clock) as scene:
        scene.vaults.add(SOURCE, ["one"])
        error = await refusal(collect(scene.press.DumpVault(pb.DumpVaultRequest(vault=SOURCE, bundle_id="cut"))))
        assert error.reason is Reason.CONFLICT
        assert (await state_of(scene)).state == FAILED
