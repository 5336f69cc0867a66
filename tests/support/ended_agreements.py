"""From the end of an agreement to the refusal of its memory, across services, through gRPC; for `bench_revoke`.

A subscriber reads a licensed pack in a loop. Its provider suspends the agreement, in the last rounds revokes it for
good: the time runs from the provider's call going out to the reader's first refusal, and no read that began after the
provider had its answer may succeed. Reads go through the vault, which asks the memstore.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from memporium.cube.v1.cube_pb2 import Cube
from memporium.memstore.v1 import (
    agreement_calls_pb2,
    listing_calls_pb2,
    listing_pb2,
    negotiation_calls_pb2,
    offer_pb2,
    release_calls_pb2,
)
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium.transfer.v1 import transfer_service_pb2
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import search_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.rpc.errors_client import reason_of
from support.market import licence
from support.platform import running_platform

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SERVICES = ("governance", "vault", "memstore", "transfer", "inference")
LISTING = "orgs/seller/listings/pack"


@dataclass
class Seen:
    """What the rounds showed: milliseconds to the first refusal, of the revoking call itself, and faults."""

    refusal_ms: list[float] = field(default_factory=list)
    call_ms: list[float] = field(default_factory=list)
    late_reads: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "rounds": len(self.refusal_ms),
            "refused_ms": _percentiles(self.refusal_ms),
            "answered_ms": _percentiles(self.call_ms),
            "allowed_after_answer": self.late_reads,
            "reasons": self.reasons,
        }


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    last = len(ordered) - 1
    return {
        "p50": round(statistics.median(ordered), 2),
        "p99": round(ordered[min(last, int(len(ordered) * 0.99))], 2),
        "max": round(ordered[last], 2),
    }


async def race(seen: Seen, read: Callable[[], Awaitable[Any]], revoke: Callable[[], Awaitable[Any]]) -> None:
    """Let `read` run in a loop while `revoke` is called once; note the time to the first refusal."""
    answered = asyncio.Event()
    refused: asyncio.Future[tuple[float, str]] = asyncio.get_running_loop().create_future()

    async def reader() -> None:
        while True:
            after_the_answer = answered.is_set()
            try:
                await read()
            except grpc.aio.AioRpcError as error:
                refused.set_result((time.perf_counter(), reason_of(error).reason.value))
                return
            seen.late_reads += after_the_answer

    task = asyncio.create_task(reader())
    await asyncio.sleep(0.005)
    began = time.perf_counter()
    await revoke()
    seen.call_ms.append((time.perf_counter() - began) * 1e3)
    answered.set()
    at, reason = await asyncio.wait_for(refused, 30)
    await task
    seen.refusal_ms.append((at - began) * 1e3)
    seen.reasons[reason] = seen.reasons.get(reason, 0) + 1


async def last_of(stream: Any) -> Any:
    """Return the last message of a stream."""
    last = None
    async for last in stream:  # noqa: B007
        pass
    return last


class Scene:
    """A seller with a release, and a buyer with packs of it."""

    def __init__(self, platform: Any, seller: Any, buyer: Any) -> None:
        self.platform = platform
        self.market = {org.id: MemstoreServiceStub(platform.channel(org.owner_key)) for org in (seller, buyer)}
        self.vaults = {org.id: VaultServiceStub(platform.channel(org.owner_key)) for org in (seller, buyer)}
        self.transfer = TransferServiceStub(platform.channel(buyer.owner_key))
        self.offer = ""

    async def publish(self, terms: Any = None) -> None:
        """Fill the seller's vault and publish it as a release with an offer that agrees by itself."""
        vaults, market = self.vaults["seller"], self.market["seller"]
        await vaults.CreateVault(vault_service_pb2.CreateVaultRequest(parent="orgs/seller", vault_id="expert"))
        for number in range(20):
            cube = Cube()
            cube.payload.plaintext.document.text = f"fact {number}: the sky is blue"
            await vaults.CreateCube(vault_service_pb2.CreateCubeRequest(parent="orgs/seller/vaults/expert", cube=cube))
        audience = listing_pb2.Audience(scope="SCOPE_PUBLIC")
        terms = terms or licence(calls=None)
        listing = listing_pb2.Listing(title="Pack", audience=audience, terms=terms)
        await market.CreateListing(
            listing_calls_pb2.CreateListingRequest(parent="orgs/seller", listing_id="pack", listing=listing)
        )
        await market.SubmitListing(listing_calls_pb2.SubmitListingRequest(name=LISTING))
        await market.PublishListing(listing_calls_pb2.PublishListingRequest(name=LISTING))
        await market.CreateRelease(
            release_calls_pb2.CreateReleaseRequest(
                parent=LISTING, version="1.0.0", vault="orgs/seller/vaults/expert", request_id=str(uuid.uuid4())
            )
        )
        offer = offer_pb2.Offer(terms=terms, auto_agree=True)
        made = await market.CreateOffer(
            release_calls_pb2.CreateOfferRequest(parent=LISTING, offer_id="free", offer=offer)
        )
        self.offer = made.offer.name

    async def agree_and_pull(self, vault_id: str) -> tuple[str, str]:
        """Return a new agreement and the buyer's pack vault under it."""
        market = self.market["buyer"]
        asked = await market.RequestNegotiation(negotiation_calls_pb2.RequestNegotiationRequest(offer=self.offer))
        talks = asked.negotiation
        closed = await market.VerifyNegotiation(
            negotiation_calls_pb2.VerifyNegotiationRequest(name=talks.name, sequence=talks.sequence)
        )
        agreement = closed.negotiation.agreement
        await last_of(
            self.transfer.PullBundle(
                transfer_service_pb2.PullBundleRequest(
                    parent="orgs/buyer", agreement=agreement, vault_id=vault_id, request_id=str(uuid.uuid4())
                )
            )
        )
        return agreement, f"orgs/buyer/vaults/{vault_id}"

    def search(self, vault: str) -> Awaitable[Any]:
        """Search a pack."""
        full_text = search_pb2.SEARCH_MODE_FULL_TEXT
        request = vault_service_pb2.SearchCubesRequest(parent=vault, query="sky", mode=full_text, limit=5)
        return last_of(self.vaults["buyer"].SearchCubes(request))

    async def move(self, agreement: str, verb: str) -> None:
        """Suspend, resume or revoke an agreement as the seller."""
        request = getattr(agreement_calls_pb2, f"{verb}AgreementRequest")(name=agreement, reason="benchmark")
        await getattr(self.market["seller"], f"{verb}Agreement")(request)


