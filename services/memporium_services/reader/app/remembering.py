"""Remembers sessions of a dialogue."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.reader.domain.cleaning import clean, clean_line
from memporium_services.reader.domain.facts import MOST_CHARS
from memporium_services.reader.domain.formation import form
from memporium_services.reader.domain.segmentation import Limits
from memporium_services.reader.domain.sentences import pieces
from memporium_services.reader.domain.values import Turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from memporium_services.reader.app.narrating import Narrating
    from memporium_services.reader.domain.values import Episode
    from memporium_services.reader.ports import Kept, Labels, Vault
    from memporium_services.reader.settings import ReaderSettings

# Another call stored the same episodes with another answer of the model; the last one in the same caller's name.
_OTHERWISE = frozenset({Reason.ALREADY_EXISTS, Reason.REQUEST_ID_REUSED})
EPISODE = 2  # memporium.cube.v1.SEMANTIC_TYPE_EPISODE
_MOST_ID_CHARS = 256
_MOST_TAGS = 32
_MOST_ROLES = 64
# Times outside are typing errors, and would leave the calendar when a zone or a "last year" is applied.
_FIRST, _LAST = datetime(1900, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
# Of a stored fact, what is compared with a turn that is sent again.
_COMPARED_CHARS = 100


@dataclass(frozen=True, slots=True)
class Session:
    """Which session, and where its memory goes; `trust` in speakers by their role, `*`: all others."""

    parent: str
    labels: Labels
    title: str = ""
    request_id: str = ""
    time_zone: str = ""
    trust: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SaidTurn:
    """A turn as it was sent; `time` None: as the turn before."""

    id: str
    speaker: str
    role: str
    text: str
    time: datetime | None
    caption: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a session left behind."""

    cubes: tuple[Kept, ...]
    turns: int
    known_turns: int
    revision: int


class Remembering:
    """Turns sessions into cubes."""

    def __init__(self, vault: Vault, narrating: Narrating, settings: ReaderSettings) -> None:
        """Keep cubes in the vault."""
        self._vault, self._narrating, self._settings = vault, narrating, settings

    async def remember(self, session: Session, said: AsyncIterator[SaidTurn]) -> Remembered:
        """Remember a session; turns that the vault holds already are passed over.

        Raises:
            PlatformError: INVALID_FIELD where turns are missing, malformed or too many, and what the vault raises.
        """
        check_labels(session.labels, "header")
        if len(session.trust) > _MOST_ROLES or any(not 0 <= trust <= 1 for trust in session.trust.values()):
            raise invalid("header.trust", f"must be at most {_MOST_ROLES}, each 0 to 1")
        turns = await self._take(said, zone_of(session.time_zone))
        known = await self._vault.known(session.parent, session.labels.source, persona=session.labels.persona)
        fresh = _fresh(turns, known.turns)
        limits = Limits(
            gap=timedelta(seconds=self._settings.segment_gap_s),
            most_turns=self._settings.segment_turns,
        )
        episodes = await asyncio.to_thread(
            form,
            turns,
            session=session.labels.source,
            title=clean_line(session.title)[:_MOST_ID_CHARS],
            fresh=fresh,
            scope=session.labels.persona,
            limits=limits,
        )
        made: list[Kept] = []
        revision = 0
        narration = self._narrating.begin(turns)
        for batch in batches(episodes, self._settings.batch_facts):
            told = await narration.tell([_trusted(one, session.trust) for one in batch])
            kept, revision = await self._keep(session, told, revision)
            made.extend(kept)
        cubes = sorted([*known.cubes, *made], key=lambda one: one.start or _FIRST)
        return Remembered(tuple(cubes), len(turns), len(turns) - len(fresh), revision)

    async def _keep(self, session: Session, told: list[Episode], revision: int) -> tuple[list[Kept], int]:
        """Store a batch; what another call stored meanwhile, with another answer of the model, is taken as it is."""
        try:
            return await self._vault.keep(
                session.parent, told, session.labels, request_id=batch_id(session.request_id, told)
            )
        except PlatformError as error:
            if error.reason not in _OTHERWISE:
                raise
            refused = error
        known = await self._vault.known(session.parent, session.labels.source, persona=session.labels.persona)
        held = {one.cube.rsplit("/", 1)[1]: one for one in known.cubes}
        found = [held[one.cube_id] for one in told if one.cube_id in held]
        rest = [one for one in told if one.cube_id not in held]
        if not found:
            raise refused
        if not rest:
            return found, revision
        kept, revision = await self._vault.keep(
            session.parent, rest, session.labels, request_id=batch_id(session.request_id, rest)
        )
        return [*found, *kept], revision

    async def _take(self, said: AsyncIterator[SaidTurn], zone: tzinfo) -> list[Turn]:
        """Return the turns, cleaned, with ids and times; bounded."""
        settings = self._settings
        turns: list[Turn] = []
        ids: dict[str, int] = {}
        size = 0
        async for one in said:
            size += len(one.text) + len(one.caption)
            if len(turns) == settings.max_turns:
                raise invalid("turn", f"at most {settings.max_turns} in one call; send the rest as another session")
            if size > settings.max_session_chars:
                raise invalid("turn.text", f"at most {settings.max_session_chars} characters in one call")
            turn = self._clean(one, turns[-1].time if turns else None, zone, position=len(turns))
            if turn.id:
                if turn.id in ids:
                    raise invalid("turn.id", f"{turn.id!r} was used for an earlier turn")
                ids[turn.id] = 1
            else:
                made = _made_id(turn)
                ids[made] = ids.get(made, 0) + 1
                turn = replace(turn, id=made if ids[made] == 1 else f"{made}-{ids[made]}")
            turns.append(turn)
        if not any(turn.body for turn in turns):
            raise invalid("turn", "a session needs at least one turn with text")
        return turns

    def _clean(self, one: SaidTurn, before: datetime | None, zone: tzinfo, *, position: int) -> Turn:
        where = f"turn[{position}]"
        if len(one.text) > self._settings.max_turn_chars:
            raise invalid(f"{where}.text", f"at most {self._settings.max_turn_chars} characters")
        speaker, turn_id = clean_line(one.speaker), clean_line(one.id)
        if not speaker:
            raise invalid(f"{where}.speaker", "is required")
        for name, value in (("speaker", speaker), ("id", turn_id), ("role", one.role)):
            if len(value) > _MOST_ID_CHARS:
                raise invalid(f"{where}.{name}", f"at most {_MOST_ID_CHARS} characters")
        if len(one.caption) > self._settings.max_turn_chars:
            raise invalid(f"{where}.caption", f"at most {self._settings.max_turn_chars} characters")
        moment = one.time or before
        if moment is None:
            raise invalid(f"{where}.time", "the first turn needs it")
        if not _FIRST <= moment < _LAST:
            raise invalid(f"{where}.time", "must lie between 1900 and 2200")
        return Turn(
            id=turn_id,
            speaker=speaker,
            role=clean_line(one.role).lower(),
            text=clean(one.text),
            time=moment.astimezone(zone),
            caption=clean_line(one.caption),
        )


