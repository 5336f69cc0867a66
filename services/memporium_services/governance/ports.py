"""What governance's application needs of storage, as protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from memporium_platform.authz.entries import Entry, Grouping, Rule
    from memporium_platform.call import Call
    from memporium_services.governance.domain.audit import Filter, Leaf, LogRecord, TreeState
    from memporium_services.governance.domain.pii import Finding
    from memporium_services.governance.domain.records import (
        ApiKey,
        Binding,
        Issuer,
        Organisation,
        Policy,
        Principal,
        Record,
    )

T = TypeVar("T")


class Rows(Protocol):
    """The rows as one transaction sees them. Lists are in the order of the id, after `after`, at most `limit`."""

    def organisation(self, org: str) -> Organisation | None:
        """Return an organisation, also a deleted one."""
        ...

    def organisations(self, after: str, limit: int, *, deleted: bool) -> list[Organisation]:
        """Return organisations; `deleted`: also deleted ones."""
        ...

    def principal(self, name: str) -> Principal | None:
        """Return a principal."""
        ...

    def principals(self, org: str, after: str, limit: int) -> list[Principal]:
        """Return principals of an organisation."""
        ...

    def api_key(self, key_id: str) -> ApiKey | None:
        """Return an API key."""
        ...

    def api_keys(self, principal: str, after: str, limit: int) -> list[ApiKey]:
        """Return the keys of a principal."""
        ...

    def issuer(self, org: str, issuer: str) -> Issuer | None:
        """Return an issuer."""
        ...

    def issuer_by_claim(self, claim: str) -> Issuer | None:
        """Return the issuer with this `iss` claim."""
        ...

    def issuers(self, org: str, after: str, limit: int) -> list[Issuer]:
        """Return the issuers of an organisation."""
        ...

    def binding(self, org: str, binding: str) -> Binding | None:
        """Return a role binding."""
        ...

    def bindings(self, org: str, after: str, limit: int, *, member: str = "") -> list[Binding]:
        """Return role bindings of an organisation; only those of `member` where given."""
        ...

    def policy(self, org: str, policy: str) -> Policy | None:
        """Return a policy."""
        ...

    def policies(self, org: str, after: str, limit: int) -> list[Policy]:
        """Return the policies of an organisation."""
        ...

    def casbin_rows(self, org: str, limit: int) -> tuple[list[Rule], list[Grouping]]:
        """Return Casbin's rows of an organisation with those that the platform ships; at most `limit` rules."""
        ...

    def put(self, record: Record) -> int:
        """Write a record and its row of the authorisation state; return the epoch of the transaction."""
        ...

    def remove(self, record: Record) -> int:
        """Remove a record and its row of the authorisation state; return the epoch of the transaction."""
        ...

    def epoch(self) -> int:
        """Return the newest epoch."""
        ...

    def number(self, name: str) -> int:
        """Return a single number; 0 where it was never set."""
        ...

    def set_number(self, name: str, value: int) -> None:
        """Write a single number."""
        ...


class Bootstrap(Protocol):
    """What the first start writes to."""

    async def write(self, fn: Callable[[Rows], T]) -> T:
        """Run `fn` in a write transaction outside of any call."""
        ...


class Directory(Protocol):
    """Organisations, principals, credentials and policies."""

    async def read(self, fn: Callable[[Rows], T]) -> T:
        """Run `fn` on one consistent state."""
        ...

    async def mutate(
        self,
        call: Call,
        run: Callable[[Rows], T],
        *,
        remember: Callable[[T], str],
        recall: Callable[[Rows, str], T],
        resource: Callable[[T], str],
    ) -> T:
        """Run a mutation once for the call's request id, with its audit record, in one transaction."""
        ...

    async def entries_since(self, epoch: int) -> tuple[int, bool, Sequence[tuple[str, bytes]]]:
        """Return the newest epoch, whether this is the full state, and (key, message) of the rows since `epoch`.

        Full where `epoch` is 0, from the future, or so old that removed rows were forgotten since.
        """
        ...

    def next_change(self) -> asyncio.Event:
        """Return the event of the next mutation that commits here; take it before reading, then none is missed."""
        ...

    async def sync_templates(self, entries: Mapping[str, Entry]) -> int:
        """Make what the platform ships exactly these rows; return the newest epoch."""
        ...


class AuditStore(Protocol):
    """The logs."""

    async def append(self, records: Sequence[LogRecord], *, now_us: int) -> set[str]:
        """Sequence records, each once in each of its logs, in one durable transaction; return the new ones."""
        ...

    async def tree(self, org: str) -> TreeState:
        """Return the state of a log; empty where there is none."""
        ...

    async def query(self, org: str, query: Filter, *, before: int, limit: int) -> list[Leaf]:
        """Return entries before index `before`, newest first."""
        ...

    async def slice(self, org: str, query: Filter, *, start: int, end: int, limit: int) -> list[Leaf]:
        """Return entries from index `start` to before `end`, oldest first."""
        ...

    async def find(self, org: str, decision_id: str) -> Leaf | None:
        """Return the entry of a decision."""
        ...

    async def inclusion(self, org: str, index: int, size: int) -> list[bytes]:
        """Return an audit path."""
        ...

    async def consistency(self, org: str, first: int, size: int) -> list[bytes]:
        """Return a consistency proof."""
        ...

    async def leaf_hashes(self, org: str, start: int, end: int) -> bytes:
        """Return leaf hashes, one after another; `start` is a multiple of 256, and at most 256 are returned."""
        ...

    async def erase(self, call: Call, org: str, decision_id: str) -> Leaf | None:
        """Erase the content of a record, once for the call's request id; None where there is no such entry."""
        ...

    async def erase_older(self, before_us: int) -> int:
        """Erase the content of records older than a time; return how many."""
        ...


class PiiDetector(Protocol):
    """Finds personal data; slow, so never called on the event loop."""

    def detect(self, text: str, entities: Sequence[str]) -> list[Finding]:
        """Return all that may be personal data of these kinds, with confidence, also where findings overlap."""
        ...
