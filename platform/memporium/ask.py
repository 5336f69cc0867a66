"""Carries out what a request in plain language asks of a memory: `ReaderService.ParseMemoryCall`, then what it says.

    with Client(key=...) as client:
        answer = ask(client, "orgs/acme/vaults/notes", "what did Ana say about Rome last week?")

What is unclear ("forget everything except ...") is not done: `answer.call.unclear` says why.
What forgets is never done at once: the answer names what would go, and `forget(client, answer)` lets go of just that.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memporium.client.errors import MemporiumError
from memporium.reader.v1 import memory_call_pb2 as pb
from memporium.reader.v1 import recall_pb2, remember_pb2
from memporium.vault.v1 import cubes_pb2, search_pb2, vault_service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memporium.client import Client
    from memporium.cube.v1 import cube_pb2

_LISTED = 50
# Results of a search by which what is meant by a topic is found; what it lists or forgets is shown.
_MEANT = 100


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    Attributes:
        call: What it was read as.
        recalled: What was recalled.
        cubes: What was listed, kept, or would be forgotten.
        count: How many; of a request that asks for it.
        forgotten: Cubes that were forgotten.
        to_confirm: True: `cubes` would be forgotten; nothing was done.
    """

    call: pb.MemoryCall
    recalled: recall_pb2.RecallResponse | None = None
    cubes: tuple[str, ...] = ()
    titles: dict[str, str] = field(default_factory=dict)
    count: int = 0
    forgotten: int = 0
    to_confirm: bool = False


def ask(client: Client, vault: str, text: str, *, speaker: str = "user", **asked: Any) -> Answer:
    """Read a request, and do what it says, unless it destroys.

    Args:
        client: The connection.
        vault: `orgs/{org}/vaults/{vault}`.
        text: The request.
        speaker: Who says what is to be kept.
        asked: `now`, `time_zone`, `previous`.

    Raises:
        MemporiumError: What the services refuse.
    """
    call = client.reader.parse_memory_call(parent=vault, text=text, **asked).call
    return execute(client, call, speaker=speaker)


def execute(client: Client, call: pb.MemoryCall, *, speaker: str = "user") -> Answer:
    """Do what a call says, unless it destroys: then say what would go. One that is unclear is not carried out at all.

    Raises:
        MemporiumError: What the services refuse.
    """
    if call.unclear:
        return Answer(call, to_confirm=call.kind == pb.MEMORY_CALL_KIND_FORGET)
    match call.kind:
        case pb.MEMORY_CALL_KIND_REMEMBER | pb.MEMORY_CALL_KIND_UPDATE:
            # A newer statement takes the place of an older one by the vault's rules of trust: nothing is overwritten.
            kept = client.reader.remember(_said(call, speaker)).cubes
            return Answer(call, cubes=tuple(one.cube for one in kept), titles={one.cube: one.title for one in kept})
        case pb.MEMORY_CALL_KIND_LIST:
            found = _found(client, call, call.limit or _LISTED)
            return Answer(call, cubes=tuple(found), titles=found, count=len(found))
        case pb.MEMORY_CALL_KIND_FORGET:
            return _would_go(client, call)
        case _:
            recalled = client.reader.recall(_question(call))
            return Answer(call, recalled=recalled, count=len(recalled.items))


def _question(call: pb.MemoryCall) -> recall_pb2.RecallRequest:
    # Names and times in the question are weighed by the reader itself; only what excludes others is made a filter.
    chosen = recall_pb2.RecallFilter(persona=call.persona, tags_all=call.tags)
    if call.HasField("start_time"):
        chosen.event_start_time.CopyFrom(call.start_time)
    if call.HasField("end_time"):
        chosen.event_end_time.CopyFrom(call.end_time)
    return recall_pb2.RecallRequest(
        parent=call.parent,
        query=call.query,
        limit=call.limit,
        filter=chosen,
        include_mounts=call.scope != pb.MEMORY_CALL_SCOPE_OWN,
    )


