"""Puts what importers read into a vault; what the vault holds already is not put there twice.

A memory becomes a cube whose id is made from what it says and where it comes from, a chat a session whose messages the
reader knows again, a page a document. So an import may be repeated, and continued where it was interrupted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from memporium.client import MemporiumError
from memporium.cube.v1 import cube_pb2
from memporium.memory.scopes import exact_labels
from memporium.reader.v1 import remember_pb2
from memporium.sources import documents
from memporium.sources.items import Chat, Memory, Page, Problem
from memporium.vault.v1 import cubes_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from memporium.client import Client
    from memporium.sources.items import Item, Message

MOST_PROBLEMS = 1_000
_BATCH, _BATCH_CHARS = 64, 1 << 20
_PAGES = 50
# Longer texts are documents of passages: a statement fits an embedder's window.
_STATEMENT_CHARS = 800
# Longer ones are read as documents, in sections of their own; a message of one cube has a limit.
_DOCUMENT_CHARS = 1 << 18
_MOST_TAGS, _MOST_TAG_CHARS = 32, 200
_TURN_CHARS, _TURNS = 32_000, 5_000
# Refusals that are of the item, not of the call.
_OF_ITEM = frozenset({"INVALID_FIELD", "ALREADY_EXISTS"})


@dataclass
class Report:
    """What an import did so far, or in a dry run would do.

    Attributes:
        memories: Memories read.
        chats: Chats read.
        messages: Messages in them.
        pages: Documents read.
        new: Cubes made.
        known: Cubes that were there.
        problems: What was not imported, the first 1,000.
        problem_count: All of those.
    """

    memories: int = 0
    chats: int = 0
    messages: int = 0
    pages: int = 0
    new: int = 0
    known: int = 0
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    def add(self, problem: Problem) -> None:
        """Add something that was not imported."""
        self.problem_count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)


class Importing:
    """One import into one vault."""

    def __init__(
        self,
        client: Client,
        vault: str,
        *,
        tags: Sequence[str] = (),
        dry_run: bool = False,
        progress: Callable[[Report], None] = lambda _report: None,
    ) -> None:
        """Import over a connection.

        Args:
            client: The connection.
            vault: `orgs/{org}/vaults/{vault}`.
            tags: Labels of every cube.
            dry_run: Read everything and say what is new, and write nothing.
            progress: Called after each step with the report so far.
        """
        self._client, self._vault, self._tags = client, vault, [tag.lower() for tag in tags]
        self._dry, self._progress, self._report = dry_run, progress, Report()

    def run(self, items: Iterable[Item]) -> Report:
        """Import items as they are read; return what was done.

        Raises:
            MemporiumError: The platform refuses.
            JsonError: What is read is broken; what came before it is imported.
        """
        memories: list[Memory] = []
        pages: list[Page] = []
        try:
            for item in items:
                if isinstance(item, Memory) and len(item.text) > _DOCUMENT_CHARS:
                    self._report.memories += 1
                    self._read([Page(f"{item.system}:{item.id}"[:256], item.title, item.text, "text/plain")])
                elif isinstance(item, Memory):
                    self._report.memories += 1
                    memories.append(item)
                    if len(memories) == _BATCH or sum(len(one.text) for one in memories) > _BATCH_CHARS:
                        self._keep(memories)
                        memories = []
                elif isinstance(item, Page):
                    self._report.pages += 1
                    pages.append(item)
                    if len(pages) == _PAGES:
                        self._read(pages)
                        pages = []
                elif isinstance(item, Chat):
                    self._remember(item)
                else:
                    self._report.add(item)
        finally:
            self._keep(memories)
            self._read(pages)
        return self._report

    def _keep(self, memories: Sequence[Memory]) -> None:
        """Make cubes of memories; one that is refused does not take the others with it."""
        made: dict[str, cubes_pb2.NewCube] = {}
        for one in memories:
            try:
                cube = _cube_of(one, self._tags)
            except ValueError as error:
                self._report.add(Problem(f"{one.system} {one.id}", str(error)))
                continue
            made[cube.cube_id] = cube
        if made:
            self._create(list(made.values()))
            self._progress(self._report)

    def _create(self, cubes: list[cubes_pb2.NewCube]) -> None:
        if self._dry:
            held = self._held([one.cube_id for one in cubes])
            self._report.known += held
            self._report.new += len(cubes) - held
            return
        try:
            done = self._client.vault.batch_create_cubes(
                parent=self._vault, cubes=cubes, reason="imported", timeout_s=600
            )
        except MemporiumError as error:
            if error.reason not in _OF_ITEM:
                raise
            if len(cubes) == 1:
                source = cubes[0].cube.descriptive.source
                self._report.add(Problem(source, str(error)))
                return
            half = len(cubes) // 2
            self._create(cubes[:half])
            self._create(cubes[half:])
            return
        known = sum(one.deduplicated for one in done.cubes)
        self._report.known += known
        self._report.new += len(cubes) - known

    def _held(self, ids: Sequence[str]) -> int:
        """Return how many of these cubes the vault holds."""
        names = [f"{self._vault}/cubes/{one}" for one in ids]
        chosen = cubes_pb2.CubeFilter(names=names)
        return len(self._client.vault.list_cubes(parent=self._vault, filter=chosen, page_size=len(names)).cubes)

    def _remember(self, chat: Chat) -> None:
        self._report.chats += 1
        self._report.messages += len(chat.messages)
        turns = iter([piece for message in chat.messages for piece in _turns(message)])
        number = 0
        while part := list(islice(turns, _TURNS)):
            number += 1
            session = chat.id if number == 1 else f"{chat.id}#{number}"
            if self._dry:
                chosen = cubes_pb2.CubeFilter(sources=[session])
                held = self._client.vault.list_cubes(parent=self._vault, filter=chosen, page_size=1).cubes
                self._report.known += bool(held)
                self._report.new += not held
                continue
            header = remember_pb2.RememberHeader(
                parent=self._vault, session=session, title=chat.title, tags=[*self._tags, "chat"]
            )
            messages = [remember_pb2.RememberRequest(header=header)]
            messages += [remember_pb2.RememberRequest(turn=turn) for turn in part]
            try:
                done = self._client.reader.remember(messages, timeout_s=3600)
            except MemporiumError as error:
                if error.reason not in _OF_ITEM:
                    raise
                self._report.add(Problem(f"chat {chat.id}", str(error)))
                continue
            self._report.new += sum(cube.created for cube in done.cubes)
            self._report.known += sum(not cube.created for cube in done.cubes)
        self._progress(self._report)

    def _read(self, pages: Sequence[Page]) -> None:
        """Remember pages; where one is refused, one by one."""
        if not pages:
            return
        if self._dry:
            chosen = cubes_pb2.CubeFilter(sources=[page.source for page in pages])
            found = self._client.vault.list_cubes(parent=self._vault, filter=chosen, page_size=1_000).cubes
            held = len({cube.descriptive.source for cube in found})
            self._report.known += held
            self._report.new += len(pages) - held
            return
        try:
            found = [documents.Document(one.source, one.title, one.text, one.media_type) for one in pages]
            requests = documents.requests(self._vault, found, tags=self._tags)
            done = self._client.reader.remember_documents(requests, timeout_s=3600)
        except MemporiumError as error:
            if error.reason not in _OF_ITEM:
                raise
            if len(pages) == 1:
                self._report.add(Problem(pages[0].source, str(error)))
                return
            for one in pages:
                self._read([one])
            return
        self._report.new += sum(cube.created for cube in done.cubes)
        self._report.known += sum(not cube.created for cube in done.cubes)
        self._progress(self._report)


def _cube_of(one: Memory, tags: Sequence[str]) -> cubes_pb2.NewCube:
    """Return the cube that keeps a memory.

    Raises:
        ValueError: Its metadata are too long.
    """
    source = cube_pb2.SourceSpan(source=one.system, locator=one.id[:256], speaker="")
    told = cube_pb2.Descriptive(
        origin=cube_pb2.ORIGIN_IMPORT,
        source=f"{one.system}:{one.id}"[:256],
        semantic_type=cube_pb2.SEMANTIC_TYPE_FACT,
        title=one.title[:256],
        tags=_labels(one, tags),
    )
    if one.time is not None:
        source.time.FromDatetime(one.time)
        told.event_time.FromDatetime(one.time)
    plain = cube_pb2.Plaintext()
    if len(one.text) <= _STATEMENT_CHARS:
        fact = cube_pb2.AtomicFact(text=one.text, source=source, role=one.role)
        if one.time is not None:
            fact.event_time.CopyFrom(told.event_time)
        plain.mem_cell.CopyFrom(cube_pb2.MemCell(episode=one.text, facts=[fact], sources=[source]))
    else:
        plain.document.CopyFrom(cube_pb2.Document(title=one.title or one.system, text=one.text))
    moment = one.time.isoformat() if one.time is not None else ""
    content = f"import\x00{one.system}\x00{one.id}\x00{one.title}\x00{one.role}\x00{moment}\x00{one.text}"
    cube = cube_pb2.Cube(descriptive=told, payload=cube_pb2.Payload(plaintext=plain))
    return cubes_pb2.NewCube(cube_id=f"m{hashlib.sha256(content.encode()).hexdigest()[:40]}", cube=cube)


def _labels(one: Memory, tags: Sequence[str]) -> list[str]:
    """Return labels: the import's, the memory's, and its metadata to the letter."""
    own = [tag.strip().lower()[:_MOST_TAG_CHARS] for tag in one.tags if tag.strip()]
    return list(dict.fromkeys([*tags, *own]))[:_MOST_TAGS] + exact_labels(one.metadata)


def _turns(message: Message) -> Iterator[remember_pb2.Turn]:
    """Yield a message as turns: several where it is longer than a turn may be."""
    for number, start in enumerate(range(0, len(message.text), _TURN_CHARS)):
        turn = remember_pb2.Turn(
            id=message.id if not number else f"{message.id}.{number}",
            role=message.role,
            speaker=message.speaker,
            text=message.text[start : start + _TURN_CHARS],
        )
        turn.time.FromDatetime(message.time)
        yield turn
