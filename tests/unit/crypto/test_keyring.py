from __future__ import annotations

import asyncio
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from memporium_platform.crypto import kek, keyring, sealed
from memporium_platform.crypto.keyring import Keyring
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.sql.open_database import open_database
from support.counter_tables import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from memporium_platform.storage.sql.database import Database

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(Settings(tmp_path), keyring.SCHEMA, keyring.MIGRATIONS)
    yield opened
    await opened.close()


async def _ring(database: Database, tmp_path: Path) -> Keyring:
    return await Keyring.open(database, await kek.platform_key(tmp_path), now=lambda: NOW)


async def _reason(awaitable) -> Reason:
    with pytest.raises(PlatformError) as failure:
        await awaitable
    return failure.value.reason


async def test_keys_are_the_same_in_every_process_and_differ_from_each_other(
    database: Database, tmp_path: Path
) -> None:
    first, second = await _ring(database, tmp_path), await _ring(database, tmp_path)
    names = [("acme", "v1"), ("acme", "v2"), ("other", "v1")]
    keys = [await first.vault_key(*name) for name in names]
    assert [await second.vault_key(*name) for name in names] == keys
    signing = (await first.org_signing_key("acme")).private_bytes_raw()
    assert (await second.org_signing_key("acme")).private_bytes_raw() == signing
    hpke = (await first.org_hpke_key("acme")).private_bytes_raw()
    assert (await second.org_hpke_key("acme")).private_bytes_raw() == hpke
    platform = first.platform_signing_key().private_bytes_raw()
    assert second.platform_signing_key().private_bytes_raw() == platform
    assert first.derive("tokens") == second.derive("tokens") != first.derive("pages")
    assert len({*keys, signing, hpke, platform, first.derive("tokens")}) == 7


async def test_two_who_ask_first_get_the_same_key(database: Database, tmp_path: Path) -> None:
    rings = [await _ring(database, tmp_path) for _ in range(3)]
    keys = await asyncio.gather(*(ring.vault_key("acme", "v") for ring in rings for _ in range(5)))
    assert len(set(keys)) == 1


async def test_no_key_is_readable_in_the_files(database: Database, tmp_path: Path) -> None:
    ring = await _ring(database, tmp_path)
    keys = [await ring.vault_key("acme", "v"), ring.platform_signing_key().private_bytes_raw()]
    await database.scrub()
    files = b"".join(path.read_bytes() for path in (tmp_path / "sql").iterdir())
    assert not any(key in files for key in keys)


async def test_a_destroyed_vault_key_is_gone_for_good(database: Database, tmp_path: Path) -> None:
    ring = await _ring(database, tmp_path)
    kept, _ = await ring.vault_key("acme", "kept"), await ring.vault_key("acme", "gone")
    wrapped = await database.read(
        lambda c: c.execute(text("SELECT wrapped FROM keys WHERE name = 'orgs/acme/vaults/gone'")).scalar_one()
    )
    await ring.destroy_vault_key("acme", "gone")
    await ring.destroy_vault_key("acme", "gone")
    for each in (ring, await _ring(database, tmp_path)):
        assert await _reason(each.vault_key("acme", "gone")) is Reason.NOT_FOUND
        assert await each.vault_key("acme", "kept") == kept
    files = b"".join(path.read_bytes() for path in (tmp_path / "sql").iterdir())
    assert wrapped not in files


async def test_destroying_an_organisation_destroys_all_below_it(database: Database, tmp_path: Path) -> None:
    ring = await _ring(database, tmp_path)
    other = await ring.vault_key("acme-two", "v")
    await ring.vault_key("acme", "v")
    await ring.destroy_org_keys("acme")
    assert await _reason(ring.vault_key("acme", "v")) is Reason.NOT_FOUND
    assert await _reason(ring.vault_key("acme", "never-made")) is Reason.NOT_FOUND
    assert await _reason(ring.org_signing_key("acme")) is Reason.NOT_FOUND
    assert await ring.vault_key("acme-two", "v") == other


