"""What was asked of a server that is killed meanwhile, and what it has acknowledged."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from memporium.client import MemporiumError
from memporium.client._methods import build_request, methods

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Sequence

    from memporium.client import AsyncClient
    from support.crash_server import KillableServer

T = TypeVar("T")

# What a call ends with when its server is gone.
_GONE = {"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "UNKNOWN", "INTERNAL"}


class CutError(Exception):
    """The server was killed while the call was under way: whether it took place is not known."""


@dataclass(eq=False)
class Sent:
    """One mutation: the request with its request id, and the answer, None where the call was cut.

    `note` is what the test remembers with it.
    """

    service: str
    method: str
    request: Any
    note: Any = None
    answer: Any = None

    async def again(self, client: AsyncClient) -> Any:
        """Send the same request with the same request id."""
        return await _send(client, self)


@dataclass
class Ledger:
    """Mutations in the order in which they were sent."""

    server: KillableServer
    sent: list[Sent] = field(default_factory=list)

    async def send(self, client: AsyncClient, service: str, method: str, *, note: Any = None, **fields: Any) -> Any:
        """Send a mutation and note its answer.

        Raises:
            CutError: The server was killed.
            MemporiumError: It was refused.
        """
        request = build_request(methods(service)[method], None, {**fields, "request_id": str(uuid.uuid4())})
        one = Sent(service, method, request, note)
        self.sent.append(one)
        one.answer = await self.uncut(_send(client, one))
        return one.answer

    async def uncut(self, call: Awaitable[T]) -> T:
        """Await a call.

        Raises:
            CutError: The server was killed meanwhile.
            MemporiumError: The call was refused.
        """
        try:
            return await call
        except MemporiumError as error:
            if not self.server.alive and error.code in _GONE:
                raise CutError from None
            raise

    @property
    def acknowledged(self) -> list[Sent]:
        return [one for one in self.sent if one.answer is not None]

    @property
    def cut(self) -> list[Sent]:
        return [one for one in self.sent if one.answer is None]


async def _send(client: AsyncClient, one: Sent) -> Any:
    """Return the answer; of a stream, its last message."""
    call = getattr(getattr(client, one.service), one.method)
    if not methods(one.service)[one.method].server_streaming:
        return await call(one.request)
    last = None
    async for response in call(one.request):
        last = response
    return last


async def storm(
    server: KillableServer, rng: random.Random, workers: Sequence[Callable[[], Awaitable[None]]], *, longest_s: float
) -> float:
    """Let workers send until the server is killed after a random time; return that time in seconds.

    Each worker goes on for ever, one call after the other, until CutError ends it.
    """

    async def until_cut(worker: Callable[[], Awaitable[None]]) -> None:
        try:
            while True:
                await worker()
        except CutError:
            return

    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(until_cut(worker))
        after_s = rng.uniform(0.02, longest_s)
        await asyncio.sleep(after_s)
        server.kill()
    return after_s
