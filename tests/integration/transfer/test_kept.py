"""A pull reads and verifies once what fits into memory, and the rest twice; the vault is the same."""

from __future__ import annotations

from collections import Counter

import pytest

from memporium_platform.errors import Reason
from memporium_services.transfer.adapters.bundle_objects import StoredBundles
from support.bundles import tensor_file
from support.integration_transfer import SOURCE, refusal, running_scene

PACK = "orgs/reader/vaults/pack-facts"


@pytest.fixture
def reads(monkeypatch) -> Counter[str]:
    """How often each segment is read."""
    seen: Counter[str] = Counter()
    working = StoredBundles.segment

    async def counted(self, bundle, digest):
        seen[digest] += 1
        return await working(self, bundle, digest)

    monkeypatch.setattr(StoredBundles, "segment", counted)
    return seen


def shelf(scene):
    return scene.platform.running.modules["transfer"]._servicer._transfers._verification.shelf


# The cubes' streams, and not the file, fit into what is between.
@pytest.mark.parametrize(("room", "cubes", "file"), [(0, 3, 2), (4096, 1, 2), (1 << 20, 1, 1)])
async def test_what_fits_is_read_once(tmp_path, monkeypatch, reads, room, cubes, file):
    monkeypatch.setenv("MEMPORIUM_TRANSFER_KEPT_BYTES", str(room))
    # Then everything is in the segments that all recipients share.
    monkeypatch.setenv("MEMPORIUM_TRANSFER_MARK_COPIES", "false")
    async with running_scene(tmp_path) as scene:
        scene.vaults.add(SOURCE, ["the sky is blue", "water is wet"], blobs={"kv": tensor_file({"a": [0.5] * 2000})})
        await scene.seal()
        _, result = await scene.pull()
        assert (result.cube_count, result.blob_count) == (3, 1)
        assert sorted(scene.vaults.texts(PACK)) == sorted(scene.vaults.texts(SOURCE))
        # The first segment of the cubes is read a third time: its first record describes the vault.
        assert sorted(reads.values()) == sorted([cubes, file])
        assert shelf(scene).free_bytes == room


async def test_a_pull_that_is_refused_keeps_nothing(scene):
    await scene.seal()
    room = shelf(scene).free_bytes
    path = scene.objects()[0]
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert (await refusal(scene.pull())).reason is Reason.BUNDLE_REJECTED
    assert PACK not in scene.vaults.held
    assert shelf(scene).free_bytes == room
