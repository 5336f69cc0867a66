"""Cubes of a bundle on their way into a vault: renamed, cleaned and looked at, in batches."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.bundle.reading import read
from memporium_services.transfer.app import records
from memporium_services.transfer.app.screening import PiiProfile, Screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium.vault.v1.cubes_pb2 import PortableCube, Relation
    from memporium_services.transfer.app.verification import Opening
    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.ports.services import PiiScanner, Terms

# Cubes of one message to the vault: at most so many, of at most so many bytes together.
_BATCH_CUBES = 500
_BATCH_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One import.

    Attributes:
        bundle: The bundle.
        opening: Its verification, whose documents were verified.
        vault: The vault to fill.
        terms: The agreement; None for an own dump.
        release: The release; "" for an own dump.
        mount_into: Vault to mount the filled one into; "": none.
    """

    bundle: Bundle
    opening: Opening
    vault: str
    terms: Terms | None = None
    release: str = ""
    mount_into: str = ""


class Intake:
    """The cubes of one import, in order; what they bring beside themselves is known at the end.

    Attributes:
        removed_characters: Hidden characters that were removed.
        relations: Relations between the cubes, under their new names.
        scan_s: Seconds that looking at the content took.
    """

    def __init__(self, job: Job, scanner: PiiScanner | None) -> None:
        """Read the job's bundle; with a scanner, personal data is looked for."""
        self._job = job
        self._screen = Screen(scanner, PiiProfile.REPORT) if scanner else None
        self.removed_characters = 0
        self.relations: list[Relation] = []
        self.scan_s = 0.0

    @property
    def findings(self) -> Counter[str]:
        """Personal data found, by kind."""
        return self._screen.findings if self._screen else Counter()

    async def batches(self) -> AsyncIterator[list[PortableCube]]:
        """Yield the cubes as the vault takes them in."""
        batch: list[PortableCube] = []
        size = 0
        old = ""
        async for content in self._contents():
            for parsed in read(content):
                if parsed.HasField("vault"):
                    old = parsed.vault.name
                elif parsed.HasField("relation"):
                    self.relations.append(self._moved(parsed.relation, old))
                else:
                    length = parsed.cube.ByteSize()
                    if batch and (len(batch) >= _BATCH_CUBES or size + length > _BATCH_BYTES):
                        yield await self._scanned(batch)
                        batch, size = [], 0
                    self._take_in(parsed.cube, old)
                    batch.append(parsed.cube)
                    size += length
        if batch:
            yield await self._scanned(batch)

    async def _contents(self) -> AsyncIterator[bytes | memoryview]:
        """Yield the records that all recipients share, then those of the recipient's own part."""
        async for content in self._job.opening.stream(0):
            yield content
        if self._job.opening.part is not None:
            async for content in self._job.opening.part_stream(0):
                yield content

    def _take_in(self, portable: PortableCube, old: str) -> None:
        began = time.perf_counter()
        if self._job.terms is not None:
            self.removed_characters += records.strip_hidden(portable)
        # What is loaded from a dump goes with its original; what others say of themselves counts for nothing.
        own = self._job.terms is None and old not in {"", self._job.vault}
        portable.copied_from = portable.cube.name if own else ""
        records.moved(portable.cube, old=old or portable.cube.name.rsplit("/cubes/", 1)[0], new=self._job.vault)
        self.scan_s += time.perf_counter() - began

    def _moved(self, relation: Relation, old: str) -> Relation:
        for field in ("source", "target"):
            name = getattr(relation, field)
            setattr(relation, field, f"{self._job.vault}/{name.removeprefix(f'{old}/')}")
        relation.ClearField("name")
        return relation

    async def _scanned(self, batch: list[PortableCube]) -> list[PortableCube]:
        if self._screen is not None:
            began = time.perf_counter()
            await self._screen.pass_on(batch)
            self.scan_s += time.perf_counter() - began
        return batch
