"""A full disk: callers are told, the process lives, and what was there is there when there is room again."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import TYPE_CHECKING, Any, Never

import numpy as np
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, func, insert, select
from sqlalchemy.exc import OperationalError

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.full_disk import disk_full
from memporium_platform.storage.index import opened as opened_module
from memporium_platform.storage.index.approximate import ApproximateIndex
from memporium_platform.storage.index.embedded import EmbeddedIndexStore
from memporium_platform.storage.index.postings import Postings
from memporium_platform.storage.index.slab import VectorSlab
from memporium_platform.storage.index.vault_index import IndexEntry
from memporium_platform.storage.sql.engine_database import EngineDatabase
from memporium_platform.storage.sql.sqlite import open_sqlite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy import Connection

D = 32
FULL = OSError(errno.ENOSPC, "No space left on device")
METADATA = MetaData()
NOTES = Table("notes", METADATA, Column("id", Integer, primary_key=True), Column("text", Text, nullable=False))


def full(*_: object, **__: object) -> Never:
    raise FULL


def sqlite_full(*_: object, **__: object) -> Never:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


def entries(first: int, count: int) -> list[IndexEntry]:
    rows = np.random.default_rng(first).standard_normal((count, D)).astype(np.float32)
    return [IndexEntry(first + i, (f"w{first + i}",), (), row) for i, row in enumerate(rows)]


def found(store: EmbeddedIndexStore, *words: str) -> list[list[int]]:
    index = store.open("v", dimensions=D)
    return [index.search_terms([word], leg="own", k=3).ids.tolist() for word in words]


def refused(store: EmbeddedIndexStore, first: int, count: int) -> None:
    with pytest.raises(PlatformError, match="the disk of the platform is full") as refusal:
        store.open("v", dimensions=D).apply(upserts=entries(first, count), deletes=[], revision=2)
    assert refusal.value.reason is Reason.UNAVAILABLE


def test_a_slab_has_its_room_before_it_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slab = VectorSlab(tmp_path / "v", dimensions=D)
    slab.reserve(10)
    slab.rows[:] = 1.0
    size = (tmp_path / "v").stat().st_size
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        slab.reserve(1000)
    assert (tmp_path / "v").stat().st_size == size
    assert (np.asarray(slab.rows) == 1.0).all()
    slab.reserve(10)  # The room is there already.
    with pytest.raises(OSError, match="No space left"):
        VectorSlab(tmp_path / "v", dimensions=D).reserve(1)  # What another process wrote may have holes.


def test_a_file_system_that_promises_nothing_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> Never:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    slab = VectorSlab(tmp_path / "v", dimensions=D)
    slab.reserve(10)
    slab.rows[9] = 2.0
    assert np.asarray(slab.rows[9]).sum() == 2.0 * D


def test_an_index_on_a_full_disk_is_searched_and_goes_on_later(tmp_path: Path) -> None:
    store = EmbeddedIndexStore(tmp_path)
    store.open("v", dimensions=D).apply(upserts=entries(1, 10), deletes=[], revision=1)
    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(os, "posix_fallocate", full)
        refused(store, 100, 50)
        assert found(store, "w3", "w101") == [[3], []]
    store.open("v", dimensions=D).apply(upserts=entries(100, 50), deletes=[2], revision=2)
    assert found(store, "w2", "w3", "w101") == [[], [3], [101]]
    store.close()


def test_a_change_that_failed_half_way_is_not_kept_for_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is committed and the log is not emptied: what the open index holds in memory is behind its file."""
    monkeypatch.setattr(opened_module, "MIN_UNITS", 1)
    store = EmbeddedIndexStore(tmp_path)
    store.open("v", dimensions=D).apply(upserts=entries(1, 10), deletes=[], revision=1)
    whole = Postings.change

    def cut(self: Postings, **change: Any) -> None:
        whole(self, **change)
        sqlite_full()

    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(Postings, "change", cut)
        refused(store, 100, 5)
    assert store.open("v", dimensions=D).revision == 2
    assert found(store, "w3", "w101") == [[3], [101]]
    store.close()
    assert found(EmbeddedIndexStore(tmp_path), "w3", "w101") == [[3], [101]]


def test_an_index_that_a_full_disk_keeps_shut_is_not_thrown_away(tmp_path: Path) -> None:
    store = EmbeddedIndexStore(tmp_path)
    store.open("v", dimensions=D).apply(upserts=entries(1, 10), deletes=[], revision=1)
    store.close()
    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(Postings, "meta", sqlite_full)
        refused(store, 100, 5)
    assert found(store, "w3") == [[3]]
    store.close()


def test_an_index_is_closed_where_nothing_can_be_kept_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_module, "MIN_UNITS", 1)
    store = EmbeddedIndexStore(tmp_path)
    store.open("v", dimensions=D).apply(upserts=entries(1, 10), deletes=[], revision=1)
    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(np, "savez", full)
        store.close()
    assert sorted(path.name for path in (tmp_path / "v").iterdir()) == ["terms.sqlite", "vectors.f32"]
    assert found(EmbeddedIndexStore(tmp_path), "w3") == [[3]]


def test_a_graph_that_could_not_be_kept_leaves_nothing(tmp_path: Path) -> None:
    graph = ApproximateIndex(dimensions=D)
    (tmp_path / "g.usearch").mkdir()  # It cannot be put in its place.
    with pytest.raises(OSError, match=r"g\.usearch"):
        graph.save(tmp_path / "g.usearch")
    assert [path.name for path in tmp_path.iterdir()] == ["g.usearch"]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[EngineDatabase]:
    engine = create_engine(f"sqlite:///{tmp_path / 'notes.sqlite'}")
    METADATA.create_all(engine)
    engine.dispose()
    made = open_sqlite(tmp_path / "notes.sqlite", name="notes")
    yield made
    await made.close()


async def test_a_database_says_that_its_disk_is_full_and_keeps_what_it_said(database: EngineDatabase) -> None:
    def pages(conn: Connection, most: int) -> None:
        conn.exec_driver_sql(f"PRAGMA max_page_count = {most}")

    def note(conn: Connection, text: str) -> None:
        conn.execute(insert(NOTES).values(text=text))

    async def kept() -> int | None:
        return await database.read(lambda conn: conn.execute(select(func.count()).select_from(NOTES)).scalar())

    await database.write(lambda conn: note(conn, "first"))
    await database.write(lambda conn: pages(conn, 8))
    with pytest.raises(PlatformError, match="the disk of the platform is full"):
        await database.write(lambda conn: note(conn, "x" * 100_000))
    assert await kept() == 1
    await database.write(lambda conn: pages(conn, 1_000_000))
    await database.write(lambda conn: note(conn, "x" * 100_000))
    assert await kept() == 2


def test_other_failures_are_no_full_disk() -> None:
    assert disk_full(OperationalError("", {}, _postgresql("53100")))
    assert not disk_full(OperationalError("", {}, _postgresql("57P01")))
    assert not disk_full(OSError(errno.EACCES, "denied"))
    assert not disk_full(sqlite3.OperationalError("no such table"))


def _postgresql(state: str) -> Exception:
    error = Exception("could not extend file")
    error.sqlstate = state  # type: ignore[attr-defined]
    return error
