"""Lists what memory claims of a subject, or in a cube."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium_platform.errors import invalid
from memporium_services.reader.app.contradicting import Times, before
from memporium_services.reader.domain.claim_words import attribute_of, subject_of
from memporium_services.reader.ports import Conditions
from memporium_services.reader.ports_claims import MOST_CUBES

if TYPE_CHECKING:
    from memporium_services.reader.app.contradicting import Contradicting
    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.contradiction import Standing
    from memporium_services.reader.ports_claims import ClaimSource

_MOST_CHARS = 256


@dataclass(frozen=True, slots=True)
class Sought:
    """Whose claims are asked for: a cube's, or those on a subject and maybe one attribute of it."""

    parent: str
    cube: str = ""
    subject: str = ""
    attribute: str = ""
    times: Times = field(default_factory=Times)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim with the statement that makes it."""

    told: Candidate
    standing: Standing


@dataclass(frozen=True, slots=True)
class Listed:
    """Claims; `cut`: more cubes hold some than were looked at."""

    claims: tuple[Claimed, ...]
    cut: bool


class Claiming:
    """Lists claims."""

    def __init__(self, source: ClaimSource, contradicting: Contradicting) -> None:
        """Look claims up in the vault."""
        self._source, self._contradicting = source, contradicting

    async def claims(self, sought: Sought) -> Listed:
        """Return what is claimed, by subject and attribute, the newest first.

        Raises:
            PlatformError: INVALID_FIELD, and what the vault raises.
        """
        if bool(sought.cube) == bool(sought.subject.strip()):
            raise invalid("subject", "give either a cube or a subject")
        if max(len(sought.subject), len(sought.attribute)) > _MOST_CHARS:
            raise invalid("subject", f"and attribute have at most {_MOST_CHARS} characters each")
        if sought.cube and not sought.cube.startswith(f"{sought.parent}/cubes/"):
            raise invalid("cube", "must lie in the vault")
        keys = await self._keys(sought)
        if not keys:
            return Listed((), cut=False)
        pool = [one for one in await self._look(sought, keys) if before(one, sought.times.known)]
        whole = list(dict.fromkeys(claim.key for one in pool for claim in one.claims if _wanted(claim.key, keys)))
        judged = await self._contradicting.judge(sought.parent, pool, whole, times=sought.times)
        found = [
            Claimed(pool[index], standing)
            for index, some in judged.items()
            for standing in some
            if not sought.cube or pool[index].cube == sought.cube
        ]
        found.sort(key=lambda one: one.standing.statement.age, reverse=True)
        found.sort(key=lambda one: one.standing.statement.claim.key)
        return Listed(tuple(found), cut=len({one.cube for one in pool}) >= MOST_CUBES)

    async def _keys(self, sought: Sought) -> list[str]:
        if not sought.cube:
            subject, attribute = subject_of(sought.subject), attribute_of(sought.attribute)
            return [f"{subject}/{attribute}" if attribute else subject]
        own = await self._look(sought, (), cube=sought.cube)
        return list(dict.fromkeys(claim.key for one in own for claim in one.claims))

    async def _look(self, sought: Sought, keys: list[str] | tuple[()], *, cube: str = "") -> list[Candidate]:
        return await self._source.claimed(
            sought.parent, keys, conditions=Conditions(), include_mounts=not cube, cube=cube
        )


def _wanted(key: str, keys: list[str]) -> bool:
    """Say whether a claim is on one of the keys: subjects, or subjects with attribute."""
    return key in keys or any(key.startswith(f"{one}/") for one in keys)
