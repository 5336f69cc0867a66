"""What the vault found, as candidates."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from memporium_services.reader import convert_cubes as cubes
from memporium_services.reader.domain.candidates import DENSE, Candidate
from memporium_services.reader.ports import Found, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from memporium.vault.v1 import search_pb2


class _Cube(NamedTuple):
    """What candidates of one cube have in common; to read a message's fields takes longer than to keep them."""

    name: str
    version: int
    source: str
    entities: tuple[str, ...]
    mount: str
    agreement: str
    attribution: str
    origin: int
    made: datetime | None
    prospects: int | None


def found_in(messages: Sequence[search_pb2.SearchUnitsResponse], queries: int) -> list[Found]:
    """Return what was found by question, best first."""
    known = [_cube(one) for message in messages for one in message.cubes]
    refusals = tuple(
        Refused(one.mount, one.agreement, one.reason, one.message) for message in messages for one in message.refusals
    )
    found: list[list[Candidate]] = [[] for _ in range(queries)]
    for message in messages:
        for ranking in message.rankings:
            found[ranking.query] += _candidates(ranking, known)
    embed_us = sum(message.summary.embed_us for message in messages)
    return [Found(tuple(some), refusals, embed_us) for some in found]


def _cube(one: search_pb2.UnitCube) -> _Cube:
    told = one.descriptive
    return _Cube(
        one.name,
        one.version,
        told.source,
        tuple(told.entities),
        one.mount,
        one.agreement,
        one.attribution,
        told.origin,
        cubes.time_of(told, "create_time"),
        one.foresight_count if one.HasField("foresight_count") else None,
    )


def _candidates(ranking: search_pb2.UnitRanking, known: Sequence[_Cube]) -> Iterator[Candidate]:
    for hit, score, legs in zip(ranking.hits, ranking.scores, _legs(ranking), strict=True):
        cube = known[hit.cube]
        if not hit.HasField("unit"):
            yield Candidate(cube=cube.name, ordinal=hit.ordinal, text="", legs=legs, score=score)
            continue
        unit = hit.unit
        span, claims = unit.source, unit.claims
        # As a row, in the order of `Candidate`: by name takes three times as long.
        row = (
            cube.name,
            hit.ordinal,
            unit.text,
            cube.version,
            unit.context,
            span.source or cube.source,
            span.locator,
            span.speaker,
            unit.role,
            cubes.time_of(unit, "event_time"),
            cubes.time_of(span, "time"),
            cube.entities,
            cube.mount,
            cube.agreement,
            cube.attribution,
            legs,
            None,
            score,
            0.0,
            1,
            cubes.claims_in(claims) if claims else (),
            unit.trust if unit.HasField("trust") else None,
            cube.origin,
            cube.made,
            cube.prospects,
        )
        yield Candidate._make(row)


def _legs(ranking: search_pb2.UnitRanking) -> Iterator[dict[str, float]]:
    """Yield each hit's scores by leg, as far as its vault has the leg and the leg says something of it."""
    names = [column.leg for column in ranking.legs]
    columns = [
        [
            score if rank > 0 or (rank == 0 and (column.leg != DENSE or score)) else None
            for score, rank in zip(column.scores, column.ranks, strict=True)
        ]
        for column in ranking.legs
    ]
    if not columns:
        return repeat({}, len(ranking.hits))
    rows = zip(*columns, strict=True)
    if not any(None in column for column in columns):
        return (dict(zip(names, row, strict=True)) for row in rows)
    return ({leg: score for leg, score in zip(names, row, strict=True) if score is not None} for row in rows)
