"""Episodes, scenes and profiles as the vault's cubes, and back: the only place that knows both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memporium.cube.v1 import cube_pb2
from memporium_services.reader.convert_cubes import prospects_of, time_of
from memporium_services.reader.domain.candidates import Candidate
from memporium_services.reader.domain.profiles import Told
from memporium_services.reader.domain.self_statements import Stated, taste_slot
from memporium_services.reader.domain.values import Span
from memporium_services.reader.ports_cells import Cell, Derived, Outline, Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
# The first source of a derived cube names the cube itself: no two are equal, so the vault takes none for a duplicate.
_SELF = "self"
_KINDS = frozenset({cube_pb2.SEMANTIC_TYPE_SCENE, cube_pb2.SEMANTIC_TYPE_PROFILE})
_DERIVATION = "consolidate"
# A claim on a taste has the topic in its attribute and `likes` or `dislikes` for its value.
_TASTE = "feeling about "


def outline_in(cube: cube_pb2.Cube) -> Outline:
    """Return an episode's cube without what it says."""
    told = cube.descriptive
    start = time_of(told, "event_time") or time_of(told, "create_time") or _UNKNOWN
    agreements = tuple(licence.agreement for licence in cube.governance.licences)
    return Outline(cube.name, told.title, told.persona, start, tuple(told.entities), agreements)


def cell_in(cube: cube_pb2.Cube) -> Cell:
    """Return an episode's cube with what it says."""
    outline, cell = outline_in(cube), cube.payload.plaintext.mem_cell
    told = tuple(
        _told_in(cube.name, unit, fact, outline.start)
        for unit, fact in enumerate(cell.facts)
        # A person's own words tell of them; a model's would count twice.
        if not fact.extracted_by
    )
    return Cell(outline, cell.episode, told, tuple(prospects_of(cube)))


def derived_in(cube: cube_pb2.Cube) -> Derived | None:
    """Return a scene's or profile's cube; None where it is none that consolidation made."""
    told = cube.descriptive
    if told.semantic_type not in _KINDS or cube.behavioural.lineage.derivation != _DERIVATION:
        return None
    spans = cube.payload.plaintext.mem_cell.sources
    vault, cube_id = cube.name.rsplit("/cubes/", 1)
    return Derived(
        cube_id=cube_id,
        kind=told.semantic_type,
        persona=told.persona,
        members=tuple(
            Reference(f"{vault}/cubes/{span.source}", time_of(span, "time") or _UNKNOWN, span.locator)
            for span in spans
            if span.locator != _SELF
        ),
        name=cube.name,
        etag=cube.etag,
        version=cube.behavioural.version,
    )


def derived_out(one: Derived) -> cube_pb2.Cube:
    """Return the cube that keeps references; it holds no text, so search never finds it."""
    own = cube_pb2.SourceSpan(source=one.cube_id, locator=_SELF)
    cube = cube_pb2.Cube(
        descriptive=cube_pb2.Descriptive(
            origin=cube_pb2.ORIGIN_MERGE,
            semantic_type=one.kind,  # type: ignore[arg-type]  # a number of the enum
            persona=one.persona,
        ),
        behavioural=cube_pb2.Behavioural(
            lineage=cube_pb2.Lineage(parents=[member.cube for member in one.members], derivation=_DERIVATION)
        ),
        payload=cube_pb2.Payload(
            plaintext=cube_pb2.Plaintext(mem_cell=cube_pb2.MemCell(sources=[own, *_spans_out(one.members)]))
        ),
    )
    if one.members:
        cube.descriptive.event_time.FromDatetime(one.members[0].start)
    return cube


def _spans_out(members: Sequence[Reference]) -> list[cube_pb2.SourceSpan]:
    made = []
    for member in members:
        # The id alone: a copy of the vault under another name refers to its own episodes.
        span = cube_pb2.SourceSpan(source=member.cube.rsplit("/", 1)[1], locator=member.mark)
        span.time.FromDatetime(member.start)
        made.append(span)
    return made


def _told_in(cube: str, unit: int, fact: cube_pb2.AtomicFact, start: datetime) -> Told:
    source = fact.source
    span = Span(source.source, source.locator, source.speaker, time_of(source, "time"))
    speaker = source.speaker.casefold()
    claims = tuple(stated_of(one) for one in fact.claims if one.subject.casefold() == speaker)
    return Told(
        cube=cube,
        unit=unit,
        text=fact.text,
        said=Candidate(cube, unit, fact.text, speaker=source.speaker).said,
        span=span,
        time=span.time or time_of(fact, "event_time") or start,
        role=fact.role,
        claims=claims,
        trust=fact.trust if fact.HasField("trust") else 1.0,
    )


def stated_of(claim: cube_pb2.Claim) -> Stated:
    """Return a claim of a person as what they said of themselves."""
    if claim.attribute.startswith(_TASTE):
        topic = claim.attribute.removeprefix(_TASTE)
        return Stated(claim.value, topic, taste_slot(topic), claim.ended)
    slot = f"{claim.attribute}: {claim.value.casefold()}" if claim.several else claim.attribute
    return Stated(claim.attribute, claim.value, slot, claim.ended)
