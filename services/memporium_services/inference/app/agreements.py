"""Which agreements have ended, as memstore pushes it: what runs under one is cut at once.

Whether a use may begin is asked of the vault each time; this is for what has begun.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping

    from memporium_services.inference.ports import Entitlements

T = TypeVar("T")
_log = structlog.get_logger("memporium.inference")

# State of an agreement -> reason of the refusal; in the other states uses are possible.
_DEAD: Mapping[str, Reason] = {
    "SUSPENDED": Reason.LICENCE_SUSPENDED,
    "EXPIRED": Reason.LICENCE_EXPIRED,
    "REVOKED": Reason.LICENCE_REVOKED,
    "BREACHED": Reason.LICENCE_REVOKED,
    "CANCELLED": Reason.LICENCE_REVOKED,
}
_RECONNECT_S = 0.5


class Agreements:
    """The table of ended agreements, and who must be told when it grows."""

    def __init__(self, entitlements: Entitlements, *, on_end: Callable[[str], object]) -> None:
        """Follow `entitlements`; call `on_end` with each agreement that ends."""
        self._entitlements = entitlements
        self._on_end = on_end
        self._dead: dict[str, str] = {}
        self._guards: set[Guard] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """End following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def apply(self, agreement: str, state: str) -> None:
        """Take a state in."""
        if state not in _DEAD:
            self._dead.pop(agreement, None)
            return
        self._dead[agreement] = state
        self._on_end(agreement)
        for guard in list(self._guards):
            if agreement in guard.agreements:
                guard.end(_refusal(agreement, state))

    @contextmanager
    def guard(self, agreements: Collection[str]) -> Iterator[Guard]:
        """Watch over a use of these agreements for the block.

        Raises:
            PlatformError: LICENCE_*, where one has ended already.
        """
        for agreement in agreements:
            if agreement in self._dead:
                raise _refusal(agreement, self._dead[agreement])
        guard = Guard(frozenset(agreements))
        self._guards.add(guard)
        try:
            yield guard
        finally:
            self._guards.discard(guard)

    async def _follow(self) -> None:
        while True:
            try:
                async for changes in self._entitlements.watch():
                    for agreement, state in changes:
                        self.apply(agreement, state)
            except PlatformError as err:
                _log.warning("inference.entitlements_lost", reason=err.reason.value)
            await asyncio.sleep(_RECONNECT_S)


class Guard:
    """Cuts one use when an agreement that it runs under ends."""

    def __init__(self, agreements: frozenset[str]) -> None:
        """Watch over these agreements."""
        self.agreements = agreements
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self, error: PlatformError) -> None:
        """Cut the use."""
        if not self._ended.done():
            self._ended.set_exception(error)
            # Nobody may be waiting at this moment; `each` looks at it before its next step.
            self._ended.exception()

    async def each(self, items: AsyncIterator[T]) -> AsyncGenerator[T]:
        """Yield the items; raise as soon as an agreement ends, also while an item is waited for."""
        if not self.agreements:
            async for item in items:
                yield item
            return
        while True:
            step: asyncio.Future[T | object] = asyncio.ensure_future(_next(items))
            try:
                waited: list[asyncio.Future[Any]] = [step, self._ended]
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not step.done():
                    step.cancel()
                    await asyncio.gather(step, return_exceptions=True)
            if self._ended.done():
                if not step.cancelled():
                    step.exception()
                self._ended.result()
            found = step.result()
            if found is _NOTHING:
                return
            yield found  # type: ignore[misc]


_NOTHING = object()


async def _next(items: AsyncIterator[T]) -> T | object:
    return await anext(items, _NOTHING)


def _refusal(agreement: str, state: str) -> PlatformError:
    return PlatformError(
        _DEAD[state],
        f"{agreement} is {state.lower()}: memory under it can no longer be used",
        metadata={"agreement": agreement, "state": state},
    )
