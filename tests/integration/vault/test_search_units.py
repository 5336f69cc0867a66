"""SearchUnits finds what SearchCubes finds, now as ever: also where what it opened before is kept in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from memporium.cube.v1 import cube_pb2
from memporium.cube.v1.cube_pb2 import Cube, LicenceReference
from memporium.vault.v1 import search_pb2
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import PortableCube
from memporium.vault.v1.vault_pb2 import VaultKind
from memporium_platform.call import Principal, PrincipalKind, acting_as
from memporium_platform.errors import Reason
from support.vaults import cell, document, reason, search, vector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.vaults import VaultPlace

AGREEMENT = "orgs/publisher/agreements/a1"
LICENCE = LicenceReference(agreement=AGREEMENT, terms_sha256="00" * 32)
SUBJECTS = ("bridges", "tunnels", "harbours", "bridges and tunnels")
SEMANTIC, TAGS = search_pb2.SEARCH_MODE_SEMANTIC, search_pb2.SEARCH_MODE_TAGS


async def _messages(stub: Any, parent: str, *queries: Any, **asked: Any) -> list[search_pb2.SearchUnitsResponse]:
    made = [{"query": one} if isinstance(one, str) else one for one in queries]
    request = search_pb2.SearchUnitsRequest(parent=parent, queries=made, **asked)
    return [message async for message in stub.SearchUnits(request)]


def _rows(messages: list[search_pb2.SearchUnitsResponse], query: int = 0) -> list[dict[str, Any]]:
    """Return the hits of a question, each with its scores, as `_rows_of_cubes` has them."""
    cubes = [cube for message in messages for cube in message.cubes]
    rows = []
    for message in messages:
        for ranking in message.rankings:
            for place, hit in enumerate(ranking.hits if ranking.query == query else ()):
                cube = cubes[hit.cube]
                legs = {one.leg: (one.scores[place], one.ranks[place]) for one in ranking.legs if one.ranks[place] >= 0}
                rows.append(
                    {
                        "cube": cube.name,
                        "version": cube.version,
                        "told": cube.descriptive.source,
                        "mount": (cube.mount, cube.agreement, cube.attribution),
                        "unit": hit.unit.SerializeToString(deterministic=True),
                        "score": ranking.scores[place],
                        "legs": legs,
                    }
                )
    return rows


def _rows_of_cubes(found: api.SearchCubesResponse) -> list[dict[str, Any]]:
    return [
        {
            "cube": hit.cube.name,
            "version": hit.cube.behavioural.version,
            "told": hit.cube.descriptive.source,
            "mount": (hit.mount, hit.agreement, hit.attribution),
            "unit": hit.unit.SerializeToString(deterministic=True),
            "score": hit.score,
            "legs": {leg.leg: (leg.score, leg.rank) for leg in hit.legs},
        }
        for hit in found.hits
    ]


async def _texts(stub: Any, vault: str, query: str) -> list[str]:
    found = await _messages(stub, vault, query, limit=50)
    return [hit.unit.text for ranking in found[0].rankings for hit in ranking.hits]


async def _fill(place: VaultPlace, vault: str, count: int) -> list[str]:
    made = []
    for number in range(count):
        subject = SUBJECTS[number % len(SUBJECTS)]
        facts = [f"note {number} on {subject}", f"more of {number} about {subject}"]
        context = f"what stands around {number}" if number % 3 else ""
        made.append((await place.create(vault, cell(*facts, context=context, source=f"s{number}"))).cube.name)
    return made


async def test_each_question_is_answered_as_by_a_search_of_its_own(place: VaultPlace) -> None:
    own, other = await place.vault("own"), await place.vault("other")
    await _fill(place, own, 24)
    # Without contexts: the mount lacks a leg that the own vault has.
    await place.create(other, cell("a mounted note on bridges", "a mounted note on tunnels"))
    await place.stub.CreateMount(api.CreateMountRequest(parent=own, mount={"vault": other}))
    queries = [
        {"query": "bridges around 3"},
        {"query": "tunnels", "mode": search_pb2.SEARCH_MODE_FULL_TEXT},
        {"query": "harbours", "mode": SEMANTIC},
        {"query": "none of that", "query_vector": vector(5)},
    ]
    for more in ({"limit": 7}, {"limit": 60}, {"limit": 9, "include_mounts": False}, {"filter": {"sources": ["s3"]}}):
        for _again in range(2):
            found = await _messages(place.stub, own, *queries, **more)
            for number, query in enumerate(queries):
                alone = await search(place.stub, own, explain=True, **query, **more)
                assert alone.hits
                assert _rows(found, number) == _rows_of_cubes(alone)


async def test_what_was_changed_or_forgotten_is_not_shown_from_memory(place: VaultPlace) -> None:
    vault = await place.vault()
    first, second, third = (await _fill(place, vault, 12))[:3]
    before = await _texts(place.stub, vault, "note")
    assert await _texts(place.stub, vault, "note") == before
    cube = (await place.stub.GetCube(api.GetCubeRequest(name=first))).cube
    cube.payload.plaintext.mem_cell.facts[0].text = "a corrected note"
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=cube, update_mask={"paths": ["payload"]}))
    after = await _texts(place.stub, vault, "note")
    assert "a corrected note" in after
    assert "note 0 on bridges" not in after
    versions = {one.name: one.version for one in (await _messages(place.stub, vault, "note", limit=50))[0].cubes}
    assert versions[first] == 2

    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=vault, names=[second], reason="asked to"))
    await place.stub.ExpireCube(api.ExpireCubeRequest(name=third))
    gone = await _texts(place.stub, vault, "note")
    assert not [text for text in gone if " 1 " in text or " 2 " in text]


async def test_how_many_expectations_a_cube_holds_is_told_and_follows_its_payload(place: VaultPlace) -> None:
    vault = await place.vault()
    planned = cell("a note on bridges")
    planned.payload.plaintext.mem_cell.foresight.add(text="the bridge will open")
    name = (await place.create(vault, planned)).cube.name
    await place.create(vault, cell("a note on tunnels"))
    await place.create(vault, document("Harbours", "A note on harbours."))

    async def held() -> list[int | None]:
        cubes = (await _messages(place.stub, vault, "note"))[0].cubes
        counts = {one.name: one.foresight_count if one.HasField("foresight_count") else None for one in cubes}
        return [counts.pop(name), *counts.values()]

    assert await held() == [1, 0, 0]
    cube = (await place.stub.GetCube(api.GetCubeRequest(name=name))).cube
    assert cube.behavioural.foresight_count == 1
    cube.payload.plaintext.mem_cell.foresight.add(text="the toll will rise")
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=cube, update_mask={"paths": ["payload"]}))
    assert await held() == [2, 0, 0]
    retitled = Cube(name=name, descriptive={"title": "Bridges"}, behavioural={"foresight_count": 9})
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=retitled, update_mask={"paths": ["descriptive.title"]}))
    assert await held() == [2, 0, 0]
    await place.stub.RollbackCube(api.RollbackCubeRequest(name=name, version=1))
    assert await held() == [1, 0, 0]


async def test_private_units_stay_private_after_their_owner_found_them(place: VaultPlace) -> None:
    vault = await place.vault()
    secret = cell("my private note")
    secret.governance.access_scope = cube_pb2.ACCESS_SCOPE_PRIVATE
    await place.create(vault, secret)
    other = await place.as_principal("other")
    assert await _texts(place.stub, vault, "note") == ["my private note"]
    assert await _texts(other, vault, "note") == []


async def test_scores_alone_come_without_text_and_are_no_use(place: VaultPlace) -> None:
    vault = await place.vault()
    name = (await place.create(vault, cell("a note on bridges", "a note on boats"))).cube.name
    [message] = await _messages(place.stub, vault, {"query": "boats", "mode": SEMANTIC, "scores_only": True})
    [ranking] = message.rankings
    assert [(hit.ordinal, hit.HasField("unit")) for hit in ranking.hits] == [(1, False), (0, False)]
    assert message.cubes[0].name == name
    assert list(ranking.legs[0].scores) == sorted(ranking.legs[0].scores, reverse=True)
    assert ranking.legs[0].scores[0] > 0


@pytest.mark.parametrize(
    "queries",
    [[], [{"query": "a"}] * 9, [{"query": "a", "mode": TAGS}], [{"query": " "}], [{"query": "a" * 8193}]],
)
async def test_questions_that_cannot_be_answered_are_refused(place: VaultPlace, queries: list[dict[str, Any]]) -> None:
    vault = await place.vault()
    request = search_pb2.SearchUnitsRequest(parent=vault, queries=queries)
    assert await reason(place.stub.SearchUnits(request)) is Reason.INVALID_FIELD


async def test_long_answers_come_in_several_messages(place: VaultPlace) -> None:
    vault = await place.vault()
    for number in range(6):
        await place.create(vault, document(f"text {number}", f"harbour {number} " * 30_000))
    found = await _messages(place.stub, vault, "harbour", "text", limit=1000)
    assert len(found) > 1
    assert all(message.ByteSize() < 3 << 20 for message in found)
    for number, query in enumerate(("harbour", "text")):
        alone = await search(place.stub, vault, query, limit=1000, explain=True)
        assert _rows(found, number) == _rows_of_cubes(alone)


async def test_licences_are_asked_attributed_and_refused_as_by_other_searches(place: VaultPlace) -> None:
    owner = Principal(name=f"{place.org.name}/principals/owner", org=place.org.id, kind=PrincipalKind.USER)

    async def parts(parent: str) -> AsyncIterator[api.ImportCubesRequest]:
        yield api.ImportCubesRequest(header=api.ImportCubesHeader(parent=parent, licence=LICENCE))
        cubes = [PortableCube(cube=cell("licensed knowledge of bridges"))]
        yield api.ImportCubesRequest(batch=api.ImportCubesBatch(cubes=cubes))
        yield api.ImportCubesRequest(end=api.ImportCubesEnd(cubes=1))

    with acting_as(owner):
        stub = place.internal("transfer")
        pack = {"kind": VaultKind.VAULT_KIND_INDUSTRY_SHARED, "read_only": True, "licence": LICENCE}
        made = await stub.CreateVault(api.CreateVaultRequest(parent=place.org.name, vault_id="pack", vault=pack))
        await stub.ImportCubes(parts(made.vault.name))
    own = await place.vault("own")
    await place.create(own, cell("my own notes on bridges"))
    await place.stub.CreateMount(api.CreateMountRequest(parent=own, mount={"vault": made.vault.name}))
    found = await _messages(place.stub, own, "bridges")
    assert _rows(found) == _rows_of_cubes(await search(place.stub, own, "bridges", explain=True))
    assert {cube.attribution for cube in found[0].cubes} == {"", f"by {AGREEMENT}"}
    assert [one.agreement for one in found[-1].summary.licences] == [AGREEMENT]
    assert place.memstore.committed

    place.memstore.refused[AGREEMENT, 0] = Reason.LICENCE_REVOKED
    [message] = await _messages(place.stub, own, "bridges")
    assert [one.name.startswith(own) for one in message.cubes] == [True]
    assert [(one.agreement, one.reason) for one in message.refusals] == [(AGREEMENT, "LICENCE_REVOKED")]
    assert (
        await reason(
            place.stub.SearchUnits(
                search_pb2.SearchUnitsRequest(parent=made.vault.name, queries=[{"query": "bridges"}])
            )
        )
        is Reason.LICENCE_REVOKED
    )
