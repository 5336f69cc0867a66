"""After forgetting nothing is left: every file, log and table is searched for words that were put into every field.

What a vault keeps is sealed, so its words would not be found anyway. Hence the second search: for the very bytes that
were stored of the forgotten cubes (ciphertexts, keyed words, vectors), which the vault's key could still open.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sqlalchemy

from memporium.cube.v1.cube_pb2 import AtomicFact, Cube, Foresight, MemCell, SourceSpan
from memporium.governance.v1 import pii_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium.inference.v1 import convert_pb2, generate_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium.memstore.v1 import release_calls_pb2
from memporium.reader.v1 import recall_pb2, remember_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.scheduler.v1 import job_pb2, scheduler_service_pb2
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.transfer.v1 import transfer_service_pb2
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CubeFilter, Relation, Subject
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.storage.index import opened
from memporium_platform.storage.index.embedded import EmbeddedIndexStore
from support.canaries import Canaries, files_under
from support.integration_transfer import collect
from support.later_life import BRANCH, SHELF, erase_diary, live_on
from support.market import Market
from support.patience import eventually
from support.platform import Platform, running_platform
from support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures
from support.tenants import SETTINGS
from support.vaults import reason, search

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = ("governance", "vault", "inference", "memstore", "transfer", "reader", "scheduler")
NOTES, MODEL = "orgs/acme/vaults/notes", "tiny-random"
# Bytes of a stored value that are searched for: long enough not to occur by chance.
_SLICE = 24
_SHORTEST = 12
_SEALED = {
    "versions": ("meta_sealed", "note_sealed"),
    "payloads": ("body_sealed",),
    "units": ("body_sealed", "role"),
    "relations": ("note_sealed",),
    "cube_terms": ("token",),
    "cubes": ("dedup",),
}


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


class Life:
    """An organisation that remembers much through every service."""

    def __init__(self, platform: Platform, key: str) -> None:
        self.platform = platform
        self.word = Canaries()
        channel = platform.channel(key)
        self.vault, self.reader = VaultServiceStub(channel), ReaderServiceStub(channel)
        self.inference, self.jobs = InferenceServiceStub(channel), SchedulerServiceStub(channel)
        self.transfer, self.governance = TransferServiceStub(channel), GovernanceServiceStub(channel)
        self.market = Market(platform, None)
        self.market.keys = {"acme": key}

    async def live(self) -> None:
        await self.vault.CreateVault(api.CreateVaultRequest(parent="orgs/acme", vault_id="notes"))
        await self._write()
        await self._converse()
        await self._derive()
        await live_on(self)
        await self._pass_on()
        await self._fail()

    def cube(self, label: str) -> Cube:
        word, cube, told = self.word, Cube(), None
        told = cube.descriptive
        told.title, told.source, told.persona = (word(f"{label} {part}") for part in ("title", "source", "persona"))
        told.tags.append(word(f"{label} tag"))
        told.entities.append(word(f"{label} entity"))
        cube.governance.sensitivity_labels.append(word(f"{label} label"))
        cube.governance.watermark = word(f"{label} watermark")
        span = SourceSpan(**{part: word(f"{label} span {part}") for part in ("source", "locator", "speaker")})
        fact = AtomicFact(
            text=f"{word(f'{label} fact')} lives by the sea", context=word(f"{label} context"), source=span
        )
        hope = Foresight(text=f"wants to meet {word(f'{label} foresight')}", source=span)
        cell = MemCell(episode=f"{word(f'{label} episode')} spoke", facts=[fact], foresight=[hope], sources=[span])
        cube.payload.plaintext.mem_cell.CopyFrom(cell)
        return cube

    async def _write(self) -> None:
        word, names = self.word, []
        for label in ("first", "second"):
            request = api.CreateCubeRequest(
                parent=NOTES, cube=self.cube(label), reason=word(f"{label} reason"), request_id=f"create-{label}"
            )
            names.append((await self.vault.CreateCube(request)).cube.name)
            assert (await self.vault.CreateCube(request)).cube.name == names[-1]
        changed = self.cube("changed")
        changed.name = names[0]
        mask = {"paths": ["payload", "descriptive.title", "descriptive.tags", "descriptive.entities"]}
        update = api.UpdateCubeRequest(
            cube=changed, update_mask=mask, reason=word("update reason"), request_id="update"
        )
        await self.vault.UpdateCube(update)
        await self.vault.RollbackCube(api.RollbackCubeRequest(name=names[0], version=1, reason=word("rollback reason")))
        relation = Relation(source=names[0], kind=7, target=names[1], note=word("relation note"))
        await self.vault.CreateRelation(api.CreateRelationRequest(parent=NOTES, relation=relation, request_id="relate"))
        record, page = Cube(), Cube()
        record.payload.plaintext.record.json = f'{{"field": "{word("record")}"}}'
        page.payload.plaintext.document.title = word("page title")
        page.payload.plaintext.document.text = f"{word('page text')} stands here"
        batch = api.BatchCreateCubesRequest(parent=NOTES, cubes=[{"cube": record}, {"cube": page}], request_id="batch")
        made = await self.vault.BatchCreateCubes(batch)
        await self.vault.ArchiveCube(
            api.ArchiveCubeRequest(name=made.cubes[1].cube.name, reason=word("archive reason"), request_id="archive")
        )
        merge = api.MergeCubesRequest(parent=NOTES, names=names, reason=word("merge reason"), request_id="merge")
        await self.vault.MergeCubes(merge)
        for mode in (1, 2, 3, 4):
            await search(self.vault, NOTES, f"who met {word('search query')}", mode=mode)

    async def _converse(self) -> None:
        word = self.word
        header = remember_pb2.RememberHeader(
            parent=NOTES, session=word("session"), title=word("session title"), tags=[word("session tag")],
            persona=word("session persona"), request_id="remember",
        )  # fmt: skip
        turns = []
        for number in range(3):
            text = f"My cat {word('turn text')} sleeps near {word('turn place').capitalize()} since yesterday."
            turn = remember_pb2.Turn(id=f"t{number}", speaker=word("speaker").capitalize(), text=text)
            turn.time.FromSeconds(1_700_000_000 + number)
            turns.append(remember_pb2.RememberRequest(turn=turn))
        await self.reader.Remember(iter([remember_pb2.RememberRequest(header=header), *turns]))
        papers = remember_pb2.RememberDocumentsHeader(
            parent=NOTES, tags=[word("paper tag")], persona=word("paper persona"), request_id="papers"
        )
        paper = remember_pb2.SourceDocument(
            source=word("paper source"), title=word("paper title"), text=f"In short: {word('paper text')} it is."
        )
        messages = [remember_pb2.RememberDocumentsRequest(header=papers)]
        messages.append(remember_pb2.RememberDocumentsRequest(document=paper))
        await self.reader.RememberDocuments(iter(messages))
        query = f"where does {word('recall query')} sleep?"
        await self.reader.Recall(recall_pb2.RecallRequest(parent=NOTES, query=query))
        detect = pii_pb2.DetectPiiRequest(texts=[f"mail {word('pii')}@example.org"])
        await self.governance.DetectPii(detect)

    async def _derive(self) -> None:
        cubes = [cube.name for cube in (await self._all()) if cube.descriptive.title][:2]
        build = convert_pb2.BuildActivationRequest(
            parent=NOTES, cubes=cubes, model=MODEL, tags=[self.word("tensor tag")], reason=self.word("tensor reason"),
            request_id="build",
        )  # fmt: skip
        kv = (await _last(self.inference.BuildActivation(build))).result.cube.name
        train = convert_pb2.TrainParameterRequest(parent=NOTES, cubes=cubes, model=MODEL, request_id="train")
        train.options.epochs = 1
        adapter = (await _last(self.inference.TrainParameter(train))).result.cube.name
        for mounts in (cubes, [kv], [adapter]):
            message = generate_pb2.Message(role=generate_pb2.ROLE_USER, content=self.word("prompt"))
            generate = generate_pb2.GenerateRequest(model=MODEL, messages=[message], max_tokens=2)
            generate.mounts.extend(generate_pb2.MemoryMount(cube=name) for name in mounts)
            await _last(self.inference.Generate(generate))
        spec = job_pb2.JobSpec(build_activation=job_pb2.BuildActivation(vault=NOTES, cubes=cubes[:1], model=MODEL))
        request = scheduler_service_pb2.CreateJobRequest(parent="orgs/acme", spec=spec, request_id="job")
        job = (await self.jobs.CreateJob(request)).job
        async for _ in self.jobs.WatchJob(scheduler_service_pb2.WatchJobRequest(name=job.name), timeout=300):
            pass

    async def _pass_on(self) -> None:
        dump = transfer_service_pb2.DumpVaultRequest(vault=NOTES, bundle_id="backup", request_id="dump")
        await collect(self.transfer.DumpVault(dump))
        listing = await self.market.listing("pack", org="acme")
        release = release_calls_pb2.CreateReleaseRequest(
            parent=listing.name, version="1.0.0", vault=NOTES, pii_policy=2, request_id="release"
        )
        await self.market.stub("acme").CreateRelease(release)

    async def _fail(self) -> None:
        """Errors, too, must keep to themselves what they were told."""
        broken = self.cube("broken")
        broken.payload.plaintext.mem_cell.facts[0].text = ""
        request = api.CreateCubeRequest(parent=NOTES, cube=broken, cube_id="Not an id")
        assert await reason(self.vault.CreateCube(request)) is Reason.INVALID_FIELD
        wrong = api.CreateCubeRequest(parent=NOTES, cube=self.cube("reused"), request_id="create-first")
        assert await reason(self.vault.CreateCube(wrong)) is Reason.REQUEST_ID_REUSED
        missing = api.GetCubeRequest(name=f"{NOTES}/cubes/none")
        assert await reason(self.vault.GetCube(missing)) is Reason.NOT_FOUND

    async def _all(self) -> list[Cube]:
        asked = api.ListCubesRequest(parent=NOTES, page_size=1000, filter=CubeFilter(states=[1, 2, 3, 4, 5]))
        return list((await self.vault.ListCubes(asked)).cubes)

    async def forget_all(self) -> None:
        """Forget by vault, by subject, by source and by name, until nothing is left."""
        await erase_diary(self)
        speaker = next(word for word, field in self.word.by_word.items() if field == "speaker")
        done = await self.vault.ForgetCubes(api.ForgetCubesRequest(parent=NOTES, subject=Subject(names=[speaker])))
        assert done.receipt.cubes
        source = next(word for word, field in self.word.by_word.items() if field == "paper source")
        done = await self.vault.ForgetCubes(
            api.ForgetCubesRequest(parent=NOTES, filter=CubeFilter(sources=[source]), request_id="forget-source")
        )
        assert done.receipt.cubes == 1
        names = [cube.name for cube in await self._all()]
        done = await self.vault.ForgetCubes(api.ForgetCubesRequest(parent=NOTES, names=names))
        assert done.receipt.exported
        assert list(done.receipt.exported_listings) == ["orgs/acme/listings/pack"]
        assert not await self._all()
        # What was copied and made of them in another vault goes along, though nobody says so, and from its branch.
        assert {one.vault for one in done.other_receipts} >= {SHELF, f"{SHELF}-if"}
        for elsewhere in (SHELF, f"{SHELF}-if"):
            assert not (await self.vault.ListCubes(api.ListCubesRequest(parent=elsewhere, page_size=1000))).cubes
        # What was forgotten goes from branches; what was only made there is theirs.
        left = await self.vault.ListCubes(api.ListCubesRequest(parent=BRANCH, page_size=1000))
        assert not left.cubes


@pytest.mark.slow
async def test_no_byte_of_forgotten_memory_is_left_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    # Loggers of libraries keep the stream for the tests after this one: it may not be closed as a captured one is.
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    # As a large vault's index: with a neighbour graph, and a file of columns when it is closed.
    monkeypatch.setitem(EmbeddedIndexStore.__init__.__kwdefaults__, "graph_from", 4)
    monkeypatch.setattr(opened, "MIN_UNITS", 1)
    async with running_platform(SERVICES, data_dir=data, log_level="DEBUG") as platform:
        life = Life(platform, (await platform.organisation("acme")).owner_key)
        await life.live()
        assert len(life.word.by_word) > 70
        kinds = {"vectors", "graph", "index terms", "objects", "payloads.body_sealed", "relations.note_sealed"}

        async def all_stored() -> dict[bytes, str] | None:
            found = await _stored(platform, data)
            return found if kinds <= {*found.values()} else None

        # The graph is built in the background.
        stored = await eventually(all_stored)
        assert {what for _, what in _places(stored, files_under(data))} == {*stored.values()}
        await life.forget_all()
        assert not life.word.traces(files_under(data))
        assert not _places(stored, files_under(data))
    assert list(data.rglob("columns.npz"))
    logged = log.getvalue()
    assert "platform.serving" in logged
    assert not life.word.traces([("log", logged.encode())])
    assert not life.word.traces(files_under(data))
    assert not _places(stored, files_under(data))


@pytest.mark.slow
async def test_no_byte_is_left_in_the_tables_of_postgresql(tmp_path: Path, postgres_url: str) -> None:  # noqa: F811
    data = tmp_path / "data"
    async with running_platform(SERVICES, data_dir=data, database_url=postgres_url) as platform:
        life = Life(platform, (await platform.organisation("acme")).owner_key)
        await life.live()
        stored = await _stored(platform, data)
        # As the server does by itself at some time: examples of values go into its catalogue.
        _run(postgres_url, "ANALYZE")
        assert _places(stored, _relations(postgres_url))
        await life.forget_all()
        assert not life.word.traces(_relations(postgres_url))
        assert not _places(stored, _relations(postgres_url))
        assert not _places(stored, files_under(data))


def _run(url: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def _relations(url: str) -> Iterator[tuple[str, bytes]]:
    """Yield the raw pages of every table, index and TOAST table of the database, and of its statistics."""
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("CHECKPOINT"))
            query = """SELECT c.relname, pg_read_binary_file(pg_relation_filepath(c.oid)) FROM pg_class c
                       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT IN
                       ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'i', 't')
                       OR c.relname = 'pg_statistic'"""
            for name, pages in connection.execute(sqlalchemy.text(query)):
                yield name, bytes(pages)
    finally:
        engine.dispose()


async def _last(stream: Any) -> Any:
    return [event async for event in stream][-1]


def _places(stored: dict[bytes, str], sources: Any) -> set[tuple[str, str]]:
    """Return where a stored value is found."""
    return {(place, what) for place, data in sources for needle, what in stored.items() if needle in data}


async def _stored(platform: Platform, data: Path) -> dict[bytes, str]:
    """Return a slice of each value that is kept of the vaults' cubes (rows, index, objects), and what it is."""
    database = await platform.kernel.database("vault")
    uids = await database.read(
        lambda conn: conn.execute(sqlalchemy.text("SELECT uid FROM vaults ORDER BY vault_id")).scalars().all()
    )
    assert len(uids) == 5
    found: dict[bytes, str] = {}
    for uid in uids:
        found |= await _stored_of(database, uid, data)
    return found


