"""Takes bundles in: everything is verified first, then the cubes appear in the vault all at once."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from hashlib import sha256
from typing import TYPE_CHECKING

from memporium.common.v1.digest_pb2 import Digest
from memporium.vault.v1.vault_pb2 import Vault, VaultKind
from memporium_platform.audit import record_in
from memporium_platform.bundle.reading import read
from memporium_platform.bundle.steps import VerificationStep, rejected
from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason
from memporium_services.transfer.app.events import Imported, Passed
from memporium_services.transfer.app.intake import Intake, Job
from memporium_services.transfer.domain.bundles import Import
from memporium_services.transfer.ports.services import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from memporium.vault.v1.cubes_pb2 import Relation
    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.app.verification import Opening
    from memporium_services.transfer.ports.services import PiiScanner, Vaults
    from memporium_services.transfer.ports.store import ImportRows


# Below the calls in progress that a tenant may have, so that an import leaves room for others.
_RELATIONS_AT_ONCE = 32


class Importing:
    """Fills vaults from verified bundles."""

    def __init__(
        self,
        database: Database,
        rows: ImportRows,
        *,
        vaults: Vaults,
        scanner: PiiScanner,
        clock: Clock,
        scan: bool,
    ) -> None:
        """Wire the parts; with `scan`, personal data in what others made is looked for."""
        self._database, self._rows, self._vaults = database, rows, vaults
        self._scanner, self._clock, self._scan = scanner, clock, scan

    async def run(self, job: Job) -> AsyncIterator[Passed | Imported]:
        """Fill the vault; yield the last checks, then what was done.

        Raises:
            PlatformError: BUNDLE_REJECTED, FAILED_PRECONDITION for a vault that holds something else.
        """
        before = await self._database.read(lambda conn: self._rows.imported(conn, job.vault))
        vault = await self._vaults.find(job.vault)
        # A vault that was erased and made again is empty, whatever was once imported into one of its name.
        filled = vault is not None and bool(vault.usage.cubes or (before and not before.cube_count))
        if before is not None and filled and _same(before, job):
            mount = await self._mount(job)
            yield _done(before, mount)
            return
        self._check_target(job, vault, before)
        began = time.perf_counter()
        described = await self._described(job.opening)
        intake = Intake(job, self._scanner if self._scan and job.terms else None)
        if vault is None:
            await self._vaults.create(job.vault, _like(described, job), request_id=_request_id(job, "create"))
        blobs = await self._blobs(job)
        target = Target(
            name=job.vault,
            model=described.embedding_model,
            terms=job.terms,
            release=job.release,
            restore=job.terms is None,
            request_id=_request_id(job, "import"),
        )
        taken = await self._vaults.import_cubes(target, intake.batches())
        count = taken.cubes
        await self._relate(job, list(_as_kept(job, intake.relations, taken.kept_as)))
        detail = f"{intake.removed_characters} hidden characters removed"
        yield Passed(VerificationStep.CONTENT_SCAN, intake.scan_s, detail)
        mount = await self._mount(job)
        done = await self._record(job, cube_count=count, blob_count=blobs)
        yield Passed(VerificationStep.PUBLICATION, time.perf_counter() - began - intake.scan_s, f"{count} cubes")
        yield _done(done, mount, intake)

    def _check_target(self, job: Job, vault: Vault | None, before: Import | None) -> None:
        if vault is None:
            return
        if job.terms is None:
            fits = vault.usage.cubes == 0
        else:
            # A pack vault takes the next release of its agreement, and an empty one that a crash has left.
            fits = vault.licence.agreement == job.terms.name and (before is None or before.agreement == job.terms.name)
        if not fits:
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                f"{job.vault} holds other memory",
                metadata={"resource": job.vault, "state": "in use"},
            )

    async def _described(self, opening: Opening) -> Vault:
        """Return the vault that was sealed: the first record."""
        async with aclosing(opening.stream(0)) as contents:
            async for content in contents:
                first = next(read(content), None)
                if first is not None and first.HasField("vault"):
                    return first.vault
                break
        raise rejected(VerificationStep.FORMAT, "the first record is no vault")

    async def _blobs(self, job: Job) -> int:
        opening = job.opening
        files = [
            (Digest(sha256=blob, size_bytes=opening.content_bytes[n]), n, False) for n, blob in opening.files.items()
        ]
        files += [
            (Digest(sha256=blob, size_bytes=opening.part_bytes[n]), n, True) for n, blob in opening.part_files.items()
        ]
        for blob, index, of_part in files:
            if await self._vaults.missing(job.vault, blob):
                data = opening.part_stream(index) if of_part else opening.stream(index)
                await self._vaults.upload(job.vault, blob, data, request_id=_request_id(job, blob.sha256))
        return len(files)

    async def _relate(self, job: Job, relations: Sequence[Relation]) -> None:
        """Make relations, some at once: the vault commits together what comes together."""
        for start in range(0, len(relations), _RELATIONS_AT_ONCE):
            some = enumerate(relations[start : start + _RELATIONS_AT_ONCE], start)
            calls = (
                self._vaults.relate(job.vault, relation, request_id=_request_id(job, f"relation {number}"))
                for number, relation in some
            )
            for failure in await asyncio.gather(*calls, return_exceptions=True):
                if failure is not None:
                    raise failure

    async def _mount(self, job: Job) -> str:
        if not job.mount_into:
            return ""
        return await self._vaults.mount(job.mount_into, job.vault, request_id=_request_id(job, job.mount_into))

    async def _record(self, job: Job, *, cube_count: int, blob_count: int) -> Import:
        now = self._clock.now()
        done = Import(
            vault=job.vault,
            bundle=job.bundle.name,
            manifest_sha256=job.opening.manifest_sha256,
            agreement=job.terms.name if job.terms else "",
            version=job.opening.manifest.version,
            number=job.opening.manifest.number,
            cube_count=cube_count,
            blob_count=blob_count,
            import_time=now,
        )
        call = current_call()
        details = {
            "bundle": done.bundle,
            "vault": done.vault,
            "manifest": done.manifest_sha256,
            "agreement": done.agreement,
            "terms_digest": job.terms.sha256 if job.terms else "",
        }

        def commit(conn: Connection) -> None:
            self._rows.record(conn, done)
            record_in(conn, call, details=details, now=now)

        await self._database.write(commit)
        return done


def _as_kept(job: Job, relations: Sequence[Relation], kept_as: Mapping[str, str]) -> Iterator[Relation]:
    """Yield relations between cubes as the vault keeps them; of one cube with itself there is none."""
    prefix = f"{job.vault}/cubes/"
    for relation in relations:
        for end in ("source", "target"):
            asked_id = getattr(relation, end).removeprefix(prefix)
            if asked_id in kept_as:
                setattr(relation, end, prefix + kept_as[asked_id])
        if relation.source != relation.target:
            yield relation


def _same(before: Import, job: Job) -> bool:
    agreement = job.terms.name if job.terms else ""
    return before.manifest_sha256 == job.opening.manifest_sha256 and before.agreement == agreement


def _like(described: Vault, job: Job) -> Vault:
    """Return the vault to make."""
    if job.terms is None:
        model = Vault()
        model.CopyFrom(described)
        return model
    model = Vault(
        display_name=described.display_name,
        description=described.description,
        kind=VaultKind.VAULT_KIND_INDUSTRY_SHARED,
        read_only=True,
        embedding_model=described.embedding_model,
    )
    model.licence.agreement = job.terms.name
    model.licence.terms_sha256 = job.terms.sha256
    model.licence.release = job.release
    model.licence.attribution = job.terms.attribution
    return model


def _request_id(job: Job, what: str) -> str:
    """Return the id of a request to another service: the same whenever this import is tried again."""
    parts = (
        job.vault,
        job.opening.manifest_sha256,
        job.terms.name if job.terms else "",
        what,
        current_call().request_id,
    )
    digest = sha256("\n".join(parts).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"


def _done(done: Import, mount: str, intake: Intake | None = None) -> Imported:
    return Imported(
        bundle=done.bundle,
        vault=done.vault,
        version=done.version,
        cube_count=done.cube_count,
        blob_count=done.blob_count,
        mount=mount,
        removed_characters=intake.removed_characters if intake else 0,
        findings=dict(intake.findings) if intake else {},
        already_imported=intake is None,
    )
