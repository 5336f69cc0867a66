"""Personal data in cubes that are about to be published: refused, masked or let through."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason
from memporium_services.transfer.app.records import texts_of, with_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memporium.vault.v1.cubes_pb2 import PortableCube
    from memporium_services.transfer.ports.services import Finding, PiiScanner

# Limits of one call to the detector, with room for the rest of the message.
_TEXTS = 1000
_BYTES = 1_500_000
# Cubes named in a refusal.
_NAMED = 10


class PiiProfile(StrEnum):
    """What to do about personal data."""

    REFUSE = "REFUSE"
    REDACT = "REDACT"
    ALLOW = "ALLOW"
    # Count what is found and let it through: for what others have made.
    REPORT = "REPORT"


class Screen:
    """Looks at every cube of one release."""

    def __init__(self, scanner: PiiScanner, profile: PiiProfile) -> None:
        """Begin a release."""
        self._scanner, self._profile = scanner, profile
        self._masked: set[str] = set()
        self.findings: Counter[str] = Counter()

    async def pass_on(self, cubes: list[PortableCube]) -> None:
        """Change the cubes to what may be published.

        Raises:
            PlatformError: PII_UNMASKED, where the profile refuses what was found.
        """
        if self._profile is PiiProfile.ALLOW:
            return
        for group in _groups(cubes):
            await self._group(group)

    def check_tensors(self, sources: Iterable[str]) -> None:
        """Demand that no tensor file was made from a text that is masked here: the file still holds it.

        Raises:
            PlatformError: PII_UNMASKED, where one was.
        """
        unmasked = sorted(self._masked & set(sources))
        if unmasked:
            raise _refusal(self.findings, unmasked)

    async def _group(self, cubes: list[PortableCube]) -> None:
        texts = [list(texts_of(portable)) for portable in cubes]
        if self._profile is not PiiProfile.REDACT:
            await self._look(cubes, [_widest(own) for own in texts])
            return
        flat = [text for own in texts for text in own]
        if not flat:
            return
        masked, found = await self._scanner.redact(flat)
        self._count(found)
        left = iter(masked)
        for portable, own in zip(cubes, texts, strict=True):
            name = portable.cube.name
            if with_texts(portable, [next(left) for _ in own]):
                self._masked.add(name)

    async def _look(self, cubes: list[PortableCube], texts: list[list[str]]) -> None:
        flat = [text for own in texts for text in own]
        if not flat:
            return
        owner = [index for index, own in enumerate(texts) for _ in own]
        found = await self._scanner.detect(flat)
        self._count(found)
        if self._profile is PiiProfile.REPORT:
            return
        named = sorted({cubes[owner[finding.text_index]].cube.name for finding in found if finding.direct})
        if named:
            raise _refusal(Counter(finding.entity for finding in found if finding.direct), named)

    def _count(self, found: list[Finding]) -> None:
        self.findings.update(finding.entity for finding in found)


def _widest(texts: Sequence[str]) -> list[str]:
    """Return the texts that no other holds: a passage and its context repeat what the document says."""
    kept: list[str] = []
    seen = ""
    for text in sorted(texts, key=len, reverse=True):
        words = f" {' '.join(text.split())} "
        if words not in seen:
            kept.append(text)
            seen = f"{seen}\x00{words}"
    return kept


def _groups(cubes: list[PortableCube]) -> Iterator[list[PortableCube]]:
    """Yield cubes in groups that one call to the detector can take."""
    group: list[PortableCube] = []
    texts = size = 0
    for portable in cubes:
        own = [len(text.encode()) for text in texts_of(portable)]
        if group and (texts + len(own) > _TEXTS or size + sum(own) > _BYTES):
            yield group
            group, texts, size = [], 0, 0
        group.append(portable)
        texts, size = texts + len(own), size + sum(own)
    if group:
        yield group


def _refusal(findings: Counter[str], cubes: list[str]) -> PlatformError:
    entities = ", ".join(sorted(findings))
    return PlatformError(
        Reason.PII_UNMASKED,
        f"personal data ({entities}) would be published unmasked, in {len(cubes)} cubes",
        metadata={"entities": entities, "cubes": ",".join(cubes[:_NAMED])},
    )
