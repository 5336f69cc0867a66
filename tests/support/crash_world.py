"""Two organisations on a server that is killed: a press that publishes and a desk that subscribes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from memporium.audit_verify import verify_export
from memporium.client import AsyncClient, Client
from memporium.cube.v1 import cube_pb2
from memporium.governance.v1 import audit_pb2
from memporium.memstore.v1 import listing_pb2, offer_pb2
from memporium.vault.v1 import cubes_pb2, search_pb2
from support.market import licence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from support.crash_server import KillableServer

PRESS, DESK = "orgs/press", "orgs/desk"
LIBRARY, SHELF, NOTES = f"{PRESS}/vaults/library", f"{PRESS}/vaults/shelf", f"{DESK}/vaults/notes"
# The pack that is pulled, of more cubes than one batch of an import (500), and small ones that get new releases.
PACK, LISTINGS = f"{PRESS}/listings/pack", (f"{PRESS}/listings/one", f"{PRESS}/listings/two")
LIBRARY_CUBES, SHELF_CUBES = 600, 20
ROUNDS = int(os.environ.get("MEMPORIUM_CRASH_ROUNDS", "3"))
# What the tests of this kind are: a round takes about five seconds, and half a minute where the machine is busy.
MARKS = [pytest.mark.slow, pytest.mark.timeout(900 + 60 * ROUNDS)]
# A record is shipped within a second or two.
_LOGGED_S = 120.0
SEED = int(os.environ.get("MEMPORIUM_CRASH_SEED", "1"))


def document(text: str) -> cube_pb2.Cube:
    """Return a new cube of text."""
    cube = cube_pb2.Cube()
    cube.payload.plaintext.document.text = text
    return cube


def text_of(cube: cube_pb2.Cube) -> str:
    return cube.payload.plaintext.document.text


def word(rng: random.Random, prefix: str = "w") -> str:
    """Return a word that occurs in no other text; without vowels, so that no stemmer shortens it."""
    return prefix + "".join(rng.choices("bcdfghjklmnpqrtvwxz", k=12))


@dataclass
class World:
    """What the tests of crashes share.

    Attributes:
        server: The server.
        keys: Keys of the owners, by organisation.
        agreements: Agreements of the desk, by listing.
        words: The word by which each cube of the library is found.
        logs: The rows of each organisation's audit log when it was last read.
    """

    server: KillableServer
    keys: dict[str, str] = field(default_factory=dict)
    agreements: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=dict)

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[tuple[AsyncClient, AsyncClient]]:
        """Open clients of the owners of press and desk."""
        async with (
            AsyncClient(self.server.address, api_key=self.keys[PRESS]) as press,
            AsyncClient(self.server.address, api_key=self.keys[DESK]) as desk,
        ):
            yield press, desk

    def build(self) -> None:
        """Make the organisations, vaults, listings with a release each, and the desk's agreements on them."""
        with Client(self.server.address, api_key=self.server.operator_key) as operator:
            for org in (PRESS, DESK):
                made = operator.governance.create_organisation(organisation_id=org.removeprefix("orgs/"))
                self.keys[org] = made.owner_secret
        with (
            Client(self.server.address, api_key=self.keys[PRESS]) as press,
            Client(self.server.address, api_key=self.keys[DESK]) as desk,
        ):
            self.words = _fill(press, LIBRARY, LIBRARY_CUBES)
            _fill(press, SHELF, SHELF_CUBES)
            desk.vault.create_vault(parent=DESK, vault_id="notes")
            for listing in (PACK, *LISTINGS):
                _publish(press, listing, LIBRARY if listing == PACK else SHELF)
                talks = desk.memstore.request_negotiation(offer=f"{listing}/offers/free").negotiation
                done = desk.memstore.verify_negotiation(name=talks.name, sequence=talks.sequence).negotiation
                self.agreements[listing] = done.agreement

    async def audit_holds(self, org: str, client: AsyncClient, mutations: Iterable[Any]) -> None:
        """Demand that an organisation's log verifies, goes on where it was, and knows all mutations."""
        wanted = {one.request.request_id for one in mutations}
        deadline = time.monotonic() + _LOGGED_S
        while True:
            exported = await _export(client, org)
            rows = [json.loads(line) for line in exported.splitlines()]
            records = [row["record"] for row in rows if row["type"] == "entry"]
            missing = wanted - {record["request_id"] for record in records}
            if not missing or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        assert not missing, f"{len(missing)} mutations of {len(wanted)} are not in the log of {org}"
        checkpoint = (await client.governance.get_checkpoint(parent=org)).checkpoint
        report = verify_export(exported, verifier_key=checkpoint.verifier_key)
        assert report.ok, report.problems
        ids = [str(record) for record in records]
        assert ids[: len(self.logs.get(org, []))] == self.logs.get(org, [])
        self.logs[org] = ids


def _fill(press: Client, vault: str, count: int) -> list[str]:
    """Make a vault with cubes; return the word by which each is found."""
    press.vault.create_vault(parent=PRESS, vault_id=vault.rpartition("/")[2])
    rng = random.Random(f"{SEED} {vault}")
    words = [word(rng, "p") for _ in range(count)]
    for start in range(0, count, 400):
        texts = [f"{one} {' '.join(word(rng, 'q') for _ in range(8))}" for one in words[start : start + 400]]
        press.vault.batch_create_cubes(parent=vault, cubes=[cubes_pb2.NewCube(cube=document(text)) for text in texts])
    return words


def _publish(press: Client, listing: str, vault: str) -> None:
    """Make a listing with an offer that agrees by itself, and its first release."""
    market, audience = press.memstore, listing_pb2.Audience(scope=listing_pb2.Audience.SCOPE_PUBLIC)
    listing_id = listing.rpartition("/")[2]
    draft = listing_pb2.Listing(title=listing_id, audience=audience)
    market.create_listing(parent=PRESS, listing_id=listing_id, listing=draft)
    market.submit_listing(name=listing)
    market.publish_listing(name=listing)
    terms = licence("READ", "RETRIEVE", calls=None)
    offer = offer_pb2.Offer(title="free", terms=terms, audience=audience, auto_agree=True)
    market.create_offer(parent=listing, offer_id="free", offer=offer)
    market.create_release(parent=listing, version="1.0.0", vault=vault, timeout_s=60)


async def _export(client: AsyncClient, org: str) -> bytes:
    chunks = client.governance.export_log(parent=org, format=audit_pb2.EXPORT_FORMAT_JSON_LINES)
    return b"".join([chunk.data async for chunk in chunks])


async def search(client: AsyncClient, vault: str, query: str, mode: str = "FULL_TEXT", limit: int = 3) -> list[Any]:
    """Return the hits of a search; mounts are left out."""
    chosen = search_pb2.SearchMode.Value(f"SEARCH_MODE_{mode}")
    found: list[Any] = []
    stream = client.vault.search_cubes(parent=vault, query=query, mode=chosen, limit=limit, include_mounts=False)
    async for response in stream:
        found += response.hits
    return found


async def cubes_of(client: AsyncClient, vault: str, **fields: Any) -> dict[str, cube_pb2.Cube]:
    """Return all cubes of a vault by name, whole."""
    found: dict[str, cube_pb2.Cube] = {}
    token = ""
    while True:
        page = await client.vault.list_cubes(
            parent=vault, page_size=500, page_token=token, view=cubes_pb2.CUBE_VIEW_FULL, **fields
        )
        found |= {cube.name: cube for cube in page.cubes}
        token = page.next_page_token
        if not token:
            return found
