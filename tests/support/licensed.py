"""Licensed packs and what is made of them, for tests of the vault."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from memporium.cube.v1.cube_pb2 import Activation, Cube, LicenceReference, Parameter, Payload
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import PortableCube
from memporium.vault.v1.vault_pb2 import VaultKind
from memporium_platform.call import Principal, PrincipalKind, acting_as
from support.vaults import cell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.vaults import VaultPlace

A1, A2 = "orgs/publisher/agreements/a1", "orgs/other/agreements/a2"


def owner_of(place: VaultPlace) -> Principal:
    return Principal(name=f"{place.org.name}/principals/owner", org=place.org.id, kind=PrincipalKind.USER)


async def pack_of(place: VaultPlace, vault_id: str, agreement: str, *texts: str) -> list[str]:
    """Make a pack vault by the way that the transfer service takes; return its cubes."""
    licence = LicenceReference(agreement=agreement, terms_sha256="00" * 32)

    async def messages() -> AsyncIterator[api.ImportCubesRequest]:
        yield api.ImportCubesRequest(header=api.ImportCubesHeader(parent=pack, licence=licence))
        cubes = [PortableCube(cube=cell(text)) for text in texts]
        yield api.ImportCubesRequest(batch=api.ImportCubesBatch(cubes=cubes))
        yield api.ImportCubesRequest(end=api.ImportCubesEnd(cubes=len(texts)))

    with acting_as(owner_of(place)):
        stub = place.internal("transfer")
        vault = {"kind": VaultKind.VAULT_KIND_INDUSTRY_SHARED, "read_only": True, "licence": licence}
        made = await stub.CreateVault(api.CreateVaultRequest(parent=place.org.name, vault_id=vault_id, vault=vault))
        pack = made.vault.name
        await stub.ImportCubes(messages())
    return [one.name for one in (await place.stub.ListCubes(api.ListCubesRequest(parent=pack))).cubes]


async def _blob(place: VaultPlace, parent: str) -> api.UploadBlobResponse:
    data = b"tensors"

    async def messages() -> AsyncIterator[api.UploadBlobRequest]:
        header = api.UploadBlobHeader(parent=parent)
        header.digest.sha256, header.digest.size_bytes = hashlib.sha256(data).hexdigest(), len(data)
        yield api.UploadBlobRequest(header=header)
        yield api.UploadBlobRequest(data=data)

    return await place.stub.UploadBlob(messages())


async def made_of(place: VaultPlace, form: str, vault: str, parents: list[str]) -> Cube:
    """Return a cube of a form that says it was made of these parents, ready to be created."""
    if form == "text":
        cube = cell("all about water")
        cube.behavioural.lineage.parents.extend(parents)
        return cube
    blob = (await _blob(place, vault)).digest
    if form == "kv":
        marks = dict.fromkeys(("model_fingerprint", "tokenizer_fingerprint", "token_ids_sha256"), "ab" * 32)
        sizes = {"token_count": 5, "layers": 1, "heads": 1, "head_size": 2}
        return Cube(
            payload=Payload(activation=Activation(blob=blob, source_cubes=parents, dtype="float32", **marks, **sizes))
        )
    parameter = Parameter(
        blob=blob, source_cubes=parents, base_model_fingerprint="ab" * 32, rank=2, alpha=4, target_modules=["q_proj"]
    )
    return Cube(payload=Payload(parameter=parameter))


def agreements_of(cube: Cube) -> set[str]:
    return {licence.agreement for licence in cube.governance.licences}
