"""Between the wire and the app: filters, results, versions, receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from memporium.vault.v1 import cubes_pb2, search_pb2, vault_service_pb2
from memporium_platform import names
from memporium_platform.errors import invalid
from memporium_services.vault.app.as_of import Moment
from memporium_services.vault.app.codec import set_time
from memporium_services.vault.app.content import moment_us
from memporium_services.vault.app.forget_asked import ForgetAsked
from memporium_services.vault.app.retention import weights_of
from memporium_services.vault.app.search_results import DEFAULT_LIMIT, MAX_LIMIT, SearchAsked
from memporium_services.vault.app.subjects import subject_of
from memporium_services.vault.domain.selection import Selection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from google.protobuf.message import Message
    from numpy.typing import NDArray

    from memporium.vault.v1.cubes_pb2 import CubeFilter, Vector
    from memporium_platform.call import Call
    from memporium_services.vault.app.branching import Branched
    from memporium_services.vault.app.creating import Made
    from memporium_services.vault.app.cubes import Cubes, Found
    from memporium_services.vault.app.exporting import ExportStart
    from memporium_services.vault.app.search_results import Hit, Refusal, SearchFound
    from memporium_services.vault.app.watch import Event
    from memporium_services.vault.ports import GrantedUse

FULL = cubes_pb2.CUBE_VIEW_FULL
BASIC = cubes_pb2.CUBE_VIEW_BASIC
ORDERS = {0: "name", 1: "name", 2: "create_time", 3: "update_time", 4: "event_time", 5: "heat"}
# Results of one message of a search; larger ones go alone.
_MESSAGE_HITS = 32
_MESSAGE_BYTES = 1 << 20
_MAX_WORDS = 1000


def time_us(message: Message, field: str) -> int | None:
    """Return a timestamp field in microseconds; None: absent."""
    return moment_us(getattr(message, field)) if message.HasField(field) else None


def branched(made: Branched) -> vault_service_pb2.CreateVaultResponse:
    """Return the answer of `CreateVault`."""
    response = vault_service_pb2.CreateVaultResponse(vault=made.vault)
    if made.at is not None:
        response.branching.done_cubes, response.branching.total_cubes = made.at.done_cubes, made.at.total_cubes
    return response


def selection_of(chosen: CubeFilter, *, field: str = "filter") -> Selection:
    """Return what a filter asks for.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    for path, values in chosen.ListFields():
        if path.is_repeated and len(values) > _MAX_WORDS:
            raise invalid(f"{field}.{path.name}", f"at most {_MAX_WORDS}")
    return Selection(
        tags_all=tuple(chosen.tags_all),
        tags_any=tuple(chosen.tags_any),
        tags_none=tuple(chosen.tags_none),
        states=tuple(chosen.states),
        semantic_types=tuple(chosen.semantic_types),
        forms=tuple(chosen.forms),
        origins=tuple(chosen.origins),
        entities=tuple(chosen.entities),
        roles=tuple(chosen.roles),
        sources=tuple(chosen.sources),
        owners=tuple(chosen.owners),
        personas=tuple(chosen.personas),
        languages=tuple(chosen.languages),
        labels_any=tuple(chosen.labels_any),
        labels_none=tuple(chosen.labels_none),
        create_min_us=time_us(chosen, "create_time_min"),
        create_max_us=time_us(chosen, "create_time_max"),
        update_min_us=time_us(chosen, "update_time_min"),
        update_max_us=time_us(chosen, "update_time_max"),
        event_min_us=time_us(chosen, "event_time_min"),
        event_max_us=time_us(chosen, "event_time_max"),
        min_priority=chosen.min_priority,
        scopes=tuple(chosen.access_scopes),
        tiers=tuple(chosen.tiers),
        cube_ids=tuple(names.CUBE.parse(name, f"{field}.names")["cube"] for name in chosen.names),
        agreements=tuple(chosen.agreements),
        claims=tuple(claim.casefold() for claim in chosen.claims),
    )


def vector_of(vector: Vector) -> NDArray[np.float32] | None:
    """Return a vector at unit length, or as it is where it has none (zero, not finite); None: empty."""
    if not vector.values:
        return None
    found = np.array(vector.values, np.float32)
    # In float64: squares of large float32 numbers overflow.
    norm = float(np.linalg.norm(found.astype(np.float64)))
    return found / np.float32(norm) if 0 < norm < float("inf") else found


