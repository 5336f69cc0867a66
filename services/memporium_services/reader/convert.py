"""Messages of the API as values, and back."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from memporium.reader.v1 import recall_pb2, remember_pb2
from memporium_platform.errors import invalid
from memporium_services.reader.app.contradicting import Times
from memporium_services.reader.app.reading import DOCUMENT_ORIGIN, DOMAIN_KNOWLEDGE, Piece
from memporium_services.reader.app.recall_values import Asked
from memporium_services.reader.app.remembering import EPISODE, SaidTurn, Session
from memporium_services.reader.convert_claims import add_standings
from memporium_services.reader.convert_cubes import foresight_out, formation_out
from memporium_services.reader.convert_scenes import gist_out
from memporium_services.reader.domain.cleaning import clean_line
from memporium_services.reader.domain.likelihood import PART
from memporium_services.reader.domain.ranking import Levers
from memporium_services.reader.ports import Conditions, Labels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from memporium_services.reader.app.reading import Read
    from memporium_services.reader.app.recall_values import Recalled
    from memporium_services.reader.app.remembering import Remembered
    from memporium_services.reader.ports import Kept

_LEVERS = (
    "query_analysis",
    "neighbours",
    "session_scores",
    "feedback",
    "decomposition",
    "second_round",
    "foresight",
    "diversity",
    "adaptive_fusion",
    "contradiction",
    "rewriting",
    "covering",
    "session_evidence",
    "spread",
    "first_named",
    "semantic",
    "lexical",
    "windows",
    "focus",
    "speakers",
    "times",
    "form",
    "assisted",
)
_FIRST_HEADER = "the first message must be the header"


async def session_in(requests: AsyncIterator[remember_pb2.RememberRequest]) -> Session:
    """Return the session that the first message names.

    Raises:
        PlatformError: INVALID_FIELD where the first message is no header.
    """
    first = await anext(requests, None)
    if first is None or first.WhichOneof("message") != "header":
        raise invalid("header", _FIRST_HEADER)
    header = first.header
    labels = Labels(
        source=clean_line(header.session),
        persona=header.persona,
        tags=tuple(header.tags),
        language=header.language or "en",
        semantic_type=EPISODE,
        access_scope=header.access_scope,
    )
    if not labels.source:
        raise invalid("header.session", "is required")
    trust = {role.strip().lower(): value for role, value in header.trust.items()}
    return Session(header.parent, labels, header.title, header.request_id, header.time_zone, trust)


async def turns_in(requests: AsyncIterator[remember_pb2.RememberRequest]) -> AsyncIterator[SaidTurn]:
    """Yield the turns after the header."""
    async for request in requests:
        if request.WhichOneof("message") != "turn":
            raise invalid("header", "only the first message is a header, all others are turns")
        turn = request.turn
        time = _time(turn, "time", "turn.time")
        yield SaidTurn(turn.id, turn.speaker, turn.role, turn.text, time, turn.caption)


async def documents_header_in(
    requests: AsyncIterator[remember_pb2.RememberDocumentsRequest],
) -> tuple[str, Labels, str]:
    """Return vault, labels and request id of the first message.

    Raises:
        PlatformError: INVALID_FIELD where the first message is no header.
    """
    first = await anext(requests, None)
    if first is None or first.WhichOneof("message") != "header":
        raise invalid("header", _FIRST_HEADER)
    header = first.header
    labels = Labels(
        source="",
        persona=header.persona,
        tags=tuple(header.tags),
        language=header.language,
        semantic_type=header.semantic_type or DOMAIN_KNOWLEDGE,
        access_scope=header.access_scope,
        origin=DOCUMENT_ORIGIN,
        trust=header.trust if header.HasField("trust") else None,
    )
    return header.parent, labels, header.request_id


async def pieces_in(requests: AsyncIterator[remember_pb2.RememberDocumentsRequest]) -> AsyncIterator[Piece]:
    """Yield the documents and their pieces after the header."""
    async for request in requests:
        if request.WhichOneof("message") != "document":
            raise invalid("header", "only the first message is a header, all others are documents")
        one = request.document
        time = _time(one, "time", "document.time")
        yield Piece(one.source, one.title, one.text, one.media_type, time, one.append)


def asked_in(request: recall_pb2.RecallRequest, now: datetime) -> Asked:
    """Return the question; `now` where it names no time."""
    options, chosen = request.options, request.filter
    switched = {name: getattr(options, name) for name in _LEVERS if options.HasField(name)}  # type: ignore[arg-type]  # names of fields
    read_time = _time(request, "read_time", "read_time")
    past = request.read_revision != 0 or read_time is not None
    if past and request.include_mounts:
        raise invalid("include_mounts", "of the past, a vault is searched by itself")
    return Asked(
        parent=request.parent,
        query=request.query,
        now=_time(request, "now", "now") or now,
        budget_tokens=request.budget_tokens,
        limit=request.limit,
        include_mounts=request.include_mounts if request.HasField("include_mounts") else True,
        conditions=Conditions(
            tags_any=tuple(chosen.tags_any),
            tags_all=tuple(chosen.tags_all),
            sources=tuple(chosen.sources),
            entities=tuple(chosen.entities),
            semantic_types=tuple(chosen.semantic_types),
            persona=chosen.persona,
            start=_time(chosen, "event_start_time", "filter.event_start_time"),
            end=_time(chosen, "event_end_time", "filter.event_end_time"),
            read_revision=request.read_revision,
            read_time=read_time,
        ),
        levers=Levers(**switched),
        likelihood=options.likelihood if options.HasField("likelihood") else True,
        scenes=options.scenes,
        profiles=options.profiles,
        times=Times(_time(request, "known_time", "known_time"), _time(request, "true_time", "true_time")),
    )


def remembered_out(done: Remembered) -> remember_pb2.RememberResponse:
    """Return what a session left behind."""
    return remember_pb2.RememberResponse(
        cubes=[_kept_out(one) for one in done.cubes],
        turns=done.turns,
        known_turns=done.known_turns,
        revision=done.revision,
    )


def read_out(done: Read) -> remember_pb2.RememberDocumentsResponse:
    """Return what documents left behind."""
    return remember_pb2.RememberDocumentsResponse(
        cubes=[_kept_out(one) for one in done.cubes], documents=done.documents, revision=done.revision
    )


def recalled_out(done: Recalled, *, surroundings: bool) -> recall_pb2.RecallResponse:
    """Return what was recalled; the text around items where asked for."""
    foresight = [
        recall_pb2.RecalledForesight(cube=cube, foresight=foresight_out(prospect)) for cube, prospect in done.prospects
    ]
    refusals = [
        recall_pb2.RecallRefusal(mount=one.mount, agreement=one.agreement, reason=one.reason, message=one.message)
        for one in done.refusals
    ]
    return recall_pb2.RecallResponse(
        items=[
            *(_item_out(done, number, surroundings=surroundings) for number in range(len(done.places))),
            *(gist_out(gist, number) for number, gist in enumerate(done.gists, len(done.places) + 1)),
        ],
        context=done.context.text,
        context_tokens=done.context.tokens,
        foresight=foresight,
        refusals=refusals,
        trace=_trace_out(done),
    )


def _item_out(done: Recalled, number: int, *, surroundings: bool) -> recall_pb2.RecallItem:
    place = done.places[number]
    one, parts = done.candidates[place], done.ranked.parts
    item = recall_pb2.RecallItem(
        citation=number + 1,
        cube=one.cube,
        version=one.version,
        unit=one.ordinal,
        text=one.text,
        surroundings=one.context if surroundings else "",
        score=float(done.ranked.scores[place]),
        agreement=one.agreement,
        attribution=one.attribution,
        tokens=done.context.entry_tokens[number],
        mount=one.mount,
        scores=recall_pb2.ItemScores(
            semantic=one.legs.get("dense", 0.0),
            lexical=one.legs.get("own", 0.0),
            context=one.legs.get("context", 0.0),
            analysis=float(parts["analysis"][place]),
            neighbours=float(parts["neighbours"][place]),
            session=float(parts["session"][place]),
            likelihood=float(parts[PART][place]) if PART in parts else 0.0,
            round=one.round,
        ),
    )
    item.source.source, item.source.locator, item.source.speaker = one.source, one.locator, one.speaker
    if one.source_time is not None:
        item.source.time.FromDatetime(one.source_time)
    if one.event_time is not None:
        item.event_time.FromDatetime(one.event_time)
    add_standings(item, done, place)
    return item


def _trace_out(done: Recalled) -> recall_pb2.RecallTrace:
    trace, question = done.trace, done.trace.question
    weights = done.ranked.weights
    made = recall_pb2.RecallTrace(
        kind=recall_pb2.QuestionKind.Value(f"QUESTION_KIND_{question.kind.value}"),
        names=trace.names,
        searches=trace.searches,
        rounds=trace.rounds,
        coverage=trace.coverage,
        rewriter=trace.rewriter,
        rewriter_failure=trace.rewriter_failure,
        judge=trace.judge,
        judge_failure=trace.judge_failure,
        judge_us=trace.judge_us,
        embed_us=trace.embed_us,
        total_us=trace.total_us,
        weights={
            "semantic": weights["dense"] + weights["focus"],
            "lexical": weights["own"],
            "context": weights["context"],
        },
    )
    if question.start is not None and question.end is not None:
        made.start_time.FromDatetime(question.start.astimezone(UTC))
        made.end_time.FromDatetime(question.end.astimezone(UTC))
    return made


def _kept_out(one: Kept) -> remember_pb2.RememberedCube:
    made = remember_pb2.RememberedCube(
        cube=one.cube, title=one.title, facts=one.facts, foresight=one.prospects, created=one.created
    )
    if one.start is not None:
        made.start_time.FromDatetime(one.start.astimezone(UTC))
    if one.end is not None:
        made.end_time.FromDatetime(one.end.astimezone(UTC))
    if one.formation is not None:
        made.formation.CopyFrom(formation_out(one.formation))
    return made


def _time(message: Any, field: str, path: str) -> datetime | None:
    """Return a timestamp field, aware, in UTC; None where it is absent."""
    if not message.HasField(field):
        return None
    try:
        found: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as err:
        raise invalid(path, "is no time of the calendar") from err
    return found
