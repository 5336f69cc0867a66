"""Detection and redaction of personal data, on a thread of their own."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from memporium_platform.errors import invalid
from memporium_services.governance.domain.pii import PiiRules, redact, relevant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.governance.domain.pii import EntityRule, Finding, Mode
    from memporium_services.governance.ports import PiiDetector

MAX_TEXTS = 1000
MAX_CHARS = 2 << 20


class Pii:
    """What can be done about personal data."""

    def __init__(self, detector: PiiDetector, rules: PiiRules, *, secret: bytes) -> None:
        """Keep the detector, the rules, and the secret from which each organisation's pseudonyms are made."""
        self._detector = detector
        self._rules = rules
        self._secret = secret
        # One thread: the recognisers are pure Python, so more would only wait for each other.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pii")

    @property
    def rules(self) -> PiiRules:
        """The kinds that are looked for."""
        return self._rules

    async def detect(
        self, texts: Sequence[str], *, entities: Sequence[str], min_score: float, language: str
    ) -> list[list[Finding]]:
        """Return the findings in each text.

        Raises:
            PlatformError: INVALID_FIELD.
        """
        rules = self._chosen(texts, entities, min_score, language)
        wanted = tuple(rules.entities)
        loop = asyncio.get_running_loop()
        found: list[list[Finding]] = []
        for text in texts:
            # One text at a time, so that a big request of one caller does not hold up all others.
            raw = await loop.run_in_executor(self._thread, self._detector.detect, text, wanted)
            found.append(relevant(raw, rules, min_score=min_score))
        return found

    def redact(self, texts: Sequence[str], found: Sequence[Sequence[Finding]], mode: Mode, *, org: str) -> list[str]:
        """Return the texts without what was found; pseudonyms are the organisation's own."""
        key = hashlib.sha256(self._secret + org.encode()).digest()
        return [redact(text, findings, mode, key=key) for text, findings in zip(texts, found, strict=True)]

    async def stop(self) -> None:
        """End the thread."""
        await asyncio.to_thread(self._thread.shutdown)

    def _chosen(self, texts: Sequence[str], entities: Sequence[str], min_score: float, language: str) -> PiiRules:
        if len(texts) > MAX_TEXTS or sum(len(text) for text in texts) > MAX_CHARS:
            raise invalid("texts", f"must be at most {MAX_TEXTS} and {MAX_CHARS} characters together")
        if not 0 <= min_score <= 1:
            raise invalid("min_score", "must be 0 to 1")
        if language not in ("", "en"):
            raise invalid("language", "must be en")
        known = self._rules.entities
        unknown = [entity for entity in entities if entity not in known]
        if unknown:
            raise invalid("entities", f"must be of {', '.join(sorted(known))}")
        chosen: dict[str, EntityRule] = {entity: known[entity] for entity in entities or known}
        return PiiRules(chosen)
