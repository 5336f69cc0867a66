"""4. KV memory from the hottest cubes, then a licensed release of text and KV."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from memporium.cube.v1 import cube_pb2
from memporium.demo.answers import generate
from memporium.demo.stage import UnexpectedError
from memporium.memstore.v1 import listing_pb2, offer_pb2, terms_pb2
from memporium.scheduler.v1 import job_pb2
from memporium.vault.v1 import cubes_pb2, vault_service_pb2

if TYPE_CHECKING:
    from memporium.demo.stage import Stage
    from memporium.demo.world import World

TITLE = "It builds KV memory and publishes text + KV under licence terms"
CALLS = 50
DAYS = 30
# Tokens of text that become KV memory: enough to see the gain, quick enough on two small cores.
_KV_TOKENS = 1000
_TIMEOUT_S = 3600.0


def play(world: World, stage: Stage) -> None:
    """Build KV memory as a durable job, then list, release and offer."""
    world.hot = _hottest(world)
    start = time.perf_counter()
    world.kv = _build_kv(world, stage)
    took_s = time.perf_counter() - start
    kv = world.publisher.agent.vault.get_cube(name=world.kv, view=cubes_pb2.CUBE_VIEW_FULL).cube
    tokens = kv.payload.activation.token_count
    size = kv.payload.activation.blob.size_bytes / 1e6
    stage.ok(f"KV memory of {len(world.hot)} hot memories: {tokens} tokens, {size:.1f} MB, as a durable job", took_s)
    stage.fact("KV memory built (once)", f"{tokens} tokens in {took_s:.1f} s")
    _same_tokens(world, stage)
    _publish(world, stage)


def _same_tokens(world: World, stage: Stage) -> None:
    """Ask the model with the memories as text, and as KV memory: before they are marked for anybody."""
    agent = world.publisher.agent
    as_text, as_kv = generate(agent, world, world.hot), generate(agent, world, [world.kv])
    if as_text.tokens != as_kv.tokens:
        raise UnexpectedError(f"text and KV memory gave different tokens: {as_text.text!r} and {as_kv.text!r}")
    stage.ok(f"the model writes the same {len(as_kv.tokens)} tokens with either")


def terms(subject: str) -> terms_pb2.LicenceTerms:
    """Return the terms of the story: thirty days, fifty calls, nothing passed on, no LoRA, attribution."""
    window = terms_pb2.LicenceWindow()
    window.duration.FromTimedelta(timedelta(days=DAYS))
    calls = terms_pb2.Quota(
        unit=terms_pb2.USE_UNIT_CALLS, limit=CALLS, period=terms_pb2.QUOTA_PERIOD_AGREEMENT, pool="calls"
    )
    return terms_pb2.LicenceTerms(
        title="Fifty calls in thirty days",
        permissions=[
            terms_pb2.LicencePermission(
                actions=[
                    terms_pb2.LICENCE_ACTION_READ,
                    terms_pb2.LICENCE_ACTION_RETRIEVE,
                    terms_pb2.LICENCE_ACTION_INFER_WITH,
                ],
                forms=[cube_pb2.MEMORY_FORM_PLAINTEXT, cube_pb2.MEMORY_FORM_ACTIVATION],
                constraints=terms_pb2.LicenceConstraints(window=window, quotas=[calls]),
            )
        ],
        prohibitions=[
            terms_pb2.LicenceProhibition(
                actions=[terms_pb2.LICENCE_ACTION_REDISTRIBUTE, terms_pb2.LICENCE_ACTION_DERIVE_LORA]
            )
        ],
        duties=[
            terms_pb2.Duty(kind=terms_pb2.DUTY_KIND_ATTRIBUTE, text=f"{subject}, packed by Pylore Press"),
        ],
    )


def release(world: World, version: str, changelog: str) -> Any:
    """Seal a release of the whole library; return it."""
    return world.publisher.owner.memstore.create_release(
        parent=world.listing, version=version, vault=world.library, changelog=changelog, timeout_s=_TIMEOUT_S
    ).release


def _hottest(world: World) -> list[str]:
    """Return the hottest text memories that fit the budget; the searches before made them hot."""
    agent = world.publisher.agent
    listed = agent.vault.list_cubes(
        parent=world.library, page_size=40, order=vault_service_pb2.CUBE_ORDER_HEAT, view=cubes_pb2.CUBE_VIEW_FULL
    ).cubes
    texts = [_text(cube) for cube in listed]
    # The first call to a model loads it, which takes a busy machine minutes.
    counts = agent.inference.count_tokens(model=world.model, texts=texts, timeout_s=_TIMEOUT_S).token_counts
    chosen, left = [], _KV_TOKENS
    for cube, count in zip(listed, counts, strict=True):
        if 0 < count <= left:
            chosen.append(cube.name)
            left -= count
    return chosen or [listed[0].name]


def _text(cube: cube_pb2.Cube) -> str:
    plain = cube.payload.plaintext
    return plain.mem_cell.episode or plain.document.text or plain.record.json or "-"


def _build_kv(world: World, stage: Stage) -> str:
    agent = world.publisher.agent
    spec = job_pb2.JobSpec(
        build_activation=job_pb2.BuildActivation(vault=world.library, cubes=world.hot, model=world.model)
    )
    job = agent.scheduler.create_job(parent=world.publisher.name, spec=spec).job
    with stage.progress("building KV memory", None) as move:
        for response in agent.scheduler.watch_job(name=job.name, timeout_s=_TIMEOUT_S):
            job = response.job
            progress = job.progress
            move(description=f"building KV memory: {progress.message}", completed=progress.completed)
    if job.state != job_pb2.JOB_STATE_SUCCEEDED:
        raise UnexpectedError(f"building KV memory ended as {job_pb2.JobState.Name(job.state)}: {job.error}")
    return str(job.result["cube"])


def _publish(world: World, stage: Stage) -> None:
    owner = world.publisher.owner.memstore
    public = listing_pb2.Audience(scope=listing_pb2.Audience.SCOPE_PUBLIC)
    listing = listing_pb2.Listing(
        title=f"{world.subject}, as memory",
        description="Text and KV memory of the language reference, for assistants that answer about Python.",
        tags=["python", "reference"],
        audience=public,
        terms=terms(world.subject),
    )
    world.listing = owner.create_listing(
        parent=world.publisher.name, listing_id=world.slug, listing=listing
    ).listing.name
    with stage.timed("release 1.0.0: scanned for personal data, compressed, encrypted, signed"):
        made = release(world, "1.0.0", "First release.")
    world.release, world.bundle = made.name, made.bundle
    offer = offer_pb2.Offer(
        title="Fifty calls, free",
        terms=terms(world.subject),
        price=offer_pb2.PricePlan(free=offer_pb2.FreePlan()),
        audience=public,
    )
    world.offer = owner.create_offer(parent=world.listing, offer_id="fifty-calls", offer=offer).offer.name
    owner.submit_listing(name=world.listing, reason="ready")
    owner.publish_listing(name=world.listing, reason="reviewed")
    stage.ok(f"published [bold]{world.listing}[/bold]: {made.cube_count} memories, {made.sealed_bytes / 1e6:.1f} MB")
    stage.say(
        f"  terms: READ, RETRIEVE, INFER_WITH for {DAYS} days, {CALLS} calls; no redistribution, no LoRA; attribution"
    )
