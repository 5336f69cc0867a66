"""Episodes as cubes, and back: the only place that knows both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from memporium.cube.v1 import cube_pb2
from memporium_services.reader.domain.claims import Claim
from memporium_services.reader.domain.values import Prospect, Span
from memporium_services.reader.ports import Kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memporium_services.reader.domain.values import Episode, Formation
    from memporium_services.reader.ports import Labels

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cube_of(episode: Episode, labels: Labels) -> cube_pb2.Cube:
    """Return the cube that keeps an episode."""
    cell = cube_pb2.MemCell(
        episode=episode.text,
        facts=[
            cube_pb2.AtomicFact(
                text=fact.text,
                context=fact.context,
                source=span_out(fact.span),
                role=fact.role,
                extracted_by=fact.extracted_by,
            )
            for fact in episode.facts
        ],
        foresight=[foresight_out(prospect) for prospect in episode.prospects],
        sources=[span_out(span) for span in episode.spans],
        formation=formation_out(episode.formation) if episode.formation is not None else None,
    )
    for fact, made in zip(episode.facts, cell.facts, strict=True):
        made.claims.extend(claim_out(claim) for claim in fact.claims)
        if fact.trust is not None:
            made.trust = fact.trust
        if fact.span.time is not None:
            made.event_time.FromDatetime(fact.span.time.astimezone(UTC))
    descriptive = cube_pb2.Descriptive(
        origin=labels.origin,  # type: ignore[arg-type]  # a number of the enum
        source=labels.source,
        semantic_type=labels.semantic_type,  # type: ignore[arg-type]  # a number of the enum
        language=labels.language,
        tags=labels.tags,
        entities=episode.entities,
        title=episode.title,
        persona=labels.persona,
    )
    start = episode.spans[0].time
    if start is not None:
        descriptive.event_time.FromDatetime(start.astimezone(UTC))
    return cube_pb2.Cube(
        descriptive=descriptive,
        governance=cube_pb2.Governance(access_scope=labels.access_scope),  # type: ignore[arg-type]  # same
        payload=cube_pb2.Payload(plaintext=cube_pb2.Plaintext(mem_cell=cell)),
    )


def kept_as(name: str, episode: Episode, *, created: bool) -> Kept:
    """Return what became of an episode."""
    times = [span.time for span in episode.spans if span.time is not None]
    return Kept(
        cube=name,
        title=episode.title,
        start=min(times, default=None),
        end=max(times, default=None),
        facts=len(episode.facts),
        prospects=len(episode.prospects),
        created=created,
        formation=episode.formation if created else None,
    )


def kept(cube: cube_pb2.Cube, *, created: bool) -> Kept:
    """Return a stored cube as what was kept."""
    cell = cube.payload.plaintext.mem_cell
    times = [time for span in cell.sources if (time := time_of(span, "time")) is not None]
    return Kept(
        cube=cube.name,
        title=cube.descriptive.title,
        start=min(times, default=None),
        end=max(times, default=None),
        facts=len(cell.facts),
        prospects=len(cell.foresight),
        created=created,
    )


def formation_out(one: Formation) -> cube_pb2.Formation:
    """Return how an episode was made, as its message."""
    path = cube_pb2.FORMATION_PATH_MODEL if one.by_model else cube_pb2.FORMATION_PATH_RULES
    return cube_pb2.Formation(
        path=path,
        model=one.model,
        narrated=one.narrated,
        extracted_facts=one.extracted,
        dropped_facts=one.dropped,
        failure=one.failure,
    )


def turns_of(cube: cube_pb2.Cube) -> Iterator[tuple[str, str]]:
    """Yield each turn's id with the first fact made from it."""
    for fact in cube.payload.plaintext.mem_cell.facts:
        if not fact.extracted_by:
            yield fact.source.locator, fact.text


def prospects_of(cube: cube_pb2.Cube) -> Iterator[Prospect]:
    """Yield what a cube lets expect."""
    for one in cube.payload.plaintext.mem_cell.foresight:
        start = time_of(one, "start_time")
        if start is not None:
            source = one.source
            span = Span(source.source, source.locator, source.speaker, time_of(source, "time"))
            yield Prospect(one.text, start, time_of(one, "end_time"), span)


def time_of(message: Any, field: str) -> datetime | None:
    """Return a timestamp field, aware, in UTC; None where it is absent."""
    if not message.HasField(field):
        return None
    stamp = getattr(message, field)
    # As its own `ToDatetime`, in a third of the time.
    return _EPOCH + timedelta(0, stamp.seconds, stamp.nanos // 1000)


def span_out(span: Span) -> cube_pb2.SourceSpan:
    """Return a span as its message."""
    made = cube_pb2.SourceSpan(source=span.source, locator=span.locator, speaker=span.speaker)
    if span.time is not None:
        made.time.FromDatetime(span.time.astimezone(UTC))
    return made


def claim_out(claim: Claim) -> cube_pb2.Claim:
    """Return a claim as its message."""
    made = cube_pb2.Claim(
        subject=claim.subject, attribute=claim.attribute, value=claim.value, several=claim.several, ended=claim.ended
    )
    if claim.start is not None:
        made.start_time.FromDatetime(claim.start.astimezone(UTC))
    return made


def claims_in(claims: Iterable[cube_pb2.Claim]) -> tuple[Claim, ...]:
    """Return claims as they are compared: subjects and attributes without regard to case."""
    return tuple(
        Claim(
            one.subject.casefold(),
            one.attribute.casefold(),
            one.value,
            several=one.several,
            ended=one.ended,
            start=time_of(one, "start_time"),
        )
        for one in claims
    )


def foresight_out(prospect: Prospect) -> cube_pb2.Foresight:
    """Return an expectation as its message."""
    made = cube_pb2.Foresight(text=prospect.text, source=span_out(prospect.span))
    made.start_time.FromDatetime(prospect.start.astimezone(UTC))
    if prospect.end is not None:
        made.end_time.FromDatetime(prospect.end.astimezone(UTC))
    return made
