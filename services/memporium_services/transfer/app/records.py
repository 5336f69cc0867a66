"""The records of a bundle: cubes that go from one organisation to another, and what must not go with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from memporium_platform.bundle.hygiene import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from google.protobuf.message import Message

    from memporium.common.v1.digest_pb2 import Digest
    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.cubes_pb2 import PortableCube


def blob_of(cube: Cube) -> Digest | None:
    """Return the tensor file that a cube refers to, or None."""
    form = cube.payload.WhichOneof("form")
    if form == "activation":
        return cube.payload.activation.blob
    return cube.payload.parameter.blob if form == "parameter" else None


def sources_of(cube: Cube) -> Sequence[str]:
    """Return the cubes whose text is encoded in a cube's tensors."""
    form = cube.payload.WhichOneof("form")
    if form == "activation":
        return list(cube.payload.activation.source_cubes)
    return list(cube.payload.parameter.source_cubes) if form == "parameter" else []


def without_private_parts(cube: Cube) -> None:
    """Remove what a publisher keeps to itself: who made and used the cube, and under which personas."""
    cube.ClearField("etag")
    cube.governance.ClearField("owner")
    cube.governance.ClearField("watermark")
    cube.descriptive.ClearField("persona")
    for field in ("use_counts", "last_use_time", "heat"):
        cube.behavioural.ClearField(field)


def moved(cube: Cube, *, old: str, new: str) -> None:
    """Let a cube's own name and the names in it point to the vault that it moves to."""

    def follow(name: str) -> str:
        return f"{new}/{name.removeprefix(f'{old}/')}" if name.startswith(f"{old}/") else name

    cube.name = follow(cube.name)
    for names in (
        cube.behavioural.lineage.parents,
        cube.payload.activation.source_cubes if cube.payload.HasField("activation") else (),
        cube.payload.parameter.source_cubes if cube.payload.HasField("parameter") else (),
    ):
        for index, name in enumerate(names):
            names[index] = follow(name)  # type: ignore[index]


def strip_hidden(portable: PortableCube) -> int:
    """Remove hidden characters from every text of a cube; return how many there were."""
    removed = 0

    def clean(text: str) -> str:
        nonlocal removed
        cleaned, count = visible(text)
        removed += count
        return cleaned

    if portable.cube.payload.plaintext.HasField("record"):
        record = portable.cube.payload.plaintext.record
        if "\\u" in record.json:
            record.json = _clean_json(record.json, clean)
    rewrite(portable, clean)
    return removed


def texts_of(portable: PortableCube) -> Iterator[str]:
    """Yield the texts in which personal data is looked for, in the order of `with_texts`."""
    found: list[str] = []

    def keep(text: str) -> str:
        found.append(text)
        return text

    _rewrite_content(portable, keep)
    yield from found


def with_texts(portable: PortableCube, texts: Sequence[str]) -> bool:
    """Put masked texts in the place of those of `texts_of`; return whether any is another one.

    Vectors of the old texts go: the importing vault embeds what it is given.
    """
    left, changed = iter(texts), False

    def put(old: str) -> str:
        nonlocal changed
        new = next(left)
        changed = changed or new != old
        return new

    _rewrite_content(portable, put)
    if changed:
        portable.ClearField("unit_vectors")
        portable.cube.ClearField("content_digest")
        portable.cube.behavioural.ClearField("simhash")
    return changed


def _rewrite_content(portable: PortableCube, change: Callable[[str], str]) -> None:
    cube = portable.cube
    if cube.payload.HasField("plaintext"):
        rewrite(cube.payload.plaintext, change)
    if cube.descriptive.title:
        cube.descriptive.title = change(cube.descriptive.title)
    for entities in (cube.descriptive.tags, cube.descriptive.entities):
        for index, text in enumerate(entities):
            entities[index] = change(text)
    for unit in portable.units:
        rewrite(unit, change)


def rewrite(message: Message, change: Callable[[str], str]) -> None:
    """Put `change(text)` in the place of every text in a message and the messages in it."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            if field.is_repeated:
                for index, text in enumerate(value):
                    value[index] = change(text)
            else:
                setattr(message, field.name, change(value))
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for child in value if field.is_repeated else (value,):
                rewrite(child, change)


def _clean_json(text: str, clean: Callable[[str], str]) -> str:
    """Clean the strings that JSON hides behind escapes; what is no JSON stays as it is."""
    try:
        return json.dumps(_clean_value(json.loads(text), clean), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _clean_value(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_clean_value(one, clean) for one in value]
    if isinstance(value, dict):
        return {clean(key): _clean_value(one, clean) for key, one in value.items()}
    return value
