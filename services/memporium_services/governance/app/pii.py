"""Detection and redaction of personal data, on a thread of their own."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from memporium_platform.errors import invalid
from memporium_services.governance.domain.pii import PiiRules, redact, relevant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memporium_services.governance.domain.pii import EntityRule, Finding, Mode
    from memporium_services.governance.ports import PiiDetector

MAX_TEXTS = 1000
MAX_CHARS = 2 << 20
# Texts of which it is remembered what was found, by a keyed digest: some 15 MB. The same texts come when a release is
# sealed and whenever somebody takes it in.
_REMEMBERED = 32_768
# Characters that are looked at in one go, so that a big request of one caller does not hold up all others.
_AT_ONCE = 8192


class Pii:
    """What can be done about personal data."""

    def __init__(self, detector: PiiDetector, rules: PiiRules, *, secret: bytes) -> None:
        """Keep the detector, the rules, and the secret from which each organisation's pseudonyms are made."""
        self._detector = detector
        self._rules = rules
        self._secret = secret
        self._known: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()
        self._digest_key = os.urandom(32)
        # One thread: the recognisers are pure Python, so more would only wait for each other.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pii")

    @property
    def rules(self) -> PiiRules:
        """The kinds that are looked for."""
        return self._rules

    async def detect(
        self, texts: Sequence[str], *, entities: Sequence[str], min_score: float, language: str, org: str = ""
    ) -> list[list[Finding]]:
        """Return the findings in each text; what is remembered of texts is each organisation's own.

        Were it not, the time that a text takes would tell whether others have it.

        Raises:
            PlatformError: INVALID_FIELD.
        """
        rules = self._chosen(texts, entities, min_score, language)
        wanted = tuple(rules.entities)
        loop = asyncio.get_running_loop()
        keys = [self._key(text, wanted, org) for text in texts]
        raw = [self._known.get(key) for key in keys]
        for some in _groups([(index, texts[index]) for index, known in enumerate(raw) if known is None]):
            for index, findings in await loop.run_in_executor(self._thread, self._look, some, wanted):
                raw[index] = self._known[keys[index]] = findings
        for key in keys:
            if key in self._known:
                self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return [relevant(one or (), rules, min_score=min_score) for one in raw]

    def _key(self, text: str, entities: Sequence[str], org: str) -> bytes:
        digest = hashlib.blake2b("\0".join((org, *entities)).encode(), key=self._digest_key, digest_size=16)
        digest.update(b"\0" + text.encode("utf-8", "surrogatepass"))
        return digest.digest()

    def _look(self, texts: Sequence[tuple[int, str]], entities: Sequence[str]) -> list[tuple[int, tuple[Finding, ...]]]:
        return [(index, tuple(self._detector.detect(text, entities))) for index, text in texts]

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


def _groups(texts: Sequence[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Yield texts in groups of some thousand characters; a longer one is a group of its own."""
    group: list[tuple[int, str]] = []
    size = 0
    for index, text in texts:
        if group and size + len(text) > _AT_ONCE:
            yield group
            group, size = [], 0
        group.append((index, text))
        size += len(text)
    if group:
        yield group
