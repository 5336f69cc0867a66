"""One way to change governance's records: once a request id, audited, with the epoch from which the change holds."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from memporium_platform.errors import PlatformError, denied, not_found

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from memporium_platform.call import Call
    from memporium_services.governance.domain.records import Organisation, Principal, Record
    from memporium_services.governance.ports import Directory, Rows

R = TypeVar("R", bound="Record")

# Seconds to wait until this process follows its own change; others follow within one second.
_SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Changed(Generic[R]):
    """A record after a change, and the epoch from which it holds."""

    record: R
    epoch: int


class Changes:
    """Runs changes."""

    def __init__(self, directory: Directory, wait_for: Callable[[int, float], Awaitable[None]]) -> None:
        """Keep the store, and how to wait until this process has an epoch."""
        self._directory = directory
        self._wait_for = wait_for

    async def run(
        self, call: Call, work: Callable[[Rows], Changed[R]], find: Callable[[Rows, str], R | None]
    ) -> Changed[R]:
        """Run a change; `find` returns the record by name when the request id is repeated."""

        def recall(rows: Rows, text: str) -> Changed[R]:
            epoch, _, name = text.partition(" ")
            record = find(rows, name)
            if record is None:
                raise not_found(name)
            return Changed(record, int(epoch))

        changed = await self._directory.mutate(
            call,
            work,
            remember=lambda result: f"{result.epoch} {result.record.name}",
            recall=recall,
            resource=lambda result: result.record.name,
        )
        await self.settle(changed.epoch)
        return changed

    async def run_removal(self, call: Call, work: Callable[[Rows], int]) -> int:
        """Run a change that leaves no record; return its epoch."""
        epoch = await self._directory.mutate(
            call, work, remember=str, recall=lambda _, text: int(text), resource=lambda _: call.resource
        )
        await self.settle(epoch)
        return epoch

    async def settle(self, epoch: int) -> None:
        """Wait until this process follows its own change; a caller that presents the epoch is right in any case."""
        with suppress(PlatformError):
            await self._wait_for(epoch, _SETTLE_S)


def active(rows: Rows, org: str) -> Organisation:
    """Return an organisation that is in use.

    Raises:
        PlatformError: PERMISSION_DENIED, where there is none.
    """
    found = rows.organisation(org)
    if found is None or found.delete_us:
        raise denied("governance", f"orgs/{org}")
    return found


def existing_principal(rows: Rows, name: str) -> Principal:
    """Return a principal.

    Raises:
        PlatformError: NOT_FOUND.
    """
    found = rows.principal(name)
    if found is None:
        raise not_found(name)
    return found


__all__ = ["Changed", "Changes", "active", "existing_principal"]
