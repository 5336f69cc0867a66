"""Between the wire and the search for units: scores as columns, each cube once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memporium.vault.v1 import search_pb2
from memporium.vault.v1.search_pb2 import UnitHit as _Hit
from memporium_platform.errors import invalid
from memporium_services.vault import convert
from memporium_services.vault.app.search_results import DEFAULT_LIMIT, MAX_LIMIT, UnitQuery, UnitsAsked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memporium_services.vault.app.ranking import Candidates
    from memporium_services.vault.app.unit_search import UnitHit, UnitsFound

_MESSAGE_BYTES = 1 << 20
# How a hit is written on the wire: the numbers of its fields, each with what follows.
_HIT = bytes([search_pb2.UnitRanking.HITS_FIELD_NUMBER << 3 | 2])
_CUBE, _ORDINAL = (bytes([number << 3]) for number in (_Hit.CUBE_FIELD_NUMBER, _Hit.ORDINAL_FIELD_NUMBER))
_UNIT = bytes([_Hit.UNIT_FIELD_NUMBER << 3 | 2])
_SMALL = [bytes([number]) for number in range(128)]
# What a hit takes beside its unit: numbers and scores.
_HIT_BYTES = 64


def asked(request: search_pb2.SearchUnitsRequest) -> UnitsAsked:
    """Return what a request searches for.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if request.limit < 0:
        raise invalid("limit", "must not be negative")
    queries = [
        UnitQuery(
            query=one.query,
            vector=convert.vector_of(one.query_vector) if one.HasField("query_vector") else None,
            mode=one.mode or search_pb2.SEARCH_MODE_HYBRID,
            scores_only=one.scores_only,
        )
        for one in request.queries
    ]
    moment = convert.read_moment(request)
    return UnitsAsked(
        queries=tuple(queries),
        selection=convert.selection_of(request.filter),
        limit=min(request.limit or DEFAULT_LIMIT, MAX_LIMIT),
        include_mounts=convert.mounts_of(request, moment),
        moment=moment,
    )


def messages(found: UnitsFound) -> Iterator[search_pb2.SearchUnitsResponse]:
    """Return the messages of a search: refusals first, the summary last, one message where all fits into it."""
    message = search_pb2.SearchUnitsResponse()
    for refusal in found.refusals:
        message.refusals.add(
            mount=refusal.mount,
            vault=refusal.vault,
            agreement=refusal.agreement,
            reason=refusal.reason,
            message=refusal.message,
        )
    places: dict[tuple[int, str], int] = {}
    size = 0
    for number, hits in enumerate(found.rankings):
        written: list[bytes] = []
        begun = 0
        ranking = message.rankings.add(query=number)
        for place, hit in enumerate(hits):
            if size > _MESSAGE_BYTES:
                _add_hits(ranking, written, hits[begun:place])
                yield message
                message, size, begun, written = search_pb2.SearchUnitsResponse(), 0, place, []
                ranking = message.rankings.add(query=number)
            key = hit.place
            cube = places.get(key)
            if cube is None:
                cube = places[key] = len(places)
                size += _add_cube(message, hit, found)
            one = _hit(cube, hit.found.ordinal, hit.unit)
            written.append(one)
            size += _HIT_BYTES + len(one)
        _add_hits(ranking, written, hits[begun:])
    summary = message.summary
    summary.revision, summary.candidates = found.revision, found.candidates
    summary.embed_us, summary.index_us, summary.total_us = found.embed_us, found.index_us, found.total_us
    summary.past_units = found.past_units
    if found.uses:
        cubes = {id(hit.cube): hit.cube for hits in found.rankings for hit in hits}
        summary.licences.extend(convert.used(found.uses, list(cubes.values())))
    yield message


def _add_cube(message: search_pb2.SearchUnitsResponse, hit: UnitHit, found: UnitsFound) -> int:
    """Add a hit's cube; return about how many bytes that takes."""
    cube, shown = hit.cube, (found.licensed or {}).get(hit.place)
    added = message.cubes.add()
    added.name, added.version, added.mount = cube.name, hit.found.version, hit.ranked.candidates.mount
    added.descriptive.CopyFrom(cube.descriptive)
    if cube.behavioural.HasField("foresight_count"):
        added.foresight_count = cube.behavioural.foresight_count
    if shown is not None:
        added.agreement, added.attribution = shown.agreement, shown.attribution
    return added.ByteSize()


def _hit(cube: int, ordinal: int, unit: bytes | None) -> bytes:
    """Return a ranking's next hit on the wire. Units come as bytes: to read each and write it anew takes far longer."""
    said = b"" if unit is None else _UNIT + _varint(len(unit)) + unit
    fields = _CUBE + _varint(cube) + _ORDINAL + _varint(ordinal) + said
    return _HIT + _varint(len(fields)) + fields


def _varint(number: int) -> bytes:
    """Return a number of at least 0 on the wire: seven bits a byte, the lowest first."""
    if number < len(_SMALL):
        return _SMALL[number]
    return bytes([number & 0x7F | 0x80]) + _varint(number >> 7)


def _add_hits(ranking: search_pb2.UnitRanking, written: Sequence[bytes], hits: Sequence[UnitHit]) -> None:
    """Add hits as they were written, with their scores."""
    ranking.MergeFromString(b"".join(written))
    _add_scores(ranking, hits)


def _add_scores(ranking: search_pb2.UnitRanking, hits: Sequence[UnitHit]) -> None:
    """Add the scores of hits as columns; hits of one vault at once."""
    ranking.scores.extend([hit.ranked.score for hit in hits])
    found: dict[int, tuple[Candidates, list[int], list[int]]] = {}
    for place, hit in enumerate(hits):
        candidates = hit.ranked.candidates
        _, places, rows = found.setdefault(id(candidates), (candidates, [], []))
        places.append(place)
        rows.append(hit.ranked.place)
    for leg in sorted({leg for candidates, _, _ in found.values() for leg in candidates.scores}):
        scores, ranks = np.zeros(len(hits)), np.full(len(hits), -1)
        for candidates, places, rows in found.values():
            if leg in candidates.scores:
                of_hits = candidates.scores[leg][rows]
                # Not a number: the unit has no vector.
                scores[places] = np.where(np.isnan(of_hits), 0.0, of_hits)
                ranks[places] = candidates.ranks[leg][rows]
        ranking.legs.add(leg=leg, scores=scores.tolist(), ranks=ranks.tolist())
