"""One recipient's copy of texts: every slot in the variant that its code says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.tracing.code import biases, bits
from memporium_platform.tracing.slots import marked, slots_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memporium_platform.tracing.code import Profile
    from memporium_platform.tracing.keys import RecipientKey, TracingSecret


class CopyOfTexts:
    """Marks texts for one recipient."""

    def __init__(self, secret: TracingSecret, key: RecipientKey, profile: Profile) -> None:
        """Mark by a line's secret, the recipient's key, and the line's profile."""
        self._secret, self._key, self._profile = secret, key, profile
        self._variants: dict[str, int] = {}

    def mark(self, text: str) -> str:
        """Return a text with this copy's marks."""
        slots = slots_of(text)[1]
        self._learn(slot.context for slot in slots)
        return marked(text, slots, self._variants.__getitem__)

    def _learn(self, contexts: Iterable[str]) -> None:
        new = [context for context in dict.fromkeys(contexts) if context not in self._variants]
        if new:
            ids = self._secret.slot_ids(new)
            drawn = bits(self._key, ids, biases(self._secret, ids, self._profile))
            self._variants.update(zip(new, map(int, drawn), strict=True))
