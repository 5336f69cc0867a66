"""Ways around a licence that a consumer might try: by a mount beside what was made of it, by a blob's other names."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import UseAction
from memporium_platform.call import acting_as
from memporium_platform.errors import Reason
from support.licensed import A1, agreements_of, made_of, owner_of, pack_of
from support.vaults import cell, reason, search

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.vaults import VaultPlace

FULL_TEXT = 2
RETRIEVE, READ = UseAction.USE_ACTION_RETRIEVE, UseAction.USE_ACTION_READ
DIGEST = {"sha256": hashlib.sha256(b"tensors").hexdigest(), "size_bytes": len(b"tensors")}


def counted(place: VaultPlace) -> list[tuple[str, int, int]]:
    return [
        (
            use.agreement,
            place.memstore.reserved[use_id].action,
            use.units.memories or place.memstore.reserved[use_id].units.memories,
        )
        for use_id, use in place.memstore.committed.items()
    ]


async def test_what_was_made_of_a_pack_is_counted_also_where_the_pack_is_mounted_and_says_nothing(
    place: VaultPlace,
) -> None:
    parents = await pack_of(place, "pack", A1, "bridges")
    own = await place.vault("own")
    await place.create(own, await made_of(place, "text", own, parents))
    await place.stub.CreateMount(
        api.CreateMountRequest(parent=own, mount={"vault": parents[0].partition("/cubes/")[0]})
    )
    place.memstore.committed.clear()
    found = await search(place.stub, own, "water", mode=FULL_TEXT)
    assert [(hit.mount, hit.agreement) for hit in found.hits] == [("", A1)]
    assert counted(place) == [(A1, RETRIEVE, 1)]


async def test_both_together_are_one_use_and_refused_together(place: VaultPlace) -> None:
    parents = await pack_of(place, "pack", A1, "bridges over water")
    own = await place.vault("own")
    await place.create(own, await made_of(place, "text", own, parents))
    free = (await place.create(own, cell("my own water"))).cube.name
    await place.stub.CreateMount(
        api.CreateMountRequest(parent=own, mount={"vault": parents[0].partition("/cubes/")[0]})
    )
    place.memstore.counted = True
    place.memstore.committed.clear()
    assert len((await search(place.stub, own, "water", mode=FULL_TEXT)).hits) == 3
    assert counted(place) == [(A1, RETRIEVE, 2)]
    place.memstore.most_memories = 1
    found = await search(place.stub, own, "water", mode=FULL_TEXT)
    assert [hit.cube.name for hit in found.hits] == [free]
    assert [one.agreement for one in found.refusals] == [A1]


async def _cache(place: VaultPlace, own: str, parents: list[str]) -> str:
    """Make a licensed KV cache that may not be read."""
    made = (await place.create(own, await made_of(place, "kv", own, parents))).cube
    place.memstore.refused[A1, READ] = Reason.LICENCE_NOT_PERMITTED
    return str(made.name)


def _download(place: VaultPlace, own: str) -> object:
    return place.stub.DownloadBlob(api.DownloadBlobRequest(parent=own, digest=DIGEST))


async def test_tensors_are_licensed_by_whatever_name_they_are_kept(place: VaultPlace) -> None:
    parents = await pack_of(place, "pack", A1, "bridges")
    own = await place.vault("own")
    first = await _cache(place, own, parents)
    assert await reason(_download(place, own)) is Reason.LICENCE_NOT_PERMITTED
    # The same tensors again, said to be made of nothing; then the licensed name goes.
    again = (await place.create(own, await made_of(place, "kv", own, []))).cube
    assert agreements_of(again) == {A1}
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=own, names=[first]))
    assert await reason(_download(place, own)) is Reason.LICENCE_NOT_PERMITTED


async def test_tensors_of_an_earlier_version_are_licensed_as_it_was(place: VaultPlace) -> None:
    parents = await pack_of(place, "pack", A1, "bridges")
    own = await place.vault("own")
    first = await _cache(place, own, parents)
    changed = await made_of(place, "kv", own, [])
    changed.name = first
    changed.payload.activation.blob.CopyFrom((await place.stub.UploadBlob(_other(own))).digest)
    with acting_as(owner_of(place)):
        newer = api.UpdateCubeRequest(cube=changed, update_mask={"paths": ["payload"]})
        await place.internal("inference").UpdateCube(newer)
    assert await reason(_download(place, own)) is Reason.LICENCE_NOT_PERMITTED


async def _other(parent: str) -> AsyncIterator[api.UploadBlobRequest]:
    data = b"others"
    header = api.UploadBlobHeader(parent=parent)
    header.digest.sha256, header.digest.size_bytes = hashlib.sha256(data).hexdigest(), len(data)
    yield api.UploadBlobRequest(header=header)
    yield api.UploadBlobRequest(data=data)


async def test_tensors_that_were_forgotten_are_not_downloaded(place: VaultPlace) -> None:
    parents = await pack_of(place, "pack", A1, "bridges")
    own = await place.vault("own")
    first = await _cache(place, own, parents)
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=own, names=[first]))
    assert await reason(_download(place, own)) is Reason.NOT_FOUND
