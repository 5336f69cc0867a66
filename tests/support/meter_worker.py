"""Uses of one agreement from many clients, in a process that is meant to be killed.

`python -m support.meter_worker DATA_DIR DATABASE_URL PREFIX` prints `C <use id>` once a use was metered, and `DONE`
when the quota is used up. Statements are made meanwhile, by the timer, every quarter of a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from memporium_platform.call import Call, Principal, PrincipalKind, in_call
from memporium_platform.clock import SystemClock
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.licence.terms import Action, Form, Unit
from memporium_platform.storage.sql.open_database import open_database
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.adapters.store import SqlStore
from memporium_services.memstore.app.closing import Closing
from memporium_services.memstore.app.entitlements import Entitlements, UseRequest
from memporium_services.memstore.app.market import Market
from memporium_services.memstore.app.metering import Metering
from memporium_services.memstore.app.statements import Statements
from memporium_services.memstore.domain.agreements import Agreement
from memporium_services.memstore.domain.entitlements import Units
from memporium_services.memstore.domain.prices import PlanKind, Price, PricePlan
from memporium_services.memstore.settings import MemstoreSettings

AGREEMENT = "orgs/seller/agreements/a1"
CLIENTS = 64
# Short, so that what a killed process held is given back within the test.
TTL_S = 0.5
EVERY_S = 0.25
PRICE = PricePlan(PlanKind.PER_USE, Price("EUR", 1_000_000), unit=Unit.CALLS)


async def open_store(data_dir: Path, database_url: str) -> SqlStore:
    """Open the marketplace's database."""
    settings = SimpleNamespace(data_dir=data_dir, database_url=database_url)
    return SqlStore(await open_database(settings, "memstore", "memporium_services.memstore.migrations"))


class Meter:
    """The meter alone; it needs neither keys nor page tokens."""

    def __init__(self, market: Market) -> None:
        entitlements, metering = Entitlements(market), Metering(market)
        self.reserve, self.commit, self.sweep = entitlements.reserve, metering.commit, metering.sweep
        self.close_due = Closing(market, Statements(market)).close_due


class OneSigner:
    """Signs for everybody with one key."""

    key_id = "test"

    async def of(self, _org: str) -> Any:
        """Return the signer of an organisation."""
        return self

    def sign(self, message: bytes) -> bytes:
        """Return what stands for a signature."""
        return hashlib.sha256(message).digest()


def entitlements_on(store: SqlStore, *, ttl_s: float = TTL_S, clock: Any = None) -> Meter:
    """Return the meter on a store."""
    unused: Any = None
    settings = MemstoreSettings(reservation_ttl_s=ttl_s, statements_every_s=EVERY_S)
    return Meter(Market(store, clock or SystemClock(), OneSigner(), unused, settings))


async def agree(store: SqlStore, terms: bytes) -> None:
    """Put an agreement of `buyer` in force."""
    now_us = to_us(SystemClock().now())

    def work(tx: Any) -> None:
        agreement = Agreement(
            name=AGREEMENT,
            provider="seller",
            consumer="buyer",
            listing="orgs/seller/listings/l",
            offer="orgs/seller/listings/l/offers/o",
            negotiation="orgs/seller/negotiations/n",
            release="",
            terms_sha256=tx.put_document(terms),
            price=PRICE,
            document_sha256="",
            signatures=(),
            attribution="",
            delete_on_expiry=False,
            revision=tx.next_number("entitlements"),
            activate_us=now_us,
        )
        tx.agreements.put(agreement)

    await store.write(work)


def as_buyer(use_id: str) -> Any:
    """Return the context of one user call."""
    user = Principal("orgs/buyer/principals/agent", "buyer", PrincipalKind.WORKLOAD, via="vault")
    return in_call(Call(user, decision_id=use_id, root_id=use_id))


async def use_once(entitlements: Meter, use_id: str) -> bool:
    """Make one use, again while other replicas come between; return whether the quota allowed it."""
    request = UseRequest(AGREEMENT, Action.READ, Form.PLAINTEXT, Units(calls=1), use_id)
    while True:
        try:
            with as_buyer(f"{use_id}-reserve"):
                await entitlements.reserve(request)
            with as_buyer(f"{use_id}-commit"):
                await entitlements.commit(AGREEMENT, use_id, None)
        except PlatformError as error:
            if error.reason is Reason.LICENCE_QUOTA_EXHAUSTED:
                return False
            if error.reason not in {Reason.CONFLICT, Reason.OVERLOADED}:
                raise
            await asyncio.sleep(0.01)
            continue
        return True


async def _client(entitlements: Meter, prefix: str, number: int) -> None:
    count = 0
    while await use_once(entitlements, use_id := f"{prefix}-{number}-{count}"):
        sys.stdout.write(f"C {use_id}\n")
        sys.stdout.flush()
        count += 1


async def _close(entitlements: Meter) -> None:
    while True:
        with contextlib.suppress(PlatformError):
            await entitlements.close_due()
        await asyncio.sleep(EVERY_S / 5)


async def _main(data_dir: str, database_url: str, prefix: str) -> None:
    entitlements = entitlements_on(await open_store(Path(data_dir), database_url))
    async with asyncio.TaskGroup() as clients:
        closing = asyncio.create_task(_close(entitlements))
        for number in range(CLIENTS):
            clients.create_task(_client(entitlements, prefix, number))
    closing.cancel()
    sys.stdout.write("DONE\n")


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
