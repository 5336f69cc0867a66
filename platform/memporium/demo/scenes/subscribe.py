"""5. The subscriber finds the listing, both sides sign, and the sealed bundle is pulled and verified."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from memporium.demo.stage import UnexpectedError
from memporium.memstore.v1 import agreement_pb2
from memporium.transfer.v1 import transfer_pb2
from memporium.vault.v1 import vault_pb2

if TYPE_CHECKING:
    from memporium.demo.stage import Stage
    from memporium.demo.world import World

TITLE = "The subscriber finds it, both sign, and the sealed pack is pulled"
_TIMEOUT_S = 3600.0


def play(world: World, stage: Stage) -> None:
    """Find, negotiate, pull."""
    buyer = world.subscriber
    found = buyer.agent.memstore.search_listings(query="python").listings
    if world.listing not in {listing.name for listing in found}:
        raise UnexpectedError("the catalogue does not show the listing")
    stage.ok(f"found in the catalogue: [bold]{found[0].title}[/bold]")
    world.agreement = negotiate(world, stage)
    world.desk = buyer.owner.vault.create_vault(
        parent=buyer.name, vault_id="desk", vault=vault_pb2.Vault(kind=vault_pb2.VAULT_KIND_USER_PRIVATE)
    ).vault.name
    start = time.perf_counter()
    result = pull(world, stage, agreement=world.agreement, vault_id=world.slug, show=True)
    world.pack = result.vault
    took_s = time.perf_counter() - start
    stage.ok(f"{result.cube_count} memories and {result.blob_count} blobs in [bold]{result.vault}[/bold]", took_s)
    stage.fact("sealed pack pulled, verified and imported", f"{took_s:.1f} s")


def negotiate(world: World, stage: Stage) -> str:
    """Ask, agree, verify, finalize: each side signs; return the agreement."""
    buyer, seller = world.subscriber.owner.memstore, world.publisher.owner.memstore
    current = buyer.request_negotiation(offer=world.offer, reason="for our assistants").negotiation
    states = [_state(current)]
    for call in (seller.agree_negotiation, buyer.verify_negotiation, seller.finalize_negotiation):
        current = call(name=current.name, sequence=current.sequence).negotiation
        states.append(_state(current))
    signers = ", ".join(one.organisation for one in current.document.signatures)
    stage.ok(f"negotiated: {' → '.join(states)}; signed by {signers}")
    return str(current.agreement)


def pull(world: World, stage: Stage, *, agreement: str, vault_id: str, show: bool) -> Any:
    """Pull the newest release under an agreement into a pack vault that is mounted in the desk; return the result."""
    result = None
    rows: list[tuple[str, ...]] = []
    with stage.progress("pulling", None) as move:
        for response in world.subscriber.owner.transfer.pull_bundle(
            parent=world.subscriber.name,
            agreement=agreement,
            vault_id=vault_id,
            mount_into=world.desk,
            timeout_s=_TIMEOUT_S,
        ):
            kind = response.WhichOneof("event")
            if kind == "step":
                took_ms = response.step.duration.ToTimedelta().total_seconds() * 1000
                rows.append(
                    (str(len(rows) + 1), step_name(response.step.step), f"{took_ms:.1f} ms", response.step.detail)
                )
            elif kind == "progress":
                move(completed=response.progress.segments, total=response.progress.total_segments or None)
            else:
                result = response.result
    if show:
        stage.table(("", "verified", "took", ""), rows, numbers=(0, 2))
    if result is None:
        raise UnexpectedError("the pull ended without a result")
    return result


def step_name(step: int) -> str:
    """Return the name of a verification step for people."""
    name = transfer_pb2.VerificationStep.Name(step)  # type: ignore[arg-type]
    return name.removeprefix("VERIFICATION_STEP_").replace("_", " ").lower()


def _state(negotiation: agreement_pb2.Negotiation) -> str:
    return agreement_pb2.Negotiation.State.Name(negotiation.state).removeprefix("STATE_")