async def _stored_of(database: Any, uid: str, data: Path) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    graph = data / "index" / uid / "neighbours.usearch"
    for _ in range(40):
        # It is built in the background.
        if graph.exists():
            break
        await asyncio.sleep(0.05)
    linked = graph.read_bytes() if graph.exists() else b""

    def keep(value: Any, what: str) -> None:
        raw = value.encode() if isinstance(value, str) else bytes(value or b"")
        middle = max(0, len(raw) // 2 - _SLICE)
        if len(raw) >= _SHORTEST:
            found[raw[middle : middle + _SLICE]] = what

    for table, columns in _SEALED.items():
        for column in columns:
            query = sqlalchemy.text(f"SELECT {column} FROM {table} WHERE vault_uid = :uid")  # noqa: S608 - own names
            for value in await database.read(
                lambda conn, query=query: conn.execute(query, {"uid": uid}).scalars().all()
            ):
                keep(value, f"{table}.{column}")
    for vector in np.fromfile(data / "index" / uid / "vectors.f32", np.float32).reshape(-1, 384):
        # Feature hashing leaves most numbers at zero: the slice is where the fewest are.
        dense = max(range(len(vector) - 6), key=lambda at: np.count_nonzero(vector[at : at + 6]))
        if np.count_nonzero(vector[dense : dense + 6]) > 1:
            keep(vector[dense : dense + 6].tobytes(), "vectors")
        coarse = np.rint(vector * 127).astype(np.int8).tobytes()
        if any(coarse) and coarse in linked:
            found[coarse] = "graph"
    # Its owner holds it alone: a copy is read.
    with tempfile.TemporaryDirectory(dir=data.parent) as copied:
        for path in (data / "index" / uid).glob("terms.sqlite*"):
            shutil.copy(path, copied)
        with contextlib.closing(sqlite3.connect(Path(copied) / "terms.sqlite")) as index:
            for terms in index.execute("SELECT own, context FROM unit_terms"):
                for value in terms:
                    keep(value, "index terms")
    for path in (data / "objects" / "data" / "vaults" / uid).rglob("*"):
        if path.is_file():
            keep(path.read_bytes(), "objects")
    return found
