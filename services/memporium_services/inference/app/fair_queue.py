"""A model's time, shared fairly: one user at a time, tenants in turn however many calls each has waiting."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_RETRY_AFTER_S = 1.0


class FairQueue:
    """Round robin over tenants; first come, first served within one."""

    def __init__(self, *, places: int = 1, max_waiting: int, max_waiting_per_tenant: int) -> None:
        """Let in so many at once; refuse who would wait beyond the other numbers."""
        self._free = places
        self._max_waiting = max_waiting
        self._max_waiting_per_tenant = max_waiting_per_tenant
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Number of calls that wait."""
        return sum(len(queue) for queue in self._waiting.values())

    def check(self, tenant: str) -> None:
        """Refuse a call of this tenant that would wait behind too many.

        Raises:
            PlatformError: OVERLOADED or QUOTA_EXCEEDED.
        """
        if len(self._waiting.get(tenant, ())) >= self._max_waiting_per_tenant:
            raise PlatformError(
                Reason.QUOTA_EXCEEDED,
                f"{self._max_waiting_per_tenant} calls of the organisation wait for the model already",
                metadata={"quota": "waiting_calls", "limit": str(self._max_waiting_per_tenant)},
                retry_after_s=_RETRY_AFTER_S,
            )
        if self.waiting >= self._max_waiting:
            raise PlatformError(Reason.OVERLOADED, "too many calls wait for the model", retry_after_s=_RETRY_AFTER_S)

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[None]:
        """Hold a place at the model for the block, once it is this tenant's turn.

        Raises:
            PlatformError: OVERLOADED or QUOTA_EXCEEDED, where too many wait.
        """
        await self._enter(tenant)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, tenant: str) -> None:
        if self._free:
            self._free -= 1
            return
        self.check(tenant)
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(ticket)
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                # The turn had come already: pass it on.
                self._leave()
            else:
                self._forget(tenant, ticket)
            raise

    def _leave(self) -> None:
        while self._waiting:
            tenant, queue = self._waiting.popitem(last=False)
            ticket = queue.popleft()
            if queue:
                # To the end of the round.
                self._waiting[tenant] = queue
            if not ticket.done():
                ticket.set_result(None)
                return
        self._free += 1

    def _forget(self, tenant: str, ticket: asyncio.Future[None]) -> None:
        queue = self._waiting.get(tenant)
        if queue is not None and ticket in queue:
            queue.remove(ticket)
            if not queue:
                del self._waiting[tenant]
