"""Watermarks in what models write with licensed memory, where the terms ask for them, and their detection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.inference.domain.watermark import Evidence, evidence, least_z

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memporium_services.inference.app.registry import Registry
    from memporium_services.inference.domain.memory import Licence
    from memporium_services.inference.domain.values import ModelInfo

DUTY = "watermark-output"
_MOST_AGREEMENTS = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one agreement's mark."""

    agreement: str
    evidence: Evidence
    detected: bool


class Watermarks:
    """The use cases."""

    def __init__(self, registry: Registry, secret: Callable[[str], bytes]) -> None:
        """Mark with what `secret` derives from a label; the same for the same label, for ever."""
        self._registry = registry
        self._secret = secret

    def keys(self, licences: Iterable[Licence], info: ModelInfo) -> tuple[bytes, ...]:
        """Return the keys to mark with, one for each agreement whose terms ask for it.

        Raises:
            PlatformError: LICENCE_NOT_PERMITTED, where the model cannot mark what it writes.
        """
        asking = sorted({licence.agreement for licence in licences if DUTY in licence.duties})
        if asking and not info.vocabulary_size:
            raise PlatformError(
                Reason.LICENCE_NOT_PERMITTED,
                f"the terms of {asking[0]} ask for a watermark in what is written, and {info.name} can make none",
                metadata={"agreement": asking[0], "model": info.name},
            )
        return tuple(self._key(agreement) for agreement in asking)

    async def detect(self, parent: str, agreements: Sequence[str], text: str, model: str) -> list[Found]:
        """Return what a text shows of the marks of a provider's agreements, the clearest first.

        Raises:
            PlatformError: INVALID_FIELD; MODEL_UNAVAILABLE.
        """
        if len(agreements) > _MOST_AGREEMENTS:
            raise invalid("agreements", f"are {len(agreements)}; at most {_MOST_AGREEMENTS} in one call")
        if any(not agreement.startswith(f"{parent}/agreements/") for agreement in agreements):
            raise invalid("agreements", f"must be of {parent}")
        generator = self._registry.generator(model).generator
        await generator.load()
        ids = await generator.token_ids(text)
        names = list(dict.fromkeys(agreements))
        bar = least_z(len(names))
        vocabulary = generator.info.vocabulary_size
        found = [(name, evidence(self._key(name), ids, vocabulary)) for name in names]
        rows = [Found(name, one, one.z >= bar) for name, one in found]
        return sorted(rows, key=lambda row: -row.evidence.z)

    def _key(self, agreement: str) -> bytes:
        return self._secret(f"output watermark {agreement}")
