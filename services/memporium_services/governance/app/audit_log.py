"""The audit log: records are sequenced in batches, its state is signed, and everything in it can be proved."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium.verify.note import SignedTree, VerifierKey, sign_note
from memporium_platform.errors import invalid, not_found
from memporium_platform.names import ORG
from memporium_platform.storage.sql.times import to_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from memporium_platform.call import Call
    from memporium_platform.clock import Clock
    from memporium_services.governance.domain.audit import Filter, Leaf, LogRecord, TreeState
    from memporium_services.governance.ports import AuditStore

# Records of calls that arrive within this time are sequenced together: one transaction, one signature.
BATCH_S = 0.02
MAX_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class SignedState:
    """A log's state with its signed checkpoint and the key that verifies it."""

    state: TreeState
    note: str
    verifier_key: str


@dataclass(slots=True)
class _Batch:
    records: list[LogRecord] = field(default_factory=list)
    done: asyncio.Future[set[str]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class AuditLog:
    """What can be done with the logs."""

    def __init__(self, store: AuditStore, clock: Clock, *, key: Ed25519PrivateKey, origin: str) -> None:
        """Keep the store and the platform's signing key; logs are named `{origin}/{organisation}`."""
        self._store = store
        self._clock = clock
        self._key = key
        self._origin = origin
        self._gathering: _Batch | None = None
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def append(self, records: Sequence[LogRecord]) -> int:
        """Sequence records with others of the same moment; return, once they are durable, how many were new."""
        batch = self._gathering
        if batch is None or len(batch.records) + len(records) > MAX_BATCH:
            batch = self._gathering = _Batch()
            task = asyncio.create_task(self._flush(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        batch.records.extend(records)
        new = await asyncio.shield(batch.done)
        return len(new & {record.decision_id for record in records})

    async def stop(self) -> None:
        """Finish what is gathered."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def checkpoint(self, parent: str) -> SignedState:
        """Return the signed state of an organisation's log."""
        org = ORG.parse(parent, "parent")["org"]
        return self.signed(org, await self._store.tree(org))

    async def receipt(self, parent: str, decision_id: str) -> tuple[Leaf, list[bytes], SignedState]:
        """Return an entry with its audit path.

        Raises:
            PlatformError: NOT_FOUND.
        """
        org = ORG.parse(parent, "parent")["org"]
        found = await self._store.find(org, decision_id)
        if found is None:
            raise not_found(f"{parent} record {decision_id}")
        signed = self.signed(org, await self._store.tree(org))
        return found, await self._store.inclusion(org, found.index, signed.state.size), signed

    async def consistency(self, parent: str, first: int) -> tuple[list[bytes], SignedState]:
        """Return the proof that the log extends the one of `first` entries.

        Raises:
            PlatformError: INVALID_FIELD, where the log never had that size.
        """
        org = ORG.parse(parent, "parent")["org"]
        signed = self.signed(org, await self._store.tree(org))
        if not 1 <= first <= signed.state.size:
            raise invalid("first_size", f"must be 1 to {signed.state.size}, the size of the log")
        return await self._store.consistency(org, first, signed.state.size), signed

    async def prove(
        self, parent: str, decision_ids: Sequence[str], first: int
    ) -> tuple[list[tuple[Leaf, list[bytes]]], list[bytes], SignedState]:
        """Return entries with their audit paths, and the proof that the log extends the one of `first` entries.

        All hold against one state. A record that is not in the log, and a size that it never had, prove nothing.
        """
        org = ORG.parse(parent, "parent")["org"]
        signed = self.signed(org, await self._store.tree(org))
        proved = []
        for decision_id in dict.fromkeys(decision_ids):
            found = await self._store.find(org, decision_id)
            if found is not None and found.index < signed.state.size:
                proved.append((found, await self._store.inclusion(org, found.index, signed.state.size)))
        known = 1 <= first <= signed.state.size
        extends = await self._store.consistency(org, first, signed.state.size) if known else []
        return proved, extends, signed

    async def query(self, parent: str, query: Filter, *, before: int, limit: int) -> list[Leaf]:
        """Return entries before index `before`, newest first."""
        org = ORG.parse(parent, "parent")["org"]
        return await self._store.query(org, query, before=before, limit=limit)

    async def erase(self, call: Call, parent: str, decision_id: str) -> Leaf:
        """Erase the content of a record; its commitment stays.

        Raises:
            PlatformError: NOT_FOUND.
        """
        org = ORG.parse(parent, "parent")["org"]
        if await self._store.find(org, decision_id) is None:
            raise not_found(f"{parent} record {decision_id}")
        found = await self._store.erase(call, org, decision_id)
        if found is None:
            raise not_found(f"{parent} record {decision_id}")
        return found

    def signed(self, org: str, state: TreeState) -> SignedState:
        """Return a state with its checkpoint."""
        origin = f"{self._origin}/{org}"
        note = sign_note(SignedTree(origin, state.size, state.root), name=origin, key=self._key)
        return SignedState(state, note, str(VerifierKey(origin, self._key.public_key().public_bytes_raw())))

    async def _flush(self, batch: _Batch) -> None:
        """Write a batch; the next one gathers meanwhile."""
        await asyncio.sleep(BATCH_S)
        async with self._writing:
            if self._gathering is batch:
                self._gathering = None
            try:
                appended = await self._store.append(batch.records, now_us=to_us(self._clock.now()))
            except Exception as error:  # noqa: BLE001 - whatever it was, the callers that wait get it
                if not batch.done.cancelled():
                    batch.done.set_exception(error)
                    batch.done.exception()  # nobody may be left to take it
            else:
                if not batch.done.cancelled():
                    batch.done.set_result(appended)


def content_of(leaf: Leaf) -> dict[str, object]:
    """Return the fields of a record; empty where it was erased."""
    content: dict[str, object] = json.loads(leaf.record) if leaf.record else {}
    return content
