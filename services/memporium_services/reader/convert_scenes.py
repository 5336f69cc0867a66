"""Scenes, profiles and expectations as messages of the API, and requests as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from memporium.reader.v1 import profile_pb2, recall_pb2, scenes_pb2
from memporium_platform.errors import invalid
from memporium_services.reader.app.consolidating import Order
from memporium_services.reader.convert_cubes import foresight_out, span_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.reader.app.consolidating import Consolidated
    from memporium_services.reader.app.describing import Expected, ProfileView, SceneView
    from memporium_services.reader.domain.gists import Gist
    from memporium_services.reader.domain.profiles import ProfileFact, Told, Trait


def order_in(request: scenes_pb2.ConsolidateRequest) -> Order:
    """Return what to consolidate.

    Raises:
        PlatformError: INVALID_FIELD where the gap is out of range.
    """
    return Order(
        parent=request.parent,
        persona=request.persona,
        threshold=request.threshold if request.HasField("threshold") else None,
        gap=_gap_in(request),
    )


def now_in(request: profile_pb2.ListForesightsRequest, now: datetime) -> datetime:
    """Return the time of asking.

    Raises:
        PlatformError: INVALID_FIELD where it is no time of the calendar.
    """
    if not request.HasField("now"):
        return now
    try:
        found: datetime = request.now.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as err:
        raise invalid("now", "is no time of the calendar") from err
    return found


def consolidated_out(done: Consolidated) -> scenes_pb2.ConsolidateResponse:
    """Return what consolidation changed."""
    return scenes_pb2.ConsolidateResponse(
        scenes_created=done.created,
        scenes_updated=done.updated,
        scenes=done.scenes,
        new_episodes=done.new_episodes,
        profiles_changed=done.profiles,
        remaining_episodes=done.remaining,
        refusals=[
            scenes_pb2.ConsolidateRefusal(
                agreement=one.agreement, reason=one.reason, message=one.message, episodes=one.episodes
            )
            for one in done.refused
        ],
    )


def scenes_out(page: tuple[Sequence[SceneView], str]) -> scenes_pb2.ListScenesResponse:
    """Return a page of scenes."""
    views, token = page
    return scenes_pb2.ListScenesResponse(scenes=[scene_out(view) for view in views], next_page_token=token)


def scene_out(view: SceneView) -> scenes_pb2.Scene:
    """Return a scene."""
    first, *others = view.members
    made = scenes_pb2.Scene(
        name=view.cube.name,
        persona=view.cube.persona,
        title=f"{first.title} (+{len(others)})" if others else first.title,
        entities=view.entities,
        summary=[_evidence_out(told) for told in view.summary],
        version=view.cube.version,
    )
    for member in view.members:
        _set(made.members.add(cube=member.cube, title=member.title).start_time, member.start)
    _set(made.start_time, first.start)
    _set(made.end_time, view.members[-1].start)
    return made


def profile_out(view: ProfileView) -> profile_pb2.Profile:
    """Return a profile."""
    return profile_pb2.Profile(
        name=view.cube.name,
        subject=view.subject,
        persona=view.cube.persona,
        facts=[_fact_out(fact) for fact in view.facts],
        traits=[_trait_out(trait) for trait in view.traits],
        version=view.cube.version,
    )


def gist_out(gist: Gist, citation: int) -> recall_pb2.RecallItem:
    """Return a scene's or profile's line as an item, with the statements that it is made of."""
    return recall_pb2.RecallItem(
        citation=citation,
        cube=gist.cube,
        version=gist.version,
        text=gist.text,
        tokens=gist.tokens,
        kind=recall_pb2.RecallItemKind.ValueType(gist.kind),
        evidence=[_evidence_out(told) for told in gist.evidence],
    )


def foresights_out(page: tuple[Sequence[Expected], str]) -> profile_pb2.ListForesightsResponse:
    """Return a page of expectations."""
    found, token = page
    return profile_pb2.ListForesightsResponse(
        foresights=[
            profile_pb2.ListedForesight(
                cube=one.cube,
                foresight=foresight_out(one.prospect),
                status=profile_pb2.ForesightStatus.Value(f"FORESIGHT_STATUS_{one.status.value}"),
                persona=one.persona,
            )
            for one in found
        ],
        next_page_token=token,
    )


def _fact_out(fact: ProfileFact) -> profile_pb2.ProfileFact:
    made = profile_pb2.ProfileFact(
        attribute=fact.attribute,
        value=fact.value,
        standing=profile_pb2.ProfileStanding.Value(f"PROFILE_STANDING_{fact.standing.value}"),
        evidence=[_evidence_out(told) for told in fact.evidence],
    )
    _set(made.first_time, fact.first)
    _set(made.last_time, fact.last)
    return made


def _trait_out(trait: Trait) -> profile_pb2.ProfileTrait:
    made = profile_pb2.ProfileTrait(
        topic=trait.topic,
        episodes=trait.episodes,
        weight=trait.weight,
        evidence=[_evidence_out(told) for told in trait.evidence],
    )
    _set(made.last_time, trait.last)
    return made


def _evidence_out(told: Told) -> scenes_pb2.Evidence:
    return scenes_pb2.Evidence(cube=told.cube, unit=told.unit, text=told.text, source=span_out(told.span))


def _gap_in(request: scenes_pb2.ConsolidateRequest) -> timedelta | None:
    if not request.HasField("gap"):
        return None
    try:
        found: timedelta = request.gap.ToTimedelta()
    except (ValueError, OverflowError) as err:
        raise invalid("gap", "is out of range") from err
    return found


def _set(field: Any, time: datetime) -> None:
    field.FromDatetime(time.astimezone(UTC))
