"""Uses of memories as they happen, for traces: which memory, when, how large, what it saves; nothing that it says.

Each organisation's uses are kept apart, within a bound. Who used which memory is told by pseudonyms that stay the same;
names of memories are known for the uses of this process alone, for what outlives it names none (`tier_journal`).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from datetime import timedelta
from typing import TYPE_CHECKING

from memporium_services.inference.domain.memory import Form
from memporium_services.inference.domain.recorded_uses import RecordedUse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from memporium_services.inference.domain.memory import UsedMemory

# Until a model was seen to read a prompt: the order of a small model on one core.
_SECONDS_A_TOKEN = 2.5e-3
# Until a KV memory of a model was seen: those of a small model, 16 bits a number.
_BYTES_A_TOKEN = 23_040.0
_CHARACTERS_A_TOKEN = 4
# A prompt that is shorter says more of the call's fixed cost than of its tokens.
_LEAST_TOKENS = 16
# The least by which one use comes after another.
_MOMENT = timedelta(microseconds=1)
# How much the newest measurement counts.
_NEWEST = 0.2


class TierUses:
    """The uses of all organisations."""

    def __init__(self, secret: bytes, *, most_a_tenant: int = 20_000, most_tenants: int = 200) -> None:
        """Keep at most so many uses, of the organisations that used memories last.

        Args:
            secret: Makes pseudonyms; from 16 to 64 random bytes.
            most_a_tenant: Uses of one organisation that are kept, the newest.
            most_tenants: Organisations whose uses are kept.
        """
        self._secret, self._most, self._most_tenants = secret, most_a_tenant, most_tenants
        self._uses: OrderedDict[str, deque[RecordedUse]] = OrderedDict()
        self._counts: dict[str, int] = {}
        self._past: set[str] = set()
        self._new: dict[str, deque[RecordedUse]] = {}
        self._seconds: dict[str, float] = {}
        self._bytes: dict[str, float] = {}

    def measured(self, model: str, tokens: int, seconds: float) -> None:
        """Take note of how long a model took to read so many tokens of a prompt."""
        if tokens >= _LEAST_TOKENS and seconds > 0.0:
            before = self._seconds.get(model, seconds / tokens)
            self._seconds[model] = (1.0 - _NEWEST) * before + _NEWEST * seconds / tokens

    def agent(self, principal: str) -> str:
        """Return the pseudonym of a principal."""
        return self._pseudonym(principal)

    def _pseudonym(self, principal: str) -> str:
        return hashlib.blake2b(principal.encode(), key=self._secret, digest_size=8).hexdigest()

    def record(self, tenant: str, agent: str, memories: Iterable[UsedMemory], *, model: str, now: datetime) -> None:
        """Take note of a use of each memory."""
        kept = self._uses.setdefault(tenant, deque(maxlen=self._most))
        self._uses.move_to_end(tenant)
        new = self._new.setdefault(tenant, deque(maxlen=self._most))
        if kept and now < kept[-1].at:
            # The clock was set back. Uses stay in the order in which they were, and no two at one time become one.
            now = kept[-1].at + _MOMENT
        for memory in memories:
            use = self._use(agent, memory, model, now)
            kept.append(use)
            new.append(use)
            self._counts[tenant] = self._counts.get(tenant, 0) + 1
        if len(self._uses) > self._most_tenants:
            gone, _ = self._uses.popitem(last=False)
            self._counts.pop(gone, None)
            self._past.discard(gone)

    def take(self) -> dict[str, list[RecordedUse]]:
        """Return, by organisation, the uses that were recorded since this was last asked."""
        taken = {tenant: list(uses) for tenant, uses in self._new.items() if uses}
        self._new.clear()
        return taken

    def knows_the_past(self, tenant: str) -> bool:
        """Say whether uses of an organisation from before this process were brought back."""
        return tenant in self._past

    def restore(self, tenant: str, uses: Iterable[RecordedUse]) -> None:
        """Take in uses of an organisation that were kept, some of which may be known, in order of time."""
        kept = self._uses.get(tenant, deque())
        known = {(one.at, one.key, one.agent) for one in kept}
        older = [one for one in uses if (one.at, one.key, one.agent) not in known]
        self._past.add(tenant)
        if older:
            self._uses[tenant] = deque(sorted([*older, *kept], key=lambda one: one.at), maxlen=self._most)
            self._counts[tenant] = self._counts.get(tenant, 0) + len(older)

    def count(self, tenant: str) -> int:
        """Return how many uses of an organisation are kept."""
        return len(self._uses.get(tenant, ()))

    def read(self, tenant: str, most: int = 0) -> tuple[list[RecordedUse], int]:
        """Return the newest uses of an organisation, oldest first (0: all), and how many there were before them."""
        kept = list(self._uses.get(tenant, ()))
        if most:
            kept = kept[-most:]
        return kept, self._counts.get(tenant, 0) - len(kept)

    def saved_s(self, memory: UsedMemory, model: str) -> float:
        """Return the seconds of prefill that a memory saves, or would save, as KV."""
        return self._tokens(memory) * self._seconds.get(model, _SECONDS_A_TOKEN)

    def _use(self, agent: str, memory: UsedMemory, model: str, now: datetime) -> RecordedUse:
        tokens = self._tokens(memory)
        if memory.blob is not None:
            size_bytes = memory.blob.size_bytes
            if tokens:
                self._bytes[model] = size_bytes / tokens
        else:
            size_bytes = int(tokens * self._bytes.get(model, _BYTES_A_TOKEN))
        saved_s, key = self.saved_s(memory, model), self._pseudonym(memory.name)
        return RecordedUse(now, memory.name, memory.form, size_bytes, saved_s, agent, key)

    @staticmethod
    def _tokens(memory: UsedMemory) -> int:
        """Return the tokens that need not be read; an adapter stands for none that could be counted."""
        if memory.activation is not None:
            return memory.activation.token_count
        return -(-len(memory.text) // _CHARACTERS_A_TOKEN) if memory.form is Form.PLAINTEXT else 0
