"""7. What the terms forbid is refused, and a tampered bundle is caught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.client import MemporiumError
from memporium.demo.scenes.publish import CALLS, terms
from memporium.demo.stage import UnexpectedError, drain
from memporium.memstore.v1 import listing_pb2

if TYPE_CHECKING:
    from memporium.demo.stage import Stage
    from memporium.demo.world import World

TITLE = "Refused, each with its reason"


def play(world: World, stage: Stage) -> None:
    """Try what is not allowed."""
    outsider, buyer = world.outsider.owner, world.subscriber
    secret = world.hot[0]
    stage.refused(
        "the outsider reads a memory of the publisher",
        lambda: outsider.vault.get_cube(name=secret),
        reasons=["PERMISSION_DENIED"],
    )
    stage.refused(
        "the outsider pulls the pack under the subscriber's agreement",
        lambda: drain(outsider.transfer.pull_bundle(parent=world.outsider.name, agreement=world.agreement)),
        reasons=["PERMISSION_DENIED", "NOT_FOUND"],
    )
    stage.refused(
        "the subscriber publishes the pack as its own", lambda: _redistribute(world), reasons=["LICENCE_NOT_PERMITTED"]
    )
    stage.refused(
        "the subscriber trains a LoRA on the pack",
        lambda: drain(
            buyer.agent.inference.train_parameter(
                parent=world.desk, cubes=[f"{world.pack}/cubes/{secret.rsplit('/', 1)[1]}"], model=world.model
            )
        ),
        reasons=["LICENCE_NOT_PERMITTED"],
    )
    _exhaust(world, stage)
    _tamper(world, stage)


def _redistribute(world: World) -> Any:
    """Pack the pack: the subscriber's own listing of what is not its own."""
    owner = world.subscriber.owner.memstore
    listing = listing_pb2.Listing(
        title="Surely ours",
        audience=listing_pb2.Audience(scope=listing_pb2.Audience.SCOPE_PUBLIC),
        terms=terms(world.subject),
    )
    name = owner.create_listing(parent=world.subscriber.name, listing_id="surely-ours", listing=listing).listing.name
    return owner.create_release(parent=name, version="1.0.0", vault=world.pack, timeout_s=600.0)


def _exhaust(world: World, stage: Stage) -> None:
    """Use the pack until the quota is used up; the entitlement says how many calls it took."""
    agent = world.subscriber.agent

    def balance() -> Any:
        return agent.memstore.get_entitlement(name=world.agreement).entitlement.balances[0]

    left = balance().remaining
    for _ in range(left):
        drain(agent.vault.search_cubes(parent=world.pack, query=world.question, limit=1))
    used = balance()
    if used.used != CALLS or used.remaining:
        raise UnexpectedError(f"{used.used} of {CALLS} calls are metered and {used.remaining} left")
    stage.ok(f"{CALLS} calls used and metered, {left} of them just now")
    stage.refused(
        f"call {CALLS + 1}",
        lambda: drain(agent.vault.search_cubes(parent=world.pack, query=world.question, limit=1)),
        reasons=["LICENCE_QUOTA_EXHAUSTED"],
    )
    recalled = agent.reader.recall(parent=world.desk, query=world.question, limit=3)
    if not recalled.items or not recalled.refusals:
        raise UnexpectedError("own memories are not recalled beside a mount that is refused")
    stage.ok("its own memories are still recalled; the mount is left out with that reason")


def _tamper(world: World, stage: Stage) -> None:
    """Flip one bit of the sealed bundle in its store, as a storage operator could; verification names the step."""
    owner = world.publisher.owner
    bundle = owner.transfer.get_bundle(name=world.bundle).bundle
    with world.running.tampered(bundle.segments[0]):
        error = stage.refused(
            "a bundle with one flipped bit",
            lambda: drain(owner.transfer.verify_bundle(parent=world.publisher.name, bundle=world.bundle)),
            reasons=["BUNDLE_REJECTED"],
        )
    stage.ok(f"caught at the step: {error.metadata.get('step', '')}")
    try:
        drain(owner.transfer.verify_bundle(parent=world.publisher.name, bundle=world.bundle))
    except MemporiumError as error:
        raise UnexpectedError(f"the mended bundle is refused: {error}") from error
    stage.ok("with the bit restored, the bundle verifies")
