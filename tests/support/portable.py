"""Stand-ins for what transfer needs: vaults that take cubes in and out, a marketplace, a detector of e-mail addresses.

They keep the contract of the real services where transfer depends on it: an import is visible as a whole at its end,
licences forbid redistribution, agreements have states.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from hashlib import sha256

from memporium.governance.v1 import governance_service_pb2  # noqa: F401 - registers the service's descriptor
from memporium.governance.v1.governance_service_pb2_grpc import (
    GovernanceServiceServicer,
    add_GovernanceServiceServicer_to_server,
)
from memporium.governance.v1.pii_pb2 import DetectPiiResponse, PiiFinding, RedactPiiResponse
from memporium.memstore.v1 import (
    agreement_calls_pb2,
    entitlement_calls_pb2,
    listing_calls_pb2,
    memstore_service_pb2,  # noqa: F401 - registers the service's descriptor
    release_calls_pb2,
)
from memporium.memstore.v1.agreement_pb2 import Agreement
from memporium.memstore.v1.listing_pb2 import Release
from memporium.memstore.v1.memstore_service_pb2_grpc import (
    MemstoreServiceServicer,
    add_MemstoreServiceServicer_to_server,
)
from memporium.vault.v1 import vault_service_pb2 as pb
from memporium.vault.v1.cubes_pb2 import PortableCube, Relation, Unit, UseAction, Vector
from memporium.vault.v1.vault_pb2 import Vault
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceServicer, add_VaultServiceServicer_to_server
from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, already_exists, not_found


class Module:
    """A module of the runner that is its own servicer."""

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing to end."""


@dataclass
class Held:
    """One vault."""

    vault: Vault
    cubes: dict[str, PortableCube] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)


class PortableVaults(Module, VaultServiceServicer):
    """Vaults in memory."""

    name = "vault"

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self.mounts: dict[str, str] = {}
        self.imports = 0
        self.hold_import: asyncio.Event | None = None
        self.importing = asyncio.Event()

    def add_to(self, server) -> None:
        add_VaultServiceServicer_to_server(self, server)

    def add(self, name: str, texts: list[str], *, blobs: dict[str, bytes] | None = None) -> Held:
        """Make a vault with a document a text, and an activation a blob."""
        held = self.held[name] = Held(Vault(name=name, uid=name, embedding_model="m", owner="orgs/x/principals/y"))
        for index, text in enumerate(texts):
            self.document(name, f"c{index}", text)
        for cube_id, blob in (blobs or {}).items():
            digest = sha256(blob).hexdigest()
            portable = PortableCube()
            portable.cube.name = f"{name}/cubes/{cube_id}"
            activation = portable.cube.payload.activation
            activation.blob.sha256, activation.blob.size_bytes = digest, len(blob)
            activation.source_cubes.append(f"{name}/cubes/c0")
            held.blobs[digest] = blob
            held.cubes[cube_id] = portable
        return held

    def document(self, name: str, cube_id: str, text: str) -> PortableCube:
        portable = PortableCube(units=[Unit(text=text)], unit_vectors=[Vector(values=[0.6, 0.8])])
        portable.cube.name = f"{name}/cubes/{cube_id}"
        portable.cube.payload.plaintext.document.text = text
        portable.cube.governance.owner = "orgs/press/principals/secret-author"
        portable.cube.behavioural.use_counts["read"] = 7
        self.held[name].cubes[cube_id] = portable
        return portable

    def texts(self, name: str) -> list[str]:
        return [cube.cube.payload.plaintext.document.text for cube in self.held[name].cubes.values()]

    async def GetVault(self, request, context):
        if request.name not in self.held:
            raise not_found(request.name)
        held = self.held[request.name]
        held.vault.usage.cubes = len(held.cubes)
        return pb.GetVaultResponse(vault=held.vault)

    async def CreateVault(self, request, context):
        name = f"{request.parent}/vaults/{request.vault_id}"
        if name in self.held:
            raise already_exists(name)
        request.vault.name = name
        self.held[name] = Held(request.vault)
        return pb.CreateVaultResponse(vault=request.vault)

    async def ExportCubes(self, request, context):
        held = self.held[request.parent]
        tags = set(request.filter.tags_any)
        chosen = [
            portable
            for portable in held.cubes.values()
            if (not request.names or portable.cube.name in request.names)
            and (not tags or tags & set(portable.cube.descriptive.tags))
        ]
        if request.action == UseAction.USE_ACTION_REDISTRIBUTE:
            for portable in chosen:
                for licence in portable.cube.governance.licences:
                    metadata = {"agreement": licence.agreement, "action": "REDISTRIBUTE"}
                    raise PlatformError(Reason.LICENCE_NOT_PERMITTED, "no redistribution", metadata=metadata)
        yield pb.ExportCubesResponse(header=pb.ExportHeader(vault=held.vault, cubes=len(chosen)))
        for portable in chosen:
            yield pb.ExportCubesResponse(cubes=[portable])

    async def ImportCubes(self, request_iterator, context):
        header, staged = None, []
        async for request in request_iterator:
            if request.HasField("header"):
                header = request.header
            staged.extend(request.batch.cubes)
            self.importing.set()
            if self.hold_import is not None:
                await self.hold_import.wait()
        held = self.held[header.parent]
        if header.replace:
            held.cubes.clear()
        for portable in staged:
            blob = portable.cube.payload.activation.blob.sha256
            if blob and blob not in held.blobs:
                raise PlatformError(Reason.BLOB_MISSING, "no such blob", metadata={"digest": blob})
            if header.HasField("licence"):
                portable.cube.governance.licences.append(header.licence)
            held.cubes[portable.cube.name.rsplit("/", 1)[1]] = portable
        self.imports += 1
        return pb.ImportCubesResponse(imported=len(staged))

    async def FindMissingBlobs(self, request, context):
        missing = [digest for digest in request.digests if digest.sha256 not in self.held[request.parent].blobs]
        return pb.FindMissingBlobsResponse(missing=missing)

    async def UploadBlob(self, request_iterator, context):
        header, data = None, b""
        async for request in request_iterator:
            if request.HasField("header"):
                header = request.header
            data += request.data
        if sha256(data).hexdigest() != header.digest.sha256 or len(data) != header.digest.size_bytes:
            raise PlatformError(Reason.DIGEST_MISMATCH, "another digest")
        self.held[header.parent].blobs[header.digest.sha256] = data
        return pb.UploadBlobResponse(digest=header.digest)

    async def DownloadBlob(self, request, context):
        data = self.held[request.parent].blobs[request.digest.sha256]
        for start in range(0, len(data), 1 << 20):
            yield pb.DownloadBlobResponse(data=data[start : start + (1 << 20)], size_bytes=len(data))

    async def ListRelations(self, request, context):
        return pb.ListRelationsResponse(relations=self.held[request.parent].relations)

    async def CreateRelation(self, request, context):
        self.held[request.parent].relations.append(request.relation)
        return pb.CreateRelationResponse(relation=request.relation)

    async def CreateMount(self, request, context):
        name = f"{request.parent}/mounts/{request.mount.vault.rsplit('/', 1)[1]}"
        if name in self.mounts:
            raise already_exists(name)
        self.mounts[name] = request.mount.vault
        request.mount.name = name
        return pb.CreateMountResponse(mount=request.mount)

    async def ListMounts(self, request, context):
        mounts = [{"name": name, "vault": vault} for name, vault in self.mounts.items()]
        return pb.ListMountsResponse(mounts=mounts)


