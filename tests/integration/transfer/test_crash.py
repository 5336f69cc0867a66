"""kill -9 in the middle of a pull, and in the middle of a sealing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from pathlib import Path

from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium_platform.errors import Reason
from support.bundles import tensor_file
from support.integration_transfer import LISTING, SOURCE, collect, refusal, running_scene

ROOT = Path(__file__).parents[3]


async def test_a_pull_that_was_killed_leaves_nothing_visible_and_can_be_sent_again(tmp_path):
    path = os.pathsep.join(str(ROOT / part) for part in ("platform", "services", "tests"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("crash_process.py")),
        str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    bundle = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    assert bundle
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with running_scene(tmp_path) as scene:
        scene.market.publish(LISTING, "1.0.0", bundle)
        listed = await scene.press.ListBundles(pb.ListBundlesRequest(parent="orgs/press"))
        assert [one.name for one in listed.bundles] == [bundle]
        assert not scene.vaults.held
        _, result = await scene.pull(request_id="11111111-1111-4111-8111-111111111111")
        assert result.cube_count == 3
        assert not result.already_imported
        # What was seen before the crash is still known: numbers of signed times only grow.
        _, again = await scene.pull()
        assert again.already_imported


async def test_a_sealing_that_was_cut_is_sent_again_and_finds_what_it_uploaded(tmp_path):
    request_id = str(uuid.uuid4())
    async with running_scene(tmp_path) as scene:
        scene.vaults.add(SOURCE, ["one"], blobs={"kv": tensor_file()})
        store = scene.platform.running.modules["transfer"]._servicer._transfers._sealing._store

        async def fall_over(*_, **__):
            raise SystemError("as the test asks")

        working, store.put_documents = store.put_documents, fall_over
        request = pb.DumpVaultRequest(vault=SOURCE, request_id=request_id)
        assert (await refusal(collect(scene.press.DumpVault(request)))).reason is Reason.INTERNAL
        store.put_documents = working
        assert len(scene.objects()) == 2
        _, bundle = await collect(scene.press.DumpVault(request))
        assert bundle.new_bytes == 0
        assert bundle.number == 1