def search_of(request: vault_service_pb2.SearchCubesRequest) -> SearchAsked:
    """Return what a request searches for.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if request.limit < 0:
        raise invalid("limit", "must not be negative")
    moment = read_moment(request)
    return SearchAsked(
        query=request.query,
        vector=vector_of(request.query_vector) if request.HasField("query_vector") else None,
        mode=request.mode or search_pb2.SEARCH_MODE_HYBRID,
        selection=selection_of(request.filter),
        weights=weights_of(request.weights) if request.HasField("weights") else None,
        limit=min(request.limit or DEFAULT_LIMIT, MAX_LIMIT),
        group_by_cube=request.group_by_cube,
        include_mounts=mounts_of(request, moment),
        full=request.view == FULL,
        explain=request.explain,
        moment=moment,
    )


def read_moment(request: Any) -> Moment:
    """Return as of when a request reads."""
    return Moment(request.read_revision, time_us(request, "read_time"))


def mounts_of(request: Any, moment: Moment) -> bool:
    """Return whether mounts are searched: of now, unless the request says otherwise; of the past, never.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if moment.given and request.include_mounts:
        raise invalid("include_mounts", "of the past, a vault is searched by itself")
    return not moment.given and (not request.HasField("include_mounts") or request.include_mounts)


async def listed(cubes: Cubes, call: Call, request: vault_service_pb2.ListCubesRequest) -> Found:
    """Return a page of a list, of now or of an earlier moment.

    Raises:
        PlatformError: INVALID_FIELD and what the app raises.
    """
    selection, full = selection_of(request.filter), request.view == FULL
    moment = read_moment(request)
    if not moment.given:
        return await cubes.list(
            call,
            request.parent,
            selection,
            order=ORDERS[request.order],
            size=request.page_size,
            token=request.page_token,
            full=full,
        )
    if ORDERS[request.order] != "name":
        raise invalid("order", "of the past, lists are by name")
    return await cubes.list_as_of(
        call, request.parent, selection, moment=moment, size=request.page_size, token=request.page_token, full=full
    )


def forget_of(request: vault_service_pb2.ForgetCubesRequest) -> ForgetAsked:
    """Return what a request wants to be forgotten.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    return ForgetAsked(
        cube_names=request.names,
        selection=selection_of(request.filter) if request.HasField("filter") else None,
        subject=subject_of(request.subject) if request.HasField("subject") else None,
        keep_derived=request.derived == cubes_pb2.DERIVED_POLICY_KEEP,
        dry_run=request.dry_run,
        reason=request.reason,
    )


def forget_everywhere_of(request: bytes) -> ForgetAsked:
    """Return what the bytes of a request want to be forgotten in all vaults.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    asked = vault_service_pb2.ForgetEverywhereRequest.FromString(request)
    return ForgetAsked(
        selection=selection_of(asked.filter) if asked.HasField("filter") else None,
        subject=subject_of(asked.subject) if asked.HasField("subject") else None,
        keep_derived=asked.derived == cubes_pb2.DERIVED_POLICY_KEEP,
        dry_run=asked.dry_run,
        reason=asked.reason,
    )


def used(uses: Iterable[GrantedUse], cubes: Sequence[object] = ()) -> list[cubes_pb2.UsedLicence]:
    """Return the licences that something was used under, with the cubes of the answer that carry each."""
    return [
        cubes_pb2.UsedLicence(
            agreement=use.agreement,
            attribution=use.attribution,
            use_id=use.use_id,
            duties=use.duties,
            terms_sha256=use.terms_sha256,
            cubes=[
                cube.name  # type: ignore[attr-defined]
                for cube in cubes
                if any(one.agreement == use.agreement for one in cube.governance.licences)  # type: ignore[attr-defined]
            ],
        )
        for use in uses
    ]


def refusal_of(refusal: Refusal) -> search_pb2.MountRefusal:
    """Return the message of what a licence refused."""
    return search_pb2.MountRefusal(
        mount=refusal.mount,
        vault=refusal.vault,
        agreement=refusal.agreement,
        reason=refusal.reason,
        message=refusal.message,
    )