class Marketplace(Module, MemstoreServiceServicer):
    """Agreements and releases in memory."""

    name = "memstore"

    def __init__(self) -> None:
        self.agreements: dict[str, Agreement] = {}
        self.releases: dict[str, Release] = {}
        self.latest: dict[str, str] = {}
        self.on_platform_only = False
        self.exports: set[str] = set()

    def add_to(self, server) -> None:
        add_MemstoreServiceServicer_to_server(self, server)

    def agree(self, provider: str, consumer: str, listing: str, agreement: str = "a1", **fields) -> str:
        name = f"{provider}/agreements/{agreement}"
        made = Agreement(
            name=name,
            provider=provider,
            consumer=consumer,
            listing=listing,
            state=Agreement.State.STATE_ACTIVE,
            attribution="by the press",
            **fields,
        )
        made.terms_document.sha256 = "ab" * 32
        self.agreements[name] = made
        return name

    def publish(self, listing: str, version: str, bundle: str) -> str:
        name = f"{listing}/releases/r{version.replace('.', '-')}"
        state = Release.State.STATE_PUBLISHED
        self.releases[name] = Release(name=name, version=version, bundle=bundle, state=state)
        self.latest[listing] = name
        return name

    async def GetAgreement(self, request, context):
        agreement = self.agreements.get(request.name)
        org = f"orgs/{current_call().principal.org}"
        if agreement is None or org not in {agreement.provider, agreement.consumer}:
            raise PlatformError(Reason.PERMISSION_DENIED, "not permitted", metadata={"resource": request.name})
        return agreement_calls_pb2.GetAgreementResponse(agreement=agreement)

    async def GetListing(self, request, context):
        response = listing_calls_pb2.GetListingResponse()
        response.listing.latest_release = self.latest.get(request.name, "")
        return response

    async def GetRelease(self, request, context):
        if request.name not in self.releases:
            raise not_found(request.name)
        return release_calls_pb2.GetReleaseResponse(release=self.releases[request.name])

    async def ReserveUse(self, request, context):
        if self.on_platform_only and request.off_platform:
            metadata = {"agreement": request.agreement, "term": "on_platform_only"}
            raise PlatformError(Reason.LICENCE_NOT_PERMITTED, "on the platform only", metadata=metadata)
        self.exports.add(request.use_id)
        return entitlement_calls_pb2.ReserveUseResponse()

    async def CommitUse(self, request, context):
        return entitlement_calls_pb2.CommitUseResponse()


class EmailDetector(Module, GovernanceServiceServicer):
    """Finds e-mail addresses."""

    name = "governance"
    _EMAIL = re.compile(r"\S+@\S+")

    def add_to(self, server) -> None:
        add_GovernanceServiceServicer_to_server(self, server)

    async def DetectPii(self, request, context):
        return DetectPiiResponse(findings=self._findings(request.texts))

    async def RedactPii(self, request, context):
        texts = [self._EMAIL.sub("<EMAIL>", text) for text in request.texts]
        return RedactPiiResponse(texts=texts, findings=self._findings(request.texts))

    def _findings(self, texts) -> list[PiiFinding]:
        return [
            PiiFinding(text_index=index, entity="EMAIL_ADDRESS", direct_identifier=True)
            for index, text in enumerate(texts)
            for _ in self._EMAIL.findall(text)
        ]
