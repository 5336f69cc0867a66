"""A new platform key: wrapped anew beside a platform that goes on, and cut off at any moment."""

from __future__ import annotations

import pytest

from memporium_platform.crypto import kek
from memporium_platform.errors import PlatformError
from memporium_platform.settings import PlatformSettings
from memporium_services import rewrap
from support.integration_transfer import SOURCE, running_scene


@pytest.fixture
def settings(tmp_path):
    return PlatformSettings(data_dir=tmp_path)


async def test_bundles_open_before_between_and_after(tmp_path, settings):
    async with running_scene(tmp_path) as scene:
        scene.vaults.add(SOURCE, ["one"])
        await scene.seal()
        await scene.pull(vault_id="before")
        done = await rewrap.rewrap(settings)
        assert done.keys > 0
        await scene.pull(vault_id="between")
        bundle = (await scene.press.ListBundles(_all())).bundles[0].name
    async with running_scene(tmp_path) as scene:
        scene.vaults.add(SOURCE, ["one"])
        scene.market.publish("orgs/press/listings/facts", "1.0.0", bundle)
        dropped = await rewrap.drop_old(settings)
        assert (dropped.dropped, dropped.platform_key) == (True, done.platform_key)
        assert len((tmp_path / "platform.key").read_text().split()) == 1
        await scene.pull(vault_id="after")


def _all():
    from memporium.transfer.v1 import transfer_service_pb2 as pb

    return pb.ListBundlesRequest(parent="orgs/press")


async def test_a_run_that_was_cut_off_is_run_again(tmp_path, settings, monkeypatch):
    async with running_scene(tmp_path) as scene:
        scene.vaults.add(SOURCE, ["one"])
        await scene.seal()

    async def dies(self, _key):
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr("memporium_platform.crypto.keyring.Keyring.rewrap", dies)
        with pytest.raises(OSError, match=r".*"):
            await rewrap.rewrap(settings)
    added = (tmp_path / "platform.key").read_text().split()
    done = await rewrap.rewrap(settings)
    assert (tmp_path / "platform.key").read_text().split() == added
    assert done.platform_key == kek.key_id(bytes.fromhex(added[0]))
    assert (await rewrap.rewrap(settings)).platform_key != done.platform_key


async def test_a_key_from_the_settings_is_changed_there(tmp_path, monkeypatch):
    old, new = "ab" * 32, "cd" * 32
    first = PlatformSettings(data_dir=tmp_path, master_key=old)
    await rewrap.rewrap(first)
    second = PlatformSettings(data_dir=tmp_path, master_key=f"{new},{old}")
    done = await rewrap.rewrap(second)
    assert (done.keys, done.platform_key) == (2, kek.key_id(bytes.fromhex(new)))
    assert (await rewrap.drop_old(PlatformSettings(data_dir=tmp_path, master_key=new))).keys == 0
    with pytest.raises(PlatformError):
        await rewrap.rewrap(first)
    assert not (tmp_path / "platform.key").exists()