def search_messages(found: SearchFound, *, explain: bool) -> Iterator[vault_service_pb2.SearchCubesResponse]:
    """Return the messages of a search: results in pieces, refusals first, the summary last."""
    message = vault_service_pb2.SearchCubesResponse()
    message.refusals.extend(refusal_of(one) for one in found.refusals)
    size = 0
    for rank, hit in enumerate(found.hits, 1):
        if len(message.hits) >= _MESSAGE_HITS or size > _MESSAGE_BYTES:
            yield message
            message, size = vault_service_pb2.SearchCubesResponse(), 0
        _add_hit(message, hit, rank, explain=explain)
        size += hit.cube.ByteSize()
    summary = message.summary
    summary.revision, summary.candidates = found.revision, found.candidates
    summary.embed_us, summary.index_us, summary.total_us = found.embed_us, found.index_us, found.total_us
    summary.past_units = found.past_units
    for leg, weight in found.weights.items():
        setattr(summary.weights, leg, weight)
    summary.licences.extend(used(found.uses, [hit.cube for hit in found.hits]))
    yield message


def _add_hit(message: vault_service_pb2.SearchCubesResponse, hit: Hit, rank: int, *, explain: bool) -> None:
    added = message.hits.add(
        cube=hit.cube,
        unit=hit.unit,
        score=hit.score,
        rank=rank,
        mount=hit.mount,
        agreement=hit.agreement,
        attribution=hit.attribution,
        more_units=hit.more_units,
    )
    if explain:
        for part in hit.legs:
            added.legs.add(
                leg=part.leg, score=part.score, normalised=part.normalised, weight=part.weight, rank=part.rank
            )


def created(made: Made) -> cubes_pb2.CreatedCube:
    """Return what became of a cube to make."""
    return cubes_pb2.CreatedCube(cube=made.cube, deduplicated=made.deduplicated, near_duplicates=made.near)


def event(one: Event) -> vault_service_pb2.CubeEvent:
    """Return a change."""
    message = vault_service_pb2.CubeEvent(
        revision=one.change.revision,
        kind=one.change.kind,  # type: ignore[arg-type]
        name=one.name,
        cube=one.cube,
    )
    set_time(message.time, one.change.time_us)
    return message


async def first_header(stream: AsyncIterator[Any]) -> Any:
    """Return the header that a client stream must begin with.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    async for message in stream:
        if message.WhichOneof("part") == "header":
            return message.header
        break
    raise invalid("header", "must be the first message")


async def rest(stream: AsyncIterator[Any], part: str) -> AsyncIterator[Any]:
    """Yield one part of the messages after the header.

    Raises:
        PlatformError: INVALID_FIELD, for a second header.
    """
    async for message in stream:
        if message.WhichOneof("part") != part:
            raise invalid(message.WhichOneof("part") or part, f"only {part} may follow the header")
        yield getattr(message, part)


async def batches(stream: AsyncIterator[Any]) -> AsyncIterator[Sequence[cubes_pb2.PortableCube]]:
    """Yield the batches of an import.

    Raises:
        PlatformError: INVALID_FIELD, for anything but batches and then the end, or an end that counts other cubes.
    """
    cubes, promised = 0, -1
    async for message in stream:
        part = message.WhichOneof("part")
        if promised >= 0 or part not in {"batch", "end"}:
            raise invalid(part or "batch", "only batches may follow the header, and after the end nothing")
        if part == "end":
            promised = message.end.cubes
        else:
            cubes += len(message.batch.cubes)
            yield list(message.batch.cubes)
    if promised != cubes:
        raise invalid("end", f"must be the last message and count {cubes} cubes")


def export_message(piece: ExportStart | list[cubes_pb2.PortableCube]) -> vault_service_pb2.ExportCubesResponse:
    """Return one message of an export."""
    if isinstance(piece, list):
        return vault_service_pb2.ExportCubesResponse(cubes=piece)
    header = vault_service_pb2.ExportHeader(
        vault=piece.vault, cubes=piece.cubes, revision=piece.revision, licences=used(piece.uses)
    )
    return vault_service_pb2.ExportCubesResponse(header=header)
