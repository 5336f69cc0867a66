"""What a cube says, as exporters write it; and the same without personal data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from memporium.memory.scopes import ids_in, metadata_in, own_labels
from memporium.memory.texts import bare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memporium.cube.v1 import cube_pb2


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a cube, or a whole text."""

    id: str
    text: str
    role: str
    speaker: str
    time: str
    session: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A cube as it leaves: `system` and `source_id` are of what it was imported from, else ""."""

    id: str
    name: str
    title: str
    text: str
    source: str
    created: str
    updated: str
    time: str
    tags: tuple[str, ...]
    statements: tuple[Statement, ...]
    metadata: dict[str, Any] = field(default_factory=dict)
    dialogue: bool = False
    attribution: str = ""


def outgoing_of(cube: cube_pb2.Cube, *, attribution: str = "") -> Outgoing | None:
    """Return what a cube says; None where it holds no text."""
    plain, told = cube.payload.plaintext, cube.descriptive
    kind = plain.WhichOneof("content")
    cube_id = cube.name.rsplit("/", 1)[1]
    found: list[Statement] = []
    if kind == "mem_cell":
        for number, fact in enumerate(plain.mem_cell.facts):
            source = fact.source
            moment = source.time.ToJsonString() if source.HasField("time") else ""
            found.append(
                Statement(
                    f"{cube_id}-{number}" if number else cube_id,
                    fact.text if fact.extracted_by else bare(fact),
                    fact.role,
                    source.speaker,
                    moment,
                    source.source,
                )
            )
        text = found[0].text if len(found) == 1 else plain.mem_cell.episode or "\n".join(one.text for one in found)
    elif kind == "document":
        text = plain.document.text
    elif kind == "record":
        text = plain.record.json
    else:
        return None
    if not text.strip():
        return None
    event = told.event_time.ToJsonString() if told.HasField("event_time") else ""
    if not found:
        found.append(Statement(cube_id, text, "", "", event, told.source))
    labels = list(told.tags)
    return Outgoing(
        id=cube_id,
        name=cube.name,
        title=told.title,
        text=text,
        source=told.source,
        created=told.create_time.ToJsonString(),
        updated=told.update_time.ToJsonString(),
        time=event,
        tags=tuple(own_labels(labels)),
        statements=tuple(found),
        metadata={**ids_in(labels), **metadata_in(labels)},
        dialogue=kind == "mem_cell" and any(one.speaker for one in found),
        attribution=attribution,
    )


def redacted(all_: Sequence[Outgoing], redact: Callable[[list[str]], list[str]]) -> list[Outgoing]:
    """Return cubes with all texts redacted in one go: what they say, titles, labels, metadata, speakers, sources."""
    texts: list[str] = []
    places: dict[str, int] = {}

    def note(text: str) -> str:
        if text and text not in places:
            places[text] = len(texts)
            texts.append(text)
        return text

    for one in all_:
        _walk(one, note)
    clean = redact(texts) if texts else []

    def put(text: str) -> str:
        return clean[places[text]] if text else text

    return [_put(one, put) for one in all_]


def _walk(one: Outgoing, note: Callable[[str], str]) -> None:
    for text in (one.title, one.text, one.source, *one.tags):
        note(text)
    for statement in one.statements:
        for text in (statement.text, statement.speaker, statement.session):
            note(text)
    _deep(one.metadata, note)


def _put(one: Outgoing, put: Callable[[str], str]) -> Outgoing:
    return replace(
        one,
        title=put(one.title),
        text=put(one.text),
        source=put(one.source),
        tags=tuple(put(tag) for tag in one.tags),
        statements=tuple(
            replace(each, text=put(each.text), speaker=put(each.speaker), session=put(each.session))
            for each in one.statements
        ),
        metadata=_deep(one.metadata, put),
    )


def _deep(value: Any, put: Callable[[str], str]) -> Any:
    """Return JSON with each text in it, keys as well, put through a function."""
    if isinstance(value, str):
        return put(value)
    if isinstance(value, list):
        return [_deep(one, put) for one in value]
    if isinstance(value, dict):
        return {put(str(key)): _deep(one, put) for key, one in value.items()}
    return value