async def _agreements(scene: Scene, rounds: int, ends: int) -> tuple[Seen, Seen]:
    suspended, revoked = Seen(), Seen()
    agreement, pack = await scene.agree_and_pull("pack")
    for _ in range(rounds):
        await race(suspended, lambda: scene.search(pack), lambda: scene.move(agreement, "Suspend"))
        await scene.move(agreement, "Resume")
        await _until_allowed(lambda: scene.search(pack))
    for number in range(ends):
        agreement, pack = await scene.agree_and_pull(f"pack-{number}")
        await race(revoked, lambda pack=pack: scene.search(pack), lambda name=agreement: scene.move(name, "Revoke"))
    return suspended, revoked


async def _until_allowed(read: Callable[[], Awaitable[Any]]) -> None:
    """Wait for the services to know that the agreement is in force again."""
    for _ in range(1000):
        try:
            await read()
        except grpc.aio.AioRpcError:
            await asyncio.sleep(0.005)
            continue
        return
    raise TimeoutError("a resumed agreement stayed refused")


async def agreements(rounds: int, ends: int) -> dict[str, Any]:
    """Run a platform; suspend one agreement `rounds` times and revoke `ends` others."""
    os.environ.setdefault("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    with tempfile.TemporaryDirectory() as folder:
        async with running_platform(SERVICES, data_dir=Path(folder), tenant_calls_per_s=0.0) as platform:
            scene = Scene(platform, await platform.organisation("seller"), await platform.organisation("buyer"))
            await scene.publish()
            suspended, revoked = await _agreements(scene, rounds, ends)
    return {"agreements_suspended": suspended.report(), "agreements_revoked": revoked.report()}
