"""A seller with a pack and its next release, and a buyer who has the first: real services, and what both see.

Keys and the search for personal data are those of tests: models would be loaded at each of many starts.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from memporium.cube.v1.cube_pb2 import Cube
from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import vault_service_pb2 as vault_pb
from memporium.vault.v1.cubes_pb2 import CubeView
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.bundles import tensor_file
from support.integration_transfer import collect
from support.market import Market, licence
from support.platform import running_platform
from support.portable import EmailDetector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SERVICES = ("vault", "inference", "memstore", "transfer")
EXPERT, PACK, FRESH = "orgs/seller/vaults/expert", "orgs/buyer/vaults/pack", "orgs/buyer/vaults/fresh"
# Requests that are sent again after a crash.
RELEASE_ID, PULL_ID = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
FIRST = {
    f"c{number}": f"the {word} tower has a bell"
    for number, word in enumerate(["north", "south", "east", "west", "red", "green", "blue", "gold"])
}
SECOND = {**FIRST, "c1": "the south tower fell down", "c8": "the glass tower is new"}
del SECOND["c3"]
TERMS = licence("READ", "RETRIEVE", calls=None, forms=("PLAINTEXT", "ACTIVATION"))
SETTINGS = {"MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": "hashing-384", "MEMPORIUM_TRANSFER_SCAN_IMPORTS": "false"}


class DeltaWorld(Market):
    """The platform; its organisations are there already."""

    agreement_name: str = ""

    @property
    def seller(self) -> VaultServiceStub:
        return VaultServiceStub(self.platform.channel(self.keys["seller"]))

    @property
    def buyer(self) -> VaultServiceStub:
        return VaultServiceStub(self.platform.channel(self.keys["buyer"]))

    async def build(self) -> None:
        """Sell and pull the first release; change the seller's vault for the next."""
        await self.fill()
        agreement = await self.agreement(TERMS)
        self.agreement_name = agreement.name
        await self.release(agreement.listing)
        await self.pull("pack")
        await self.change()

    async def fill(self) -> None:
        """Write what the first release has."""
        await self.seller.CreateVault(vault_pb.CreateVaultRequest(parent="orgs/seller", vault_id="expert"))
        for cube_id, text in FIRST.items():
            await self._remember(cube_id, text)
        # Tensors are in the recipients' copies, so that there is one.
        await self._tensors("kv", tensor_file({"k": [0.5] * 64}))

    async def change(self) -> None:
        """Write what the second one has."""
        for cube_id, text in SECOND.items():
            if FIRST.get(cube_id) != text:
                await self._forget(cube_id)
                await self._remember(cube_id, text)
        await self._forget("c3")

    async def release_second(self) -> None:
        """Release the seller's vault as it is now; the same request each time."""
        await self.release("orgs/seller/listings/pack", "1.1.0", request_id=RELEASE_ID)

    async def pull(self, vault_id: str, request_id: str = "") -> Any:
        """Pull the newest release into a vault; return the result."""
        stub = TransferServiceStub(self.platform.channel(self.keys["buyer"]))
        values = {"parent": "orgs/buyer", "agreement": self.agreement_name, "vault_id": vault_id}
        _, result = await collect(stub.PullBundle(pb.PullBundleRequest(**values, request_id=request_id)))
        return result

    async def seen(self, vault: str) -> dict[str, str]:
        """Return what the buyer reads in a vault: the payload of every cube by its id."""
        request = vault_pb.ListCubesRequest(parent=vault, page_size=100, view=CubeView.CUBE_VIEW_FULL)
        cubes = (await self.buyer.ListCubes(request)).cubes
        shown = {}
        for cube in cubes:
            payload = cube.payload
            if payload.HasField("plaintext"):
                shown[cube.name.rpartition("/")[2]] = payload.plaintext.document.text
            else:
                shown[cube.name.rpartition("/")[2]] = payload.activation.blob.sha256
        return shown

    async def texts(self, vault: str) -> dict[str, str]:
        """Return the texts that the buyer reads in a vault."""
        return {cube_id: text for cube_id, text in (await self.seen(vault)).items() if cube_id != "kv"}

    async def found(self, vault: str, query: str) -> str:
        """Return the id of the cube that a search finds first."""
        request = vault_pb.SearchCubesRequest(parent=vault, query=query, limit=1)
        [hit] = [hit async for answer in self.buyer.SearchCubes(request) for hit in answer.hits]
        return hit.cube.name.rpartition("/")[2]

    async def usage(self, vault: str) -> Any:
        """Return what a vault says that it holds."""
        return (await self.buyer.GetVault(vault_pb.GetVaultRequest(name=vault))).vault.usage

    async def _remember(self, cube_id: str, text: str) -> None:
        cube = Cube()
        cube.payload.plaintext.document.text = text
        await self.seller.CreateCube(vault_pb.CreateCubeRequest(parent=EXPERT, cube_id=cube_id, cube=cube))

    async def _forget(self, cube_id: str) -> None:
        if cube_id in FIRST:
            names = [f"{EXPERT}/cubes/{cube_id}"]
            await self.seller.ForgetCubes(vault_pb.ForgetCubesRequest(parent=EXPERT, names=names))

    async def _tensors(self, cube_id: str, data: bytes) -> None:
        async def upload() -> AsyncIterator[vault_pb.UploadBlobRequest]:
            header = vault_pb.UploadBlobHeader(parent=EXPERT)
            header.digest.sha256, header.digest.size_bytes = sha256(data).hexdigest(), len(data)
            yield vault_pb.UploadBlobRequest(header=header)
            yield vault_pb.UploadBlobRequest(data=data)

        cube = Cube()
        activation = cube.payload.activation
        activation.blob.CopyFrom((await self.seller.UploadBlob(upload())).digest)
        activation.model_fingerprint = activation.tokenizer_fingerprint = activation.token_ids_sha256 = "ab" * 32
        activation.token_count, activation.layers, activation.heads, activation.head_size = 4, 1, 1, 16
        activation.dtype = "float32"
        await self.seller.CreateCube(vault_pb.CreateCubeRequest(parent=EXPERT, cube_id=cube_id, cube=cube))


@asynccontextmanager
async def delta_world(folder: Path, agreement: str = "") -> AsyncIterator[DeltaWorld]:
    """Run it on a folder; `agreement`: the name of the one that was made when it was built there before."""
    async with running_platform(SERVICES, data_dir=folder, modules=[EmailDetector()]) as platform:
        world = DeltaWorld(platform, None)  # type: ignore[arg-type]  # the real transfer service is there
        world.agreement_name = agreement
        for org in ("seller", "buyer"):
            await world.org(org)
        yield world
