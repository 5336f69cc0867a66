"""Audit records: one for every call, allowed or denied, never with a payload.

A mutation's record is written in the mutation's own transaction (`record_in`). All others go to the sink's bounded
queue, from where the relay (`audit_relay`) ships them, as it ships the outbox tables.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import insert

from memporium_platform.names import new_id
from memporium_platform.storage.sql.kernel_tables import AUDIT_OUTBOX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from memporium_platform.call import Call

# Built once: building a statement takes longer than running it.
_RECORD = insert(AUDIT_OUTBOX)
# Longest text of a record; the longest well-formed names are far shorter.
MAX_TEXT = 1024
# Longest value among its details, which services make.
MAX_DETAIL = 16_384
# Key in `Call.marks` of the decision ids that `record_in` has written.
RECORDED = "audit.recorded"
# Begins a mark that is a fact for the record.
_NOTE = "note:"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What was asked by whom, and what was decided: `memporium.governance.v1.AuditRecord` without protobuf.

    Attributes:
        decision_id: ULID; a record is taken in once.
        time_us: When, in microseconds since 1970 UTC.
        principal: The caller's name; "" where it was not authenticated.
        principal_org: Id of its organisation.
        credential: Id of its credential.
        via: Service that called on its behalf; "" where it called itself.
        method: Full gRPC method.
        action: Action of the method table.
        resource: Resource name.
        effect: `ALLOW`, `DENY` or `ERROR` (allowed, but failed).
        reason: Reason of the refusal or failure; "" where it was done.
        rule: Rule that decided.
        epoch: Policy epoch of the decision.
        purpose: Declared purpose.
        region: Declared region.
        memory_type: Forms of the memory in question, for instance `PLAINTEXT`.
        terms_digest: SHA-256 of the licence terms under which memory was used.
        trace_id: W3C trace id.
        root_id: Decision id of the first call of the chain.
        request_id: Idempotency id of the call.
        details: What else matters: names, counts, digests; never a payload.
    """

    decision_id: str
    time_us: int
    principal: str = ""
    principal_org: str = ""
    credential: str = ""
    via: str = ""
    method: str = ""
    action: str = ""
    resource: str = ""
    effect: str = "ALLOW"
    reason: str = ""
    rule: str = ""
    epoch: int = 0
    purpose: str = ""
    region: str = ""
    memory_type: str = ""
    terms_digest: str = ""
    trace_id: str = ""
    root_id: str = ""
    request_id: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the record as JSON."""
        # `asdict` would copy each value, which takes longer than all else that is done with a record.
        values = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(values | {"details": dict(self.details)}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> AuditRecord:
        """Return the record that `to_json` wrote."""
        return cls(**json.loads(text))


def note(call: Call, details: Mapping[str, str]) -> None:
    """Add facts to the record that is made of a call when it ends; never payloads."""
    call.marks.update({f"{_NOTE}{key}": value for key, value in details.items()})


def notes_of(call: Call) -> dict[str, str]:
    """Return the facts that were added."""
    return {mark.removeprefix(_NOTE): value for mark, value in call.marks.items() if mark.startswith(_NOTE)}


def record_of(
    call: Call,
    *,
    now: datetime | None = None,
    effect: str = "ALLOW",
    resource: str = "",
    reason: str = "",
    details: Mapping[str, str] | None = None,
) -> AuditRecord:
    """Return the record of a call.

    Args:
        call: The call.
        now: When it began.
        effect: `ALLOW`, `DENY` or `ERROR`.
        resource: Replaces the one that was authorised.
        reason: Of a refusal or failure.
        details: `memory_type` and `terms_digest` become the fields of these names.
    """
    moment = now or datetime.now(UTC)
    more = dict(details) if details else {}
    return AuditRecord(
        decision_id=call.decision_id or new_id(moment),
        time_us=int(moment.timestamp() * 1_000_000),
        principal=call.principal.name,
        principal_org=call.principal.org,
        credential=call.principal.credential,
        via=call.principal.via,
        method=call.method,
        action=call.action,
        resource=_plain(resource or call.resource),
        effect=effect,
        reason=reason,
        rule=call.rule,
        epoch=call.epoch,
        purpose=call.purpose,
        region=call.region,
        memory_type=more.pop("memory_type", ""),
        terms_digest=more.pop("terms_digest", ""),
        trace_id=call.trace_id,
        root_id=call.root_id,
        request_id=_plain(call.request_id),
        details={key: _plain(value, MAX_DETAIL) for key, value in more.items()} if more else {},
    )


def _plain(text: str, longest: int = MAX_TEXT) -> str:
    """Return text that a caller chose as every store takes it: one record that none takes would block all others."""
    if len(text) <= longest and "\0" not in text:
        return text
    return text[:longest].replace("\0", "\N{REPLACEMENT CHARACTER}")


def record_in(
    conn: Connection,
    call: Call,
    *,
    effect: str = "ALLOW",
    resource: str = "",
    details: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> None:
    """Write a mutation's audit record within its transaction, so that both are durable or neither.

    The first record of a call carries the call's decision id, further ones (a batch over several resources) their own.
    """
    record = record_of(call, now=now, effect=effect, resource=resource, details=details)
    if RECORDED in call.marks:
        record = replace(record, decision_id=new_id(now), details={**record.details, "decision": call.decision_id})
    row = {"decision_id": record.decision_id, "record": record.to_json(), "create_us": record.time_us}
    conn.execute(_RECORD, row)
    call.marks[RECORDED] = "1"


class AuditSink:
    """The bounded queue of records that are not in any transaction."""

    def __init__(self, *, capacity: int, keep_newest: bool = False) -> None:
        """Keep at most `capacity` records.

        When full, the interceptor refuses calls rather than lose records; with `keep_newest`, for a process without
        any audit log, the oldest make room instead.
        """
        self._capacity = capacity
        self._queue: deque[AuditRecord] = deque(maxlen=capacity if keep_newest else None)
        self._keep_newest = keep_newest
        self._wake = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many records are queued."""
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether the next record has no room."""
        return len(self._queue) >= self._capacity and not self._keep_newest

    def submit(self, record: AuditRecord) -> None:
        """Queue a record; the relay ships it within 200 ms. Never blocks."""
        self._queue.append(record)
        self._wake.set()

    def submit_unknown(self, record: AuditRecord) -> None:
        """Queue the record of a caller that was not let in; a flood of them leaves half the queue to the others."""
        if len(self._queue) < self._capacity // 2 or self._keep_newest:
            self.submit(record)

    def nudge(self) -> None:
        """Tell the relay that an outbox has records."""
        self._wake.set()

    async def wait(self, timeout_s: float) -> None:
        """Return once there may be something to ship, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    def take(self, limit: int) -> list[AuditRecord]:
        """Remove and return the oldest records, at most `limit`."""
        queue = self._queue
        return [queue.popleft() for _ in range(min(limit, len(queue)))]

    def give_back(self, records: list[AuditRecord]) -> None:
        """Put records that could not be shipped back to the front."""
        self._queue.extendleft(reversed(records))
