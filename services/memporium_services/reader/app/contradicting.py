"""Tells which of the recalled statements hold, brings in what takes their place, and says so."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.errors import PlatformError, Reason
from memporium_services.reader.domain.aliases import aliases, other_keys
from memporium_services.reader.domain.caution import Told, cautious, may_be_first, newness, tells_other
from memporium_services.reader.domain.claim_words import normal, subject_of
from memporium_services.reader.domain.contradiction import Statement, standings
from memporium_services.reader.domain.trust import SPEAKER, TrustPolicy, trust_in

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.contradiction import Standing
    from memporium_services.reader.domain.ranking import Ranked
    from memporium_services.reader.ports import Conditions
    from memporium_services.reader.ports_claims import ClaimSource

# Statements beyond those asked for whose claims are looked at: long ones make place for them.
_MORE = 4
# Statements on the asked claim that come before all else; a flood of them must not crowd out the rest.
_MOST_FIRST = 3
# Claims that one recollection looks up.
_MOST_KEYS = 64
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
_MAY_LACK = frozenset({Reason.PERMISSION_DENIED, Reason.NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Times:
    """As of when: `known` is what was said before, `true` what held then; None: now."""

    known: datetime | None = None
    true: datetime | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """Candidates with their standings.

    Attributes:
        candidates: All, with those that were brought in at the end.
        ranked: Their scores; `order` is the ranking's own.
        order: Indices, best first, what holds before what does not.
        standings: Of each candidate that claims something.
    """

    candidates: tuple[Candidate, ...]
    ranked: Ranked
    order: tuple[int, ...]
    standings: Mapping[int, tuple[Standing, ...]] = field(default_factory=dict)


class Contradicting:
    """Tells what holds."""

    def __init__(self, source: ClaimSource) -> None:
        """Look claims up in the vault."""
        self._source = source

    async def settle(
        self,
        parent: str,
        candidates: Sequence[Candidate],
        ranked: Ranked,
        order: Sequence[int],
        *,
        limit: int,
        conditions: Conditions,
        include_mounts: bool,
        times: Times,
        asked: Sequence[str] = (),
    ) -> Settled:
        """Return the candidates with their standings, and in an order in which what holds comes first.

        What holds of the claims that the question asks for, `asked` (`ada/home`), comes before all else.

        Raises:
            PlatformError: What the vault raises.
        """
        pool, told = list(candidates), list(order)
        if times.true is not None:
            told = [index for index in told if _began(pool[index], times.true)]
        looked = told[: limit + _MORE]
        found = (claim.key for index in looked for claim in pool[index].claims)
        keys = list(dict.fromkeys([*asked, *found]))
        longer = aliases(_names(pool, keys))
        keys = list(dict.fromkeys(one for key in keys for one in (key, *other_keys(key, longer))))[:_MOST_KEYS]
        if not keys:
            return Settled(tuple(pool), ranked, tuple(told))
        known = {one.key for one in pool}
        rivals = await self._rivals(parent, keys, conditions=conditions, include_mounts=include_mounts)
        pool += [one for one in rivals if one.key not in known and before(one, times.known)]
        judged = await self.judge(parent, pool, keys, times=times, longer=aliases(_names(pool, keys)))
        told = _arranged(told, looked, judged, {one.key: index for index, one in enumerate(pool)})
        wanted = {key for one in asked for key in (one, *other_keys(one, longer))}
        ranked = _extended(ranked, pool)
        about = await self._about(parent, pool, ranked, told[:limit], judged, wanted) if wanted else {}
        told = _first(cautious(told, about), judged, wanted, ranked, about)
        return Settled(tuple(pool), ranked, tuple(told), judged)

    async def _about(
        self,
        parent: str,
        pool: Sequence[Candidate],
        ranked: Ranked,
        best: Sequence[int],
        judged: Mapping[int, Sequence[Standing]],
        wanted: Collection[str],
    ) -> dict[int, Told]:
        """Return the best statements about the asked subjects that make no claim which is asked for."""
        claimed = {index for index, some in judged.items() if any(one.statement.claim.key in wanted for one in some)}
        names = {key.partition("/")[0] for key in wanted}
        found = [
            index
            for index in best
            if index not in claimed and _concerns(pool[index], names) and not tells_other(pool[index], wanted)
        ]
        sources = {(one.role, one.trust, one.origin, bool(one.agreement)) for one in map(pool.__getitem__, found)}
        policy = await self._source.policy(parent) if len(sources) > 1 else TrustPolicy()
        new = newness({index: said(pool[index]).timestamp() for index in found})
        return {index: Told(float(ranked.scores[index]), trust_of(pool[index], policy), new[index]) for index in found}

    async def judge(
        self,
        parent: str,
        pool: Sequence[Candidate],
        keys: Sequence[str],
        *,
        times: Times,
        longer: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[int, tuple[Standing, ...]]:
        """Return what became of the claims on `keys`, by the place of their statement in the pool.

        `longer` names subjects that other names mean, too; their claims are judged together.

        Raises:
            PlatformError: What the vault raises.
        """
        wanted = set(keys)
        made = [
            (index, replace(claim, subject=longer.get(claim.subject, claim.subject)))
            for index, one in enumerate(pool)
            for claim in one.claims
            if claim.key in wanted and (times.true is None or _since(one, claim.start) <= times.true)
        ]
        values: dict[str, set[tuple[str, bool]]] = {}
        for _, claim in made:
            values.setdefault(claim.key, set()).add((normal(claim.value), claim.ended))
        contested = any(len(some) > 1 for some in values.values())
        policy = await self._source.policy(parent) if contested else TrustPolicy()
        statements = [
            Statement(
                cube=pool[index].cube,
                unit=pool[index].ordinal,
                claim=claim,
                trust=trust_of(pool[index], policy),
                since=_since(pool[index], claim.start),
                known=said(pool[index]),
                made=pool[index].made or _LONG_AGO,
            )
            for index, claim in made
        ]
        found: dict[int, tuple[Standing, ...]] = {}
        for (index, _), standing in zip(made, standings(statements), strict=True):
            found[index] = (*found.get(index, ()), standing)
        return found

    async def _rivals(
        self, parent: str, keys: Sequence[str], *, conditions: Conditions, include_mounts: bool
    ) -> list[Candidate]:
        try:
            return await self._source.claimed(parent, keys, conditions=conditions, include_mounts=include_mounts)
        except PlatformError as error:
            # The vault answered the search; what it gives no more since then is no rival.
            if error.reason in _MAY_LACK or error.reason.name.startswith("LICENCE"):
                return []
            raise


def _names(pool: Sequence[Candidate], keys: Sequence[str]) -> Iterator[str]:
    """Yield the names of those that are spoken of, and of those who speak."""
    yield from (key.partition("/")[0] for key in keys)
    yield from (subject_of(one.speaker) for one in pool if one.speaker)
    yield from (claim.subject for one in pool for claim in one.claims)


def trust_of(one: Candidate, policy: TrustPolicy) -> float:
    """Return the trust in a statement's source."""
    role = one.role or (SPEAKER if one.speaker else "")
    return trust_in(
        policy, given=one.trust, role=role, source=one.source, origin=one.origin, foreign=bool(one.agreement)
    )


