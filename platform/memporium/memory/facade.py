"""Add, search, list, change, delete: each memory is a cube of its own, so each can be forgotten for good."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from google.protobuf.field_mask_pb2 import FieldMask

from memporium.client import Client, MemporiumError
from memporium.cube.v1 import cube_pb2
from memporium.memory import texts
from memporium.memory.scopes import MARK, Scope, ids_in, metadata_in, scope_of
from memporium.memory.store import ABSENT, Store
from memporium.reader.v1 import recall_pb2, remember_pb2
from memporium.vault.v1 import cubes_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST_RECALLED = 200
# A longer question counts as far as this.
_MOST_QUERY_CHARS = 4_096
# Memories forgotten in one call.
_FORGOTTEN = 1_000
_ATTEMPTS = 3


class Memory:
    """A memory by the methods of mem0's `Memory`, over a running platform.

    What differs: memories are kept word for word (a model of the server may add facts), `delete` forgets for good, so
    `history` of a deleted memory is empty, and `delete` and `delete_all` return a receipt that can be verified.

    Example:
        >>> memory = Memory(api_key=key)
        >>> memory.add("I love pottery", user_id="ada")
        >>> memory.search("hobbies", user_id="ada")["results"][0]["memory"]
        'I love pottery'
    """

    def __init__(
        self,
        address: str = "127.0.0.1:7600",
        *,
        api_key: str = "",
        client: Client | None = None,
        prefix: str = "memory",
        **options: Any,
    ) -> None:
        """Connect.

        Args:
            address: `host:port` of the platform.
            api_key: API key or JWT.
            client: A connection to use instead.
            prefix: Beginning of the ids of the vaults: `{prefix}-{user}-...`.
            options: The other arguments of `Client`.
        """
        self._client = client or Client(address, api_key=api_key, **options)
        self._store = Store(self._client, prefix)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make a memory from a dictionary of the constructor's arguments."""
        return cls(**config)

    def add(
        self,
        messages: str | dict[str, Any] | Iterable[dict[str, Any]],
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        timestamp: datetime | float | None = None,
        **_others: Any,
    ) -> dict[str, Any]:
        """Remember messages, each as a memory of its own; return them as `results`.

        Raises:
            ValueError: Nothing to remember, nobody to remember it for, or metadata that are no short JSON.
        """
        scope = scope_of(user_id=user_id, agent_id=agent_id, run_id=run_id)
        labels = Scope(scope.owner, scope.ids, metadata or {}).labels()
        vault, session = self._store.made(scope), f"add-{uuid.uuid4().hex}"
        moment = _moment(timestamp)
        turns: list[remember_pb2.Turn] = []
        found = []
        for number, (role, speaker, text) in enumerate(texts.messages_of(messages)):
            turn = remember_pb2.Turn(id=f"m{number}", role=role, speaker=speaker, text=text)
            turn.time.CopyFrom(texts.timestamp(moment))
            turns.append(turn)
            # The turns before go along: they are known, and tell what this one refers to.
            done = self._client.reader.remember(_requests(vault, session, labels, turns), timeout_s=600)
            new = [cube for cube in done.cubes if cube.created]
            found += [{"id": _id_of(cube.cube), "memory": text, "event": "ADD", "role": role} for cube in new]
        return {"results": found}

    def search(
        self,
        query: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        limit: int = 20,
        top_k: int | None = None,
        filters: dict[str, Any] | None = None,
        threshold: float | None = None,
        **_others: Any,
    ) -> dict[str, Any]:
        """Return the memories that answer a question, best first, as `results` with scores."""
        scope = scope_of(user_id=user_id, agent_id=agent_id, run_id=run_id, more=filters)
        vault, wanted = self._store.name(scope), top_k or limit
        try:
            recalled = self._client.reader.recall(
                parent=vault,
                query=query[:_MOST_QUERY_CHARS],
                limit=min(wanted, _MOST_RECALLED),
                budget_tokens=65_536,
                filter=recall_pb2.RecallFilter(tags_all=scope.conditions()),
            )
        except MemporiumError as error:
            if error.reason in ABSENT:
                return {"results": []}
            raise
        scores: dict[str, float] = {}
        for item in recalled.items:
            scores.setdefault(item.cube, item.score)
        cubes = {cube.name: cube for cube in self._store.cubes(vault, list(scores))}
        found = [
            {**_as_dict(cubes[name]), "score": score}
            for name, score in scores.items()
            if name in cubes and (threshold is None or score >= threshold)
        ]
        return {"results": [one for one in found if _fits(one, scope)][:wanted]}

    def get_all(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        limit: int = 100,
        top_k: int | None = None,
        filters: dict[str, Any] | None = None,
        **_others: Any,
    ) -> dict[str, Any]:
        """Return memories, oldest first, as `results`."""
        scope = scope_of(user_id=user_id, agent_id=agent_id, run_id=run_id, more=filters)
        found: list[dict[str, Any]] = []
        for cube in self._store.all(self._store.name(scope), scope):
            one = _as_dict(cube)
            if _fits(one, scope):
                found.append(one)
        found.sort(key=lambda one: (one["created_at"], one["id"]))
        return {"results": found[: top_k or limit]}

    def get(self, memory_id: str) -> dict[str, Any] | None:
        """Return a memory; None where there is none."""
        cube = self._store.cube(memory_id)
        return _as_dict(cube) if cube is not None else None

    def update(self, memory_id: str, data: str, **_others: Any) -> dict[str, Any]:
        """Change what a memory says; what it said stays in its history.

        Raises:
            ValueError: There is no such memory.
        """
        cube = self._store.cube(memory_id)
        if cube is None or (old := texts.first(cube)) is None:
            raise ValueError(f"no memory {memory_id}")
        text = texts.framed(data, old.source.speaker, texts.day_of(old))
        fact = cube_pb2.AtomicFact(text=text, source=old.source, role=old.role, event_time=old.event_time)
        cell = cube.payload.plaintext.mem_cell
        changed = cube_pb2.MemCell(episode=text, facts=[fact], sources=cell.sources)
        payload = cube_pb2.Payload(plaintext=cube_pb2.Plaintext(mem_cell=changed))
        self._client.vault.update_cube(
            cube=cube_pb2.Cube(name=cube.name, etag=cube.etag, payload=payload),
            update_mask=FieldMask(paths=["payload"]),
            reason="updated",
        )
        return {"message": "Memory updated successfully!"}

    def delete(self, memory_id: str) -> dict[str, Any]:
        """Forget a memory for good, with its history; the receipt proves it.

        Raises:
            ValueError: There is no such memory.
        """
        name = self._store.full(memory_id)
        try:
            done = self._client.vault.forget_cubes(parent=name.rsplit("/cubes/", 1)[0], names=[name])
        except MemporiumError as error:
            if error.reason in ABSENT:
                raise ValueError(f"no memory {memory_id}") from None
            raise
        return {"message": "Memory deleted successfully!", "receipt": done.receipt.name}

    def delete_all(
        self, *, user_id: str | None = None, agent_id: str | None = None, run_id: str | None = None
    ) -> dict[str, Any]:
        """Forget all memories of a user, or those of an agent or run of theirs; the receipts prove it."""
        scope = scope_of(user_id=user_id, agent_id=agent_id, run_id=run_id)
        vault, receipts = self._store.name(scope), []
        refused = 0
        while chosen := self._leaving(scope):
            try:
                done = self._client.vault.forget_cubes(parent=vault, timeout_s=600, **chosen)
            except MemporiumError as error:
                # Another one may have forgotten some meanwhile: then those that are left are found again.
                refused += 1
                if error.reason not in ABSENT or refused == _ATTEMPTS:
                    raise
                continue
            receipts.append(done.receipt.name)
            if "filter" in chosen and not done.more:
                break
        return {"message": "Memories deleted successfully!", "receipts": receipts}

    def _leaving(self, scope: Scope) -> dict[str, Any]:
        """Return what is to be forgotten next of a scope; {} where nothing is left.

        A user's vault is that user's alone. Labels tell no case, so memories of a run or agent are chosen one by one.
        """
        of_owner = len(scope.ids) == 1
        names = list(islice(self._names(scope), 1 if of_owner else _FORGOTTEN))
        if not names:
            return {}
        return {"filter": cubes_pb2.CubeFilter(tags_all=[MARK])} if of_owner else {"names": names}

    def history(self, memory_id: str) -> list[dict[str, Any]]:
        """Return what a memory said before, oldest first; nothing of one that was deleted."""
        name = self._store.full(memory_id)
        try:
            versions = [
                version
                for page in self._store.version_pages(name)
                for version in page.versions
                if version.change != "use"
            ]
        except MemporiumError as error:
            if error.reason in ABSENT:
                return []
            raise
        found: list[dict[str, Any]] = []
        before: str | None = None
        for version in sorted(versions, key=lambda one: one.version):
            text = texts.said(self._client.vault.get_cube(name=name, version=version.version).cube)
            if text != before:
                found.append(
                    {
                        "id": f"{memory_id}@{version.version}",
                        "memory_id": memory_id,
                        "old_memory": before,
                        "new_memory": text,
                        "event": "ADD" if before is None else "UPDATE",
                        "created_at": texts.iso(version.create_time),
                        "is_deleted": False,
                    }
                )
            before = text
        return found

    def _names(self, scope: Scope) -> Iterator[str]:
        """Yield the cubes of a scope to the letter."""
        for cube in self._store.all(self._store.name(scope), scope):
            if _fits(_as_dict(cube), scope):
                yield cube.name

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        """Return the memory."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the connection."""
        self.close()


