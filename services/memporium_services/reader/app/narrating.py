"""Lets a language model retell episodes and extract facts, and keeps what the turns bear out.

The turns' own words are kept whatever the model does: its facts stand beside them and its prose takes the place of the
dialogue's text alone. Any failure leaves the episode as rules made it. One call's waiting for the model is bounded.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.call import maybe_call
from memporium_services.reader.domain.answers import AnswerError, Telling, read_telling
from memporium_services.reader.domain.dates import day_in_words
from memporium_services.reader.domain.grounding import ground_of, retells
from memporium_services.reader.domain.prompts import FORMING, dialogue_of
from memporium_services.reader.domain.values import Fact, Formation, Span
from memporium_services.reader.ports import WriterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium_services.reader.domain.values import Episode, Turn
    from memporium_services.reader.ports import Tally, Writer
    from memporium_services.reader.settings import ReaderSettings

# Failures in a row after which the model is not asked again within the call.
_GIVE_UP = 3
# Share of what is left of a call's time that may be waited for the model: the rest is for keeping what was said.
_SHARE = 0.6


class Narrating:
    """Asks one model, or none."""

    def __init__(self, writer: Writer | None, tally: Tally, settings: ReaderSettings) -> None:
        """Ask `writer`; None: leave all episodes as they are."""
        self._writer, self._tally, self._settings = writer, tally, settings

    def begin(self, turns: Sequence[Turn]) -> Narration:
        """Return the narration of one call, of whose session these are the turns."""
        return Narration(
            self._writer,
            self._tally,
            self._settings,
            turns={turn.id: turn for turn in turns},
            until=time.monotonic() + self._time(),
        )

    def _time(self) -> float:
        """Return the seconds that may be waited for the model."""
        call, most = maybe_call(), self._settings.narrator_call_s
        if call is None or not call.deadline:
            return most
        return min(most, _SHARE * max(call.deadline - time.monotonic(), 0.0))


class Narration:
    """One call's episodes."""

    def __init__(
        self,
        writer: Writer | None,
        tally: Tally,
        settings: ReaderSettings,
        *,
        turns: Mapping[str, Turn],
        until: float,
    ) -> None:
        """Wait for the model `until` a time by `time.monotonic()`."""
        self._writer, self._tally, self._settings, self._turns, self._until = writer, tally, settings, turns, until
        self._at_once = asyncio.Semaphore(settings.narrator_at_once)
        self._failed = 0

    async def tell(self, episodes: Sequence[Episode]) -> list[Episode]:
        """Return episodes, in order, with what the model adds."""
        if self._writer is None:
            return list(episodes)
        return await asyncio.gather(*(self._tell(self._writer, one) for one in episodes))

    async def _tell(self, writer: Writer, episode: Episode) -> Episode:
        turns = [self._turns[span.locator] for span in episode.spans]
        async with self._at_once:
            try:
                telling = await self._asked(writer, turns)
            except (WriterError, AnswerError) as error:
                self._tally.episode(path="rules", failure=str(error))
                return replace(episode, formation=Formation(writer.model, failure=str(error)))
        told = await asyncio.to_thread(borne_out, episode, turns, telling, model=writer.model)
        self._count(telling, told)
        return told

    async def _asked(self, writer: Writer, turns: Sequence[Turn]) -> Telling:
        if self._failed >= _GIVE_UP:
            raise WriterError("gave_up")
        left = self._until - time.monotonic()
        if left <= 0:
            raise WriterError("out_of_time")
        settings, began = self._settings, time.monotonic()
        limit_s = min(settings.narrator_timeout_s, left)
        try:
            answer = await writer.write(
                FORMING, dialogue_of(turns), max_tokens=settings.narrator_max_tokens, timeout_s=limit_s
            )
        except WriterError:
            self._failed += 1
            raise
        finally:
            self._tally.answer(use="form", seconds=time.monotonic() - began)
        self._failed = 0
        return await asyncio.to_thread(read_telling, answer)

    def _count(self, telling: Telling, told: Episode) -> None:
        made = told.formation
        if made is None:
            return
        self._tally.episode(path="model" if made.by_model else "rules", failure=made.failure)
        self._tally.facts(outcome="kept", count=made.extracted)
        self._tally.facts(outcome="malformed", count=telling.malformed)
        self._tally.facts(outcome="ungrounded", count=made.dropped - telling.malformed)


def borne_out(episode: Episode, turns: Sequence[Turn], telling: Telling, *, model: str) -> Episode:
    """Return an episode with the part of a model's telling that its turns bear out."""
    facts, seen = [], {_bare(fact.text) for fact in episode.facts} | {_bare(turn.body) for turn in turns}
    dropped = telling.malformed
    for draft in telling.drafts:
        # What repeats a turn word for word adds nothing, and is not lost either.
        if _bare(draft.text) in seen:
            continue
        seen.add(_bare(draft.text))
        at = ground_of(draft.text, [number - 1 for number in draft.turns], turns)
        if at is None:
            dropped += 1
        else:
            facts.append(_fact(draft.text, turns[at], episode, model=model))
    narrated = bool(telling.episode) and retells(telling.episode, turns)
    failure = "" if narrated or facts else "ungrounded"
    return replace(
        episode,
        text=telling.episode if narrated else episode.text,
        facts=(*episode.facts, *facts),
        formation=Formation(model, narrated=narrated, extracted=len(facts), dropped=dropped, failure=failure),
    )


def _fact(text: str, turn: Turn, episode: Episode, *, model: str) -> Fact:
    """Return a model's fact: who said it, and when, stay with it, so that nobody's words become everybody's."""
    source = next((fact for fact in episode.facts if fact.span.locator == turn.id), None)
    span = Span(episode.spans[0].source, turn.id, turn.speaker, turn.time)
    return Fact(
        text=f"{text} ({turn.speaker}, {day_in_words(turn.time)})",
        context=source.context if source else "",
        span=span,
        role=turn.role,
        trust=source.trust if source else None,
        extracted_by=model,
    )


def _bare(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!")
