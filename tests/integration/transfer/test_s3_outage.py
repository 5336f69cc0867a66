"""The object store goes away in the middle of a sealing and of a pull: a clear error, nothing visible, and it goes on."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium_platform.errors import Reason
from memporium_services.transfer.adapters.bundle_objects import StoredBundles
from support.bundles import tensor_file
from support.integration_transfer import SOURCE, collect, refusal, running_scene
from support.s3_gateway import S3Gateway


@pytest.fixture
def gateway(tmp_path_factory):
    made = S3Gateway(tmp_path_factory.mktemp("s3"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def scene(tmp_path, gateway):
    async with running_scene(tmp_path, objects_url=gateway.url) as made:
        blobs = {"kv": tensor_file({"a": [float(n % 977) for n in range(600_000)]})}
        made.vaults.add(SOURCE, [f"fact {n}" for n in range(40)], blobs=blobs)
        yield made


def stop_at(monkeypatch, gateway, method: str, call: int) -> None:
    """Stop the gateway before a certain call of a method of the bundle store."""
    original, calls = getattr(StoredBundles, method), 0

    async def stopping(self, *args, **more):
        nonlocal calls
        calls += 1
        if calls == call:
            await asyncio.to_thread(gateway.stop)
        return await original(self, *args, **more)

    monkeypatch.setattr(StoredBundles, method, stopping)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("method", "call"), [("put_segment", 2), ("put_documents", 1)])
async def test_a_sealing_breaks_off_and_the_next_one_goes_on(scene, gateway, monkeypatch, method, call):
    request = pb.DumpVaultRequest(vault=SOURCE, bundle_id="backup", request_id=str(uuid.uuid4()))
    with monkeypatch.context() as broken:
        stop_at(broken, gateway, method, call)
        error = await refusal(collect(scene.press.DumpVault(request)))
    assert error.reason is Reason.UNAVAILABLE
    assert "object store" in error.message
    assert list((await scene.press.ListBundles(pb.ListBundlesRequest(parent="orgs/press"))).bundles) == []
    await asyncio.to_thread(gateway.start)
    _, bundle = await collect(scene.press.DumpVault(request))
    # What was uploaded before is found again.
    assert bundle.new_bytes < bundle.sealed_bytes
    load = pb.LoadBundleRequest(parent="orgs/press", bundle=bundle.name, vault_id="again")
    steps, _ = await collect(scene.press.LoadBundle(load))
    assert len(steps) == 15


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("method", "call"), [("manifest", 2), ("segment", 1), ("segment", 3)])
async def test_a_pull_breaks_off_and_the_same_call_goes_on(scene, gateway, monkeypatch, method, call):
    await scene.seal()
    request_id = str(uuid.uuid4())
    with monkeypatch.context() as broken:
        stop_at(broken, gateway, method, call)
        error = await refusal(scene.pull(vault_id="pack", request_id=request_id))
    assert error.reason is Reason.UNAVAILABLE
    held = scene.vaults.held.get("orgs/reader/vaults/pack")
    assert held is None or not held.cubes
    await asyncio.to_thread(gateway.start)
    steps, done = await scene.pull(vault_id="pack", request_id=request_id)
    assert len(steps) == 15
    assert done.cube_count == 41


@pytest.mark.timeout(600)
async def test_what_is_missing_is_not_taken_for_an_outage(scene, gateway):
    await scene.seal()
    objects = scene.platform.kernel.objects
    keys = [key async for key in objects.list("bundles/press/lines/")]
    await objects.delete(keys[0])
    error = await refusal(scene.pull(vault_id="pack"))
    assert (error.reason, error.metadata["step"]) == (Reason.BUNDLE_REJECTED, "SEGMENT_DIGEST")
