"""Memory calls between the wire and the domain."""

from __future__ import annotations

from datetime import UTC, datetime

from memporium.cube.v1 import cube_pb2
from memporium.reader.v1 import memory_call_pb2 as pb
from memporium_platform.errors import invalid
from memporium_services.reader.app.remembering import zone_of
from memporium_services.reader.domain.memory_call_kinds import CallKind
from memporium_services.reader.domain.memory_calls import MemoryCall

_MOST_CHARS = 4096
_KIND, _SCOPE, _OUTPUT, _TYPE = "MEMORY_CALL_KIND_", "MEMORY_CALL_SCOPE_", "MEMORY_CALL_OUTPUT_", "SEMANTIC_TYPE_"


def request_in(request: pb.ParseMemoryCallRequest, now: datetime) -> tuple[str, datetime, MemoryCall | None]:
    """Return text, time of asking, and the request before.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if not request.text.strip():
        raise invalid("text", "is required")
    if len(request.text) > _MOST_CHARS:
        raise invalid("text", f"at most {_MOST_CHARS} characters")
    moment = now
    if request.HasField("now"):
        try:
            moment = request.now.ToDatetime(tzinfo=UTC)
        except (ValueError, OverflowError) as error:
            raise invalid("now", "is no time of the calendar") from error
    previous = _call_in(request.previous) if request.HasField("previous") else None
    try:
        return request.text, moment.astimezone(zone_of(request.time_zone)), previous
    except OverflowError as error:
        raise invalid("now", "is no time of the calendar") from error


def call_out(call: MemoryCall, request: pb.ParseMemoryCallRequest) -> pb.MemoryCall:
    """Return the message of a call."""
    made = pb.MemoryCall(
        parent=request.parent,
        kind=pb.MemoryCallKind.Value(_KIND + call.kind),
        query=call.query,
        content=call.content,
        entities=call.entities,
        speaker=call.speaker,
        persona=call.persona,
        scope=pb.MemoryCallScope.Value(_SCOPE + (call.scope or "UNSPECIFIED")),
        semantic_types=[cube_pb2.SemanticType.Value(_TYPE + one) for one in call.types],
        tags=call.tags,
        limit=call.limit,
        output=pb.MemoryCallOutput.Value(_OUTPUT + ("UNSPECIFIED" if call.output == "ITEMS" else call.output)),
        confidence=call.confidence,
        unclear=call.unclear,
        needs_confirmation=call.kind is CallKind.FORGET,
        explanation=[
            pb.MemoryCallSpan(
                field=one.field, start=one.start, end=one.end, text=request.text[one.start : one.end], reason=one.reason
            )
            for one in call.spans
        ],
    )
    if call.start is not None:
        made.start_time.FromDatetime(call.start.astimezone(UTC))
    if call.end is not None:
        made.end_time.FromDatetime(call.end.astimezone(UTC))
    return made


def _call_in(call: pb.MemoryCall) -> MemoryCall:
    if call.kind == pb.MEMORY_CALL_KIND_UNSPECIFIED or call.kind not in pb.MemoryCallKind.values():
        raise invalid("previous.kind", "is not known")
    types = [_name(cube_pb2.SemanticType, one, _TYPE) for one in call.semantic_types]
    scope, output = _name(pb.MemoryCallScope, call.scope, _SCOPE), _name(pb.MemoryCallOutput, call.output, _OUTPUT)
    try:
        return MemoryCall(
            CallKind(_name(pb.MemoryCallKind, call.kind, _KIND)),
            query=call.query,
            content=call.content,
            start=call.start_time.ToDatetime(tzinfo=UTC) if call.HasField("start_time") else None,
            end=call.end_time.ToDatetime(tzinfo=UTC) if call.HasField("end_time") else None,
            entities=tuple(call.entities),
            speaker=call.speaker,
            persona=call.persona,
            scope=scope,
            types=tuple(one for one in types if one),
            tags=tuple(call.tags),
            limit=call.limit,
            output=output or "ITEMS",
            confidence=min(1.0, max(0.0, call.confidence)),
            unclear=call.unclear,
        )
    except (ValueError, OverflowError) as error:
        raise invalid("previous", "holds what is no time of the calendar") from error


def _name(enum: object, number: int, prefix: str) -> str:
    """Return the name of an enum's value; "" for one that is not known, or not given."""
    names: dict[int, str] = {value: name for name, value in enum.items()}  # type: ignore[attr-defined]
    found = names.get(number, "").removeprefix(prefix)
    return "" if found == "UNSPECIFIED" else found