def _requests(
    vault: str, session: str, labels: list[str], turns: list[remember_pb2.Turn]
) -> Iterator[remember_pb2.RememberRequest]:
    yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=vault, session=session, tags=labels))
    for turn in turns:
        yield remember_pb2.RememberRequest(turn=turn)


def _as_dict(cube: cube_pb2.Cube) -> dict[str, Any]:
    labels = list(cube.descriptive.tags)
    fact = texts.first(cube)
    return {
        "id": _id_of(cube.name),
        "memory": texts.said(cube),
        "hash": cube.content_digest,
        "metadata": metadata_in(labels),
        "role": fact.role if fact is not None else "",
        "created_at": texts.iso(cube.descriptive.create_time),
        "updated_at": texts.iso(cube.descriptive.update_time),
        **ids_in(labels),
    }


def _fits(one: dict[str, Any], scope: Scope) -> bool:
    """Say whether a memory has the metadata asked for to the letter; labels tell no case."""
    exact = all(one["metadata"].get(key) == value for key, value in scope.metadata.items())
    return exact and all(one.get(key) == value for key, value in scope.ids.items())


def _id_of(name: str) -> str:
    """Return `{vault}/{cube}` of a cube's full name."""
    vault, cube = name.split("/vaults/", 1)[1].split("/cubes/", 1)
    return f"{vault}/{cube}"


def _moment(given: datetime | float | None) -> datetime:
    if given is None:
        return datetime.now(UTC)
    if isinstance(given, int | float):
        return datetime.fromtimestamp(given, UTC)
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)
