"""The same story on the engines of production: PostgreSQL and a real S3 server."""

from __future__ import annotations

import uuid

from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium_platform.errors import Reason
from support.bundles import tensor_file
from support.integration_transfer import SOURCE, STEPS, collect, refusal, running_scene
from support.servers import postgres_server, postgres_url, s3_server, s3_url  # noqa: F401


async def test_seal_pull_tamper_dump_load_delete_on_postgresql_and_s3(tmp_path, postgres_url, s3_url):  # noqa: F811
    async with running_scene(tmp_path, database_url=postgres_url, objects_url=s3_url) as scene:
        scene.vaults.add(SOURCE, ["the sky is blue"], blobs={"kv": tensor_file({"a": [0.5] * 2_000_000})})
        sealed = (await scene.seal()).bundle
        assert sealed.segment_count >= 2
        steps, result = await scene.pull()
        assert steps == STEPS
        assert result.cube_count == 2
        bundle = (await collect(scene.press.DumpVault(pb.DumpVaultRequest(vault=SOURCE))))[1]
        load = pb.LoadBundleRequest(parent="orgs/press", bundle=bundle.name, vault_id="copy")
        assert (await collect(scene.press.LoadBundle(load)))[1].cube_count == 2
        assert scene.vaults.held["orgs/press/vaults/copy"].blobs == scene.vaults.held[SOURCE].blobs

        objects = scene.platform.kernel.objects
        keys = [key async for key in objects.list("bundles/press/lines/")]
        for key in keys:
            data = await objects.get_bytes(key, limit_bytes=1 << 25)
            if len(data) > 1_000_000:
                await objects.put(key, data[:-1] + bytes([data[-1] ^ 1]))
        verify = pb.VerifyBundleRequest(parent="orgs/press", bundle=sealed.name)
        error = await refusal(collect(scene.press.VerifyBundle(verify)))
        assert (error.reason, error.metadata) == (Reason.BUNDLE_REJECTED, {"step": "SEGMENT_DIGEST"})
        for name in (sealed.name, bundle.name):
            await scene.press.DeleteBundle(pb.DeleteBundleRequest(name=name, request_id=str(uuid.uuid4())))
        assert [key async for key in objects.list("bundles/press/")] == []
