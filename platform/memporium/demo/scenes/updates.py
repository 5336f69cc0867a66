"""8. A push subscription delivers release 1.1.0; a copy leaks and is traced; the agreement is revoked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memporium.client import MemporiumError
from memporium.cube.v1 import cube_pb2
from memporium.demo.scenes import leak
from memporium.demo.scenes.publish import release
from memporium.demo.scenes.subscribe import negotiate, pull
from memporium.demo.stage import UnexpectedError, drain
from memporium.memstore.v1 import subscription_pb2
from memporium.vault.v1 import cubes_pb2

if TYPE_CHECKING:
    from memporium.demo.stage import Stage
    from memporium.demo.world import World

TITLE = "Release 1.1.0 is delivered; a leak names its leaker; all is taken back"
_NEWS = "Pylore note: parenthesised context managers in a with statement may span lines since Python 3.10."
_DELIVERY_S = 300.0
_POLL_S = 0.1


def play(world: World, stage: Stage) -> None:
    """Buy fifty more calls, subscribe, receive the new release, leak it, lose the agreement."""
    world.agreement = negotiate(world, stage)
    world.pack = pull(world, stage, agreement=world.agreement, vault_id=f"{world.slug}-2", show=False).vault
    stage.ok(f"fifty more calls under a second agreement, in [bold]{world.pack}[/bold]")
    _deliver(world, stage)
    leak.trace(world, stage)
    _revoke(world, stage)


def _deliver(world: World, stage: Stage) -> None:
    buyer = world.subscriber.owner
    subscription = buyer.memstore.create_subscription(
        parent=world.subscriber.name,
        subscription=subscription_pb2.Subscription(
            filter=subscription_pb2.SubscriptionFilter(listings=[world.listing]),
            mode=subscription_pb2.Subscription.MODE_PUSH,
            vault=world.pack,
        ),
    ).subscription
    stage.ok("push subscription to the listing")
    document = cube_pb2.Document(title="Parenthesised context managers", text=_NEWS)
    world.publisher.agent.vault.create_cube(
        parent=world.library,
        cube=cube_pb2.Cube(
            descriptive=cube_pb2.Descriptive(title=document.title, tags=["news"]),
            payload=cube_pb2.Payload(plaintext=cube_pb2.Plaintext(document=document)),
        ),
    )
    events = buyer.memstore.stream_events(name=subscription.name, timeout_s=_DELIVERY_S)
    start = time.perf_counter()
    release(world, "1.1.0", "Parenthesised context managers.")
    sealed_s = time.perf_counter() - start
    for response in events:
        if response.event.version == "1.1.0":
            buyer.memstore.ack_events(name=subscription.name, cursor=response.event.cursor)
            break
    stage.ok("release 1.1.0 sealed and announced on the stream", sealed_s)
    start = time.perf_counter()
    with stage.progress("delivering", None):
        _await_news(world, start)
    took_s = time.perf_counter() - start
    stage.ok("its new memory was delivered into the subscriber's pack and is found there", took_s)
    stage.fact("release delivered by push after it was sealed", f"{took_s:.1f} s")


def _await_news(world: World, start: float) -> None:
    """Wait until the pack holds the new memory; listing by metadata uses up no calls."""
    agent = world.subscriber.agent
    wanted = cubes_pb2.CubeFilter(tags_all=["news"])
    while not agent.vault.list_cubes(parent=world.pack, filter=wanted).cubes:
        if time.perf_counter() - start > _DELIVERY_S:
            raise UnexpectedError("the release was not delivered")
        time.sleep(_POLL_S)


def _revoke(world: World, stage: Stage) -> None:
    agent = world.subscriber.agent

    def read() -> None:
        drain(agent.vault.search_cubes(parent=world.pack, query="context managers", limit=1))

    read()
    stage.ok("the subscriber's agent reads the pack")
    start = time.perf_counter()
    world.publisher.owner.memstore.revoke_agreement(name=world.agreement, reason="terms were broken")
    revoked_s = time.perf_counter() - start
    try:
        read()
    except MemporiumError as error:
        took_ms = (time.perf_counter() - start) * 1000
        if error.reason not in {"LICENCE_REVOKED", "PERMISSION_DENIED", "NOT_FOUND"}:
            raise UnexpectedError(f"refused as {error}") from error
        stage.no("its next read", error)
        stage.ok(
            f"revoked in {revoked_s * 1000:.0f} ms; the very next read was refused {took_ms:.0f} ms after the order"
        )
        stage.fact("revocation to refusal, the revoking call included", f"{took_ms:.0f} ms")
        return
    raise UnexpectedError("a read went through after the agreement was revoked")
