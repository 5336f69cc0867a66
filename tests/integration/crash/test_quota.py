"""kill -9 while 64 callers use up a licence's quota: never more than was agreed, each use that was answered is metered."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from memporium.client import MemporiumError
from memporium.memstore.v1 import offer_pb2, terms_pb2
from memporium.vault.v1 import cubes_pb2
from support.crash_ledger import Ledger, storm
from support.crash_world import DESK, LISTINGS, MARKS, ROUNDS, SEED
from support.market import licence

pytestmark = MARKS
CALLERS, QUOTA = 64, 240
PACK = f"{DESK}/vaults/metered"


@dataclass
class Reader:
    """Reads one memory of the pack after the other until the quota is used up."""

    ledger: Ledger
    names: list[str]
    rng: random.Random
    answered: list[str] = field(default_factory=list)
    refused: int = 0

    async def read(self, client: Any) -> None:
        try:
            found = await self.ledger.uncut(client.vault.get_cube(name=self.rng.choice(self.names)))
        except MemporiumError as error:
            if error.reason not in {"LICENCE_QUOTA_EXHAUSTED", "CONFLICT", "OVERLOADED", "RATE_LIMITED"}:
                raise
            self.refused += error.reason == "LICENCE_QUOTA_EXHAUSTED"
            await asyncio.sleep(0.02)
            return
        [use] = found.licences
        self.answered.append(use.use_id)


async def _agreed(press: Any, desk: Any) -> str:
    """Make an offer with a quota of reads, take it, and pull the pack under it."""
    listing = LISTINGS[0]
    terms: terms_pb2.LicenceTerms = licence("READ", "RETRIEVE", calls=QUOTA)
    offer = offer_pb2.Offer(title="metered", terms=terms, auto_agree=True)
    made = (await press.memstore.create_offer(parent=listing, offer_id="metered", offer=offer)).offer
    talks = (await desk.memstore.request_negotiation(offer=made.name)).negotiation
    done = (await desk.memstore.verify_negotiation(name=talks.name, sequence=talks.sequence)).negotiation
    async for _ in desk.transfer.pull_bundle(parent=DESK, agreement=done.agreement, vault_id="metered"):
        pass
    return str(done.agreement)


async def _metered(desk: Any, agreement: str) -> list[str]:
    found, token = [], ""
    while True:
        page = await desk.memstore.list_usage(parent=agreement, page_size=1000, page_token=token)
        found += [one.use_id for one in page.usage]
        token = page.next_page_token
        if not token:
            return found


async def test_a_quota_is_never_oversold_and_no_answered_use_is_lost(world):
    rng = random.Random(SEED + 7)
    async with world.clients() as (press, desk):
        agreement = await _agreed(press, desk)
        page = await desk.vault.list_cubes(parent=PACK, page_size=50, view=cubes_pb2.CUBE_VIEW_BASIC)
        names = [cube.name for cube in page.cubes]
    ledger = Ledger(world.server)
    readers = [Reader(ledger, names, random.Random(rng.random())) for _ in range(CALLERS)]
    for _ in range(ROUNDS):
        async with world.clients() as (_, desk):
            await storm(world.server, rng, [lambda one=one: one.read(desk) for one in readers], longest_s=1.5)
        world.server.start()
        async with world.clients() as (_, desk):
            await _holds(desk, agreement, readers)
    # What is left is given out to the last one, and a statement sums up each of them once.
    async with world.clients() as (_, desk):
        while not any(reader.refused for reader in readers):
            await asyncio.gather(*(reader.read(desk) for reader in readers))
        metered = await _holds(desk, agreement, readers)
        statement = (await desk.memstore.create_statement(parent=agreement)).statement
        assert statement.uses == statement.total.calls == len(metered)


async def _holds(desk: Any, agreement: str, readers: list[Reader]) -> list[str]:
    metered = await _metered(desk, agreement)
    answered = [use_id for reader in readers for use_id in reader.answered]
    assert len(metered) == len(set(metered)) <= QUOTA
    assert len(answered) == len(set(answered))
    assert set(answered) <= set(metered)
    [balance] = (await desk.memstore.get_entitlement(name=agreement)).entitlement.balances
    assert balance.used == len(metered)
    assert balance.used + balance.reserved <= QUOTA
    return metered