def check_labels(labels: Labels, field: str) -> None:
    """Refuse labels that no cube may carry.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if len(labels.source) > _MOST_ID_CHARS:
        raise invalid(f"{field}.session", f"at most {_MOST_ID_CHARS} characters")
    if len(labels.tags) > _MOST_TAGS:
        raise invalid(f"{field}.tags", f"at most {_MOST_TAGS}")


def zone_of(name: str) -> tzinfo:
    """Return the time zone of that name; "" is UTC.

    Raises:
        PlatformError: INVALID_FIELD where there is none.
    """
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as err:
        raise invalid("header.time_zone", "is not the name of an IANA time zone") from err


def batches(episodes: Sequence[Episode], most_facts: int) -> Iterator[list[Episode]]:
    """Yield the episodes in batches of at most `most_facts` facts (one episode alone may have more)."""
    batch: list[Episode] = []
    facts = 0
    for episode in episodes:
        if batch and facts + len(episode.facts) > most_facts:
            yield batch
            batch, facts = [], 0
        batch.append(episode)
        facts += len(episode.facts)
    if batch:
        yield batch


def batch_id(request_id: str, episodes: Sequence[Episode]) -> str:
    """Return the vault's request id of a batch: the same for the same episodes within the same request."""
    if not request_id:
        return ""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\x00".join([request_id, *(one.cube_id for one in episodes)])))


def _made_id(turn: Turn) -> str:
    content = "\x00".join([turn.speaker, turn.time.astimezone(UTC).isoformat(), turn.body])
    return f"t-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _trusted(episode: Episode, trust: Mapping[str, float]) -> Episode:
    """Return the episode with the trust that the session tells of its speakers."""
    if not trust:
        return episode
    facts = tuple(replace(fact, trust=trust.get(fact.role, trust.get("*"))) for fact in episode.facts)
    return replace(episode, facts=facts)


def _start(body: str) -> str:
    """Return how the first fact of a turn begins: a long turn is cut into several at the ends of sentences."""
    return pieces(body, most_chars=MOST_CHARS)[0][:_COMPARED_CHARS].split("\n")[0]


def _fresh(turns: Sequence[Turn], known: Mapping[str, str]) -> frozenset[str]:
    """Return the ids of turns that the vault does not hold.

    Raises:
        PlatformError: INVALID_FIELD where a known id comes with another text.
    """
    fresh = set()
    for turn in turns:
        held = known.get(turn.id)
        if held is None:
            fresh.add(turn.id)
        elif turn.body and not held.startswith(f"{turn.speaker}: {_start(turn.body)}"):
            raise invalid("turn.id", f"{turn.id!r} stands for another text in this session")
    return frozenset(fresh)