def _said(call: pb.MemoryCall, speaker: str) -> Iterator[remember_pb2.RememberRequest]:
    header = remember_pb2.RememberHeader(
        parent=call.parent, session=f"asked-{uuid.uuid4().hex[:16]}", persona=call.persona, tags=call.tags
    )
    yield remember_pb2.RememberRequest(header=header)
    turn = remember_pb2.Turn(speaker=speaker, role="user", text=call.content)
    turn.time.FromDatetime(datetime.now(UTC))
    yield remember_pb2.RememberRequest(turn=turn)


def _filter(call: pb.MemoryCall) -> cubes_pb2.CubeFilter:
    chosen = cubes_pb2.CubeFilter(
        tags_all=call.tags,
        personas=[call.persona] if call.persona else [],
        semantic_types=call.semantic_types,
        entities=[call.speaker] if call.speaker and call.speaker[:1].isupper() else [],
    )
    if call.HasField("start_time"):
        chosen.event_time_min.CopyFrom(call.start_time)
    if call.HasField("end_time"):
        chosen.event_time_max.CopyFrom(call.end_time)
    return chosen


def _found(client: Client, call: pb.MemoryCall, most: int) -> dict[str, str]:
    """Return the titles of the cubes that a call means, by name: those of its topic, or all that its filter admits."""
    found: dict[str, str] = {}
    if call.query:
        for response in client.vault.search_cubes(
            parent=call.parent,
            query=call.query,
            mode=search_pb2.SEARCH_MODE_FULL_TEXT,
            filter=_filter(call),
            limit=most,
            group_by_cube=True,
            include_mounts=False,
        ):
            found |= {hit.cube.name: _title(hit.cube, hit.unit.text) for hit in response.hits}
        return found
    newest = call.output == pb.MEMORY_CALL_OUTPUT_LATEST
    order = vault_service_pb2.CUBE_ORDER_CREATE_TIME if newest else vault_service_pb2.CUBE_ORDER_UNSPECIFIED
    page = client.vault.list_cubes(parent=call.parent, filter=_filter(call), page_size=most, order=order)
    return {cube.name: _title(cube, "") for cube in page.cubes}


def forget(client: Client, answer: Answer) -> Answer:
    """Forget what an answer says would go, and no more.

    Raises:
        MemporiumError: What the vault refuses.
    """
    if not answer.to_confirm or not answer.cubes:
        return answer
    gone = client.vault.forget_cubes(parent=answer.call.parent, names=answer.cubes, reason="asked to")
    return Answer(answer.call, cubes=answer.cubes, titles=answer.titles, forgotten=gone.receipt.cubes)


def _would_go(client: Client, call: pb.MemoryCall) -> Answer:
    chosen = _filter(call)
    words = set(call.query.casefold().split())
    asked: dict[str, Any]
    titles: dict[str, str] = {}
    if call.entities and words <= {word for name in call.entities for word in name.casefold().split()}:
        # All about a person or thing, in every version, also where only its name is mentioned.
        asked = {"subject": cubes_pb2.Subject(names=call.entities, mentions=True), "filter": chosen}
    elif call.query or call.limit or chosen.ByteSize():
        titles = _found(client, call, call.limit or _MEANT)
        asked = {"names": list(titles)}
    else:
        # "Forget it": nothing says what. The whole vault is not meant by that.
        asked = {"names": []}
    if "names" in asked and not asked["names"]:
        return Answer(call, to_confirm=True)
    found = client.vault.forget_cubes(parent=call.parent, dry_run=True, **asked)
    names = tuple(one.name for one in found.candidates if not one.refusal)
    titles |= _titles(client, call.parent, [name for name in names if name not in titles])
    return Answer(call, cubes=names, titles=titles, count=len(names), to_confirm=True)


def _titles(client: Client, parent: str, names: Sequence[str]) -> dict[str, str]:
    """Return what cubes are called, as far as that can be read: who is to confirm must see what goes with a name."""
    found: dict[str, str] = {}
    for start in range(0, len(names), _MEANT):
        some = names[start : start + _MEANT]
        with contextlib.suppress(MemporiumError):
            got = client.vault.batch_get_cubes(parent=parent, names=some, view=cubes_pb2.CUBE_VIEW_BASIC)
            found |= {cube.name: cube.descriptive.title for cube in got.cubes if cube.descriptive.title}
    return found


def _title(cube: cube_pb2.Cube, text: str) -> str:
    return cube.descriptive.title or text