async def test_another_process_stops_using_a_destroyed_key(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = await _ring(database, tmp_path), await _ring(database, tmp_path)
    await theirs.vault_key("acme", "v")
    await ours.destroy_vault_key("acme", "v")
    later = keyring.time.monotonic() + keyring.CACHE_S + 1
    monkeypatch.setattr(keyring.time, "monotonic", lambda: later)
    assert await _reason(theirs.vault_key("acme", "v")) is Reason.NOT_FOUND


async def test_a_wrapped_key_fits_only_its_own_name(database: Database, tmp_path: Path) -> None:
    ring = await _ring(database, tmp_path)
    await ring.vault_key("acme", "a")
    await ring.vault_key("acme", "b")
    swap = text(
        "UPDATE keys SET wrapped = (SELECT wrapped FROM keys WHERE name = 'orgs/acme/vaults/a')"
        " WHERE name = 'orgs/acme/vaults/b'"
    )
    await database.write(lambda c: c.execute(swap) and None)
    fresh = await _ring(database, tmp_path)
    assert await _reason(fresh.vault_key("acme", "b")) is Reason.INTEGRITY_FAILURE


async def test_a_new_platform_key_wraps_everything_anew(database: Database, tmp_path: Path) -> None:
    ring = await _ring(database, tmp_path)
    before = await ring.vault_key("acme", "v"), ring.derive("x"), (await ring.org_hpke_key("o")).private_bytes_raw()
    old_file = (tmp_path / "platform.key").read_text()
    assert await ring.rewrap(await kek.add_platform_key(tmp_path)) == 4
    assert await ring.rewrap(await kek.platform_key(tmp_path)) == 0
    await kek.drop_old_platform_keys(tmp_path)
    again = await _ring(database, tmp_path)
    after = await again.vault_key("acme", "v"), again.derive("x"), (await again.org_hpke_key("o")).private_bytes_raw()
    assert after == before
    (tmp_path / "platform.key").write_text(old_file)
    assert await _reason(_ring(database, tmp_path)) is Reason.UNAVAILABLE


async def test_wrapping_anew_is_all_or_nothing(database: Database, tmp_path: Path, monkeypatch) -> None:
    ring = await _ring(database, tmp_path)
    for org in ("a", "b", "c"):
        await ring.vault_key(org, "v")
    new, stored = await kek.add_platform_key(tmp_path), database.write

    async def dies(run):
        def half(connection):
            run(connection)
            raise OSError

        return await stored(half)

    with monkeypatch.context() as broken:
        broken.setattr(database, "write", dies)
        with pytest.raises(OSError, match=r".*"):
            await ring.rewrap(new)
    assert not await ring.is_under(new.current_id)
    assert len(await ring._rows.under_platform_key(other_than=new.current_id)) == 5
    assert await ring.rewrap(new) == 5
    assert await ring.is_under(new.current_id)


async def test_a_running_process_reads_a_key_that_another_one_added(database: Database, tmp_path: Path) -> None:
    running = await _ring(database, tmp_path)
    other = await _ring(database, tmp_path)
    before = await other.vault_key("acme", "v")
    await other.rewrap(await kek.add_platform_key(tmp_path))
    assert await running.vault_key("acme", "v") == before


async def test_signing_keys_have_generations(database: Database, tmp_path: Path) -> None:
    ring = await _ring(database, tmp_path)
    first = (await ring.org_signing_key("acme")).private_bytes_raw()
    await ring.make_org_signing_key("acme", generation=2)
    assert (await ring.org_signing_key("acme")).private_bytes_raw() == first
    await ring.use_org_signing_key("acme", generation=2)
    second = (await ring.org_signing_key("acme")).private_bytes_raw()
    assert second != first
    assert (await ring.org_signing_key("acme", generation=1)).private_bytes_raw() == first
    assert (await (await _ring(database, tmp_path)).org_signing_key("acme")).private_bytes_raw() == second
    assert [key.private_bytes_raw() for key in await ring.org_signing_keys("acme")] == [second, first]
    hybrid = (await ring.org_hybrid_key("acme")).public_key().public_bytes_raw()
    assert (await (await _ring(database, tmp_path)).org_hybrid_key("acme")).public_key().public_bytes_raw() == hybrid
    await ring.destroy_org_keys("acme")
    assert await _reason(ring.org_signing_key("acme", generation=2)) is Reason.NOT_FOUND


async def test_the_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    made = await asyncio.gather(*(kek.platform_key(tmp_path) for _ in range(5)))
    assert len({key.current_id for key in made}) == 1
    path = tmp_path / "platform.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [child.name for child in tmp_path.iterdir()] == ["platform.key"]


async def test_a_given_key_is_used_instead_of_the_file(tmp_path: Path) -> None:
    key = await kek.platform_key(tmp_path, "ab" * 32)
    assert key.current_id == kek.key_id(bytes.fromhex("ab" * 32))
    assert not (tmp_path / "platform.key").exists()
    for wrong in ("ab", "xy" * 32, ","):
        with pytest.raises(ValueError, match="32 bytes"):
            await kek.platform_key(tmp_path, wrong)


def test_sealed_opens_only_with_the_same_key_and_place() -> None:
    key, other = bytes(32), bytes([1]) * 32
    box = sealed.seal(key, b"secret", b"cube/1")
    assert len(box) == len(b"secret") + sealed.OVERHEAD_BYTES
    assert sealed.open(key, box, b"cube/1") == b"secret"
    assert sealed.seal(key, b"secret", b"cube/1") != box
    changed = [box[:i] + bytes([box[i] ^ 1]) + box[i + 1 :] for i in range(len(box))]
    attempts = [(other, box, b"cube/1"), (key, box, b"cube/2"), (key, b"", b""), (key, box[:-1], b"cube/1")]
    for wrong_key, wrong_box, aad in attempts + [(key, each, b"cube/1") for each in changed]:
        with pytest.raises(PlatformError) as failure:
            sealed.open(wrong_key, wrong_box, aad)
        assert failure.value.reason is Reason.INTEGRITY_FAILURE