def said(one: Candidate) -> datetime:
    """Return when a statement was said or written; when its cube was made, where that is not known."""
    return one.source_time or one.event_time or one.made or _LONG_AGO


def before(one: Candidate, known: datetime | None) -> bool:
    """Say whether a statement was made before a time; None: any was."""
    return known is None or said(one) < known


def _since(one: Candidate, start: datetime | None) -> datetime:
    return start or one.event_time or said(one)


def _began(one: Candidate, true: datetime) -> bool:
    """Say whether some of what a statement claims was true at a time already; what claims nothing always counts."""
    return not one.claims or any(_since(one, claim.start) <= true for claim in one.claims)


def _arranged(
    order: Sequence[int],
    looked: Sequence[int],
    judged: Mapping[int, Sequence[Standing]],
    places: Mapping[tuple[str, int], int],
) -> list[int]:
    """Return the order with each statement that holds, or is trusted most, before those that it stands against."""
    told = list(order)
    for index in looked:
        for standing in judged.get(index, ()):
            best = _winner(standing, judged, places)
            if best is None:
                continue
            winner, here = places[best.cube, best.unit], told.index(index)
            if winner in told[:here]:
                continue
            if winner in told:
                told.remove(winner)
            told.insert(here, winner)
    return told


def _winner(
    standing: Standing, judged: Mapping[int, Sequence[Standing]], places: Mapping[tuple[str, int], int]
) -> Statement | None:
    """Return what holds in a claim's place, or is trusted more than it; None: nothing is."""
    best: Statement | None = None
    current: Standing | None = standing
    # What supersedes a claim may itself be in conflict with one that is trusted more, but no further.
    for _ in range(2):
        if current is None or current.most_trusted:
            break
        rivals = current.superseded_by or current.in_conflict_with
        if not rivals:
            break
        best = max(rivals, key=lambda one: (one.trust, one.age))
        of_best = judged.get(places[best.cube, best.unit], ())
        current = next((one for one in of_best if one.statement.claim == best.claim), None)
    return best


def _concerns(one: Candidate, names: Iterable[str]) -> bool:
    """Say whether a statement is of one of these, or by one."""
    text = one.text.casefold()
    return any(name == subject_of(one.speaker) or re.search(rf"\b{re.escape(name)}\b", text) for name in names)


def _first(
    order: Sequence[int],
    judged: Mapping[int, Sequence[Standing]],
    asked: Container[str],
    ranked: Ranked,
    about: Mapping[int, Told],
) -> list[int]:
    """Return the order with what holds of the asked claim at the beginning, the most trusted and newest first."""
    holding = [
        (standing.statement.trust, standing.statement.age, index)
        for index, some in judged.items()
        for standing in some
        if standing.statement.claim.key in asked and not standing.superseded_by
    ]
    if holding and not may_be_first(max(holding)[0], float(ranked.scores[max(holding)[2]]), about):
        return list(order)
    first = list(dict.fromkeys(index for _, _, index in sorted(holding, reverse=True)))[:_MOST_FIRST]
    return [*first, *(index for index in order if index not in first)]


def _extended(ranked: Ranked, pool: Sequence[Candidate]) -> Ranked:
    """Return the ranking with zeros for what was brought in."""
    more = len(pool) - len(ranked.scores)
    if not more:
        return ranked
    zeros = np.zeros(more)
    return replace(
        ranked,
        scores=np.concatenate([ranked.scores, zeros]),
        parts={name: np.concatenate([part, zeros]) for name, part in ranked.parts.items()},
        words=[*ranked.words, *(frozenset[str]() for _ in range(more))],
    )
