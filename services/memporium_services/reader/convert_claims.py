"""Claims and what became of them as messages, and back."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from memporium.reader.v1 import claims_pb2
from memporium_platform.errors import invalid
from memporium_services.reader.app.claiming import Sought
from memporium_services.reader.app.contradicting import Times
from memporium_services.reader.convert_cubes import claim_out, time_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium.reader.v1 import recall_pb2
    from memporium_services.reader.app.claiming import Claimed, Listed
    from memporium_services.reader.app.recall_values import Recalled
    from memporium_services.reader.domain.contradiction import Standing, Statement

    Citations = Mapping[tuple[str, int], int]


def sought_in(request: claims_pb2.ListClaimsRequest) -> Sought:
    """Return what is asked for.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    try:
        times = Times(time_of(request, "known_time"), time_of(request, "true_time"))
    except (ValueError, OverflowError) as err:
        raise invalid("known_time", "and true_time must be times of the calendar") from err
    return Sought(request.parent, request.cube, request.subject, request.attribute, times)


def listed_out(listed: Listed) -> claims_pb2.ListClaimsResponse:
    """Return what is claimed."""
    return claims_pb2.ListClaimsResponse(claims=[_stated_out(one) for one in listed.claims], cut=listed.cut)


def add_standings(item: recall_pb2.RecallItem, done: Recalled, place: int) -> None:
    """Write into an item what became of its claims."""
    standings = done.standings.get(place, ())
    if not standings:
        return
    citations = {done.candidates[index].key: number for number, index in enumerate(done.places, 1)}
    item.trust = standings[0].statement.trust
    item.claims.extend(status_out(one, citations) for one in standings)
    for one in item.claims:
        item.superseded_by.extend(one.superseded_by)
        item.in_conflict_with.extend(one.in_conflict_with)


def status_out(standing: Standing, citations: Citations) -> claims_pb2.ClaimStatus:
    """Return what became of a claim; `citations` are the numbers of statements by cube and unit."""
    return claims_pb2.ClaimStatus(
        claim=claim_out(standing.statement.claim),
        superseded_by=_references(standing.superseded_by, citations),
        supersedes=_references(standing.supersedes, citations),
        in_conflict_with=_references(standing.in_conflict_with, citations),
        most_trusted=standing.most_trusted,
    )


def _references(statements: Sequence[Statement], citations: Citations) -> list[claims_pb2.ClaimReference]:
    return [
        claims_pb2.ClaimReference(
            cube=one.cube,
            unit=one.unit,
            value=one.claim.value,
            trust=one.trust,
            citation=citations.get((one.cube, one.unit), 0),
        )
        for one in statements
    ]


def _stated_out(one: Claimed) -> claims_pb2.StatedClaim:
    told, statement = one.told, one.standing.statement
    made = claims_pb2.StatedClaim(
        status=status_out(one.standing, {}),
        cube=told.cube,
        unit=told.ordinal,
        text=told.text,
        trust=statement.trust,
        agreement=told.agreement,
        attribution=told.attribution,
    )
    made.source.source, made.source.locator, made.source.speaker = told.source, told.locator, told.speaker
    if told.source_time is not None:
        made.source.time.FromDatetime(told.source_time)
    made.start_time.FromDatetime(statement.since.astimezone(UTC))
    made.known_time.FromDatetime(statement.known.astimezone(UTC))
    return made
