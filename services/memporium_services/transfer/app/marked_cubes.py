"""The texts of a cube that carry marks, and the canaries that look like its cubes."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from memporium.vault.v1.cubes_pb2 import PortableCube

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def texts_of(portable: PortableCube) -> Iterator[str]:
    """Yield the texts of a cube that may carry marks, each once: what people and models read, no names and labels."""
    found: dict[str, None] = {}

    def note(text: str) -> str:
        found[text] = None
        return text

    _each(portable, note, write=False)
    yield from found


def rewrite(portable: PortableCube, change: Callable[[str], str]) -> None:
    """Put `change(text)` in the place of every such text; vectors stay, they are of the same meaning."""
    changed = False

    def put(text: str) -> str:
        nonlocal changed
        new = change(text)
        changed = changed or new != text
        return new

    _each(portable, put, write=True)
    if changed:
        portable.cube.ClearField("content_digest")
        portable.cube.behavioural.ClearField("simhash")


def canary_cube(like: PortableCube, text: str, place: bytes) -> PortableCube:
    """Return a cube with an invented fact that looks like another one of its pack.

    Args:
        like: The other cube.
        text: The fact.
        place: What its name is made from.
    """
    made = PortableCube()
    made.cube.CopyFrom(like.cube)
    cube = made.cube
    vault = like.cube.name.rsplit("/cubes/", 1)[0]
    cube.name = f"{vault}/cubes/{like_id(like.cube.name.rsplit('/', 1)[1], place)}"
    for field in ("uid", "etag", "content_digest", "revision"):
        cube.ClearField(field)
    cube.descriptive.ClearField("entities")
    cube.descriptive.ClearField("title")
    cube.behavioural.ClearField("simhash")
    cube.behavioural.ClearField("lineage")
    plaintext = cube.payload.plaintext
    if plaintext.HasField("mem_cell"):
        facts = plaintext.mem_cell.facts
        fact = facts[0] if facts else facts.add()
        del facts[1:]
        del plaintext.mem_cell.foresight[:]
        del fact.claims[:]
        fact.text, plaintext.mem_cell.episode = text, text
        fact.ClearField("context")
    else:
        media_type = plaintext.document.media_type
        plaintext.document.Clear()
        plaintext.document.text, plaintext.document.media_type = text, media_type
    return made


def like_id(sample: str, place: bytes) -> str:
    """Return an id of the length and alphabet of another, made from `place`."""
    drawn = sha256(place).digest() + sha256(place + b"more").digest()
    letters, digits = "abcdefghjkmnpqrstvwxyz", "0123456789"
    out = []
    for at, char in enumerate(sample):
        kind = digits if char.isdigit() else letters if char.isalpha() else char
        out.append(kind[drawn[at % len(drawn)] % len(kind)])
    made = "".join(out)
    # Too short an id would meet another one.
    return made if len(made) >= _ID else f"{made}-{drawn.hex()[:_ID]}"


_ID = 12


def _each(portable: PortableCube, change: Callable[[str], str], *, write: bool) -> None:
    def text_of(message: object, field: str) -> None:
        old = getattr(message, field)
        if old:
            new = change(old)
            if write and new != old:
                setattr(message, field, new)

    plaintext = portable.cube.payload.plaintext
    if plaintext.HasField("mem_cell"):
        text_of(plaintext.mem_cell, "episode")
        for fact in plaintext.mem_cell.facts:
            text_of(fact, "text")
            text_of(fact, "context")
        for foresight in plaintext.mem_cell.foresight:
            text_of(foresight, "text")
    elif plaintext.HasField("document"):
        text_of(plaintext.document, "text")
    else:
        return
    for unit in portable.units:
        text_of(unit, "text")
        text_of(unit, "context")
