"""How far sources are trusted: by source, else by role or kind, as the vault's policy or the defaults say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SPEAKER, DOCUMENT, WEB, PACK, OTHER = "speaker", "document", "web", "pack", "other"
# A person's own words before papers, papers before a model's words, those before what tools and strangers say.
DEFAULTS: Mapping[str, float] = {
    "user": 0.9,
    "human": 0.9,
    SPEAKER: 0.9,
    "system": 0.9,
    DOCUMENT: 0.7,
    "assistant": 0.6,
    "tool": 0.5,
    PACK: 0.5,
    OTHER: 0.5,
    WEB: 0.4,
}
# Numbers of memporium.cube.v1.Origin.
_USER_INPUT, _EXTRACTION, _RETRIEVAL, _MERGE = 1, 2, 3, 6


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """What a vault sets instead of the defaults; see `memporium.vault.v1.TrustPolicy`."""

    roles: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, float] = field(default_factory=dict)

    def of_role(self, role: str) -> float:
        """Return the trust in a role or kind of source."""
        for table in (self.roles, DEFAULTS):
            if role in table:
                return table[role]
        return self.roles.get(OTHER, DEFAULTS[OTHER])

    def of_source(self, source: str) -> float | None:
        """Return the trust in one source; of several beginnings the longest counts. None: not set."""
        if source in self.sources:
            return self.sources[source]
        fits = [name for name in self.sources if name.endswith("*") and source.startswith(name[:-1])]
        return self.sources[max(fits, key=len)] if fits else None


def trust_in(policy: TrustPolicy, *, given: float | None, role: str, source: str, origin: int, foreign: bool) -> float:
    """Return the trust in a statement, 0 to 1.

    Args:
        policy: The vault's, of who asks.
        given: What was told when it was remembered; None: nothing.
        role: Role of the speaker, or `document`, `speaker`; "": not told.
        source: The session, file or URL.
        origin: Number of `memporium.cube.v1.Origin`.
        foreign: It came from another organisation: then it has at most the trust in packs, unless the policy names the
            very source.
    """
    named = policy.of_source(source)
    if named is not None:
        return named
    trust = given if given is not None else policy.of_role(role or _kind(source, origin))
    return min(trust, policy.of_role(PACK)) if foreign else trust


def _kind(source: str, origin: int) -> str:
    if source.startswith(("http://", "https://")):
        return WEB
    kinds = {_USER_INPUT: "user", _EXTRACTION: "assistant", _RETRIEVAL: DOCUMENT, _MERGE: SPEAKER}
    return kinds.get(origin, OTHER)
