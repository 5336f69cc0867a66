"""Lets a language model retell episodes and extract facts, and keeps what the turns bear out.

The turns' own words are kept whatever the model does: its facts stand beside them and its prose takes the place of the
dialogue's text alone. Any failure leaves the episode as rules made it. One call's waiting for the model is bounded.

Several episodes are asked about at once until one of them fails: servers with room for one answer break others off, or
let them wait until their time is over. From then on the call asks for one at a time, for the failed one again.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.call import maybe_call
from memporium_services.reader.domain.answers import (
    FACTS_SCHEMA,
    TELLING_SCHEMA,
    AnswerError,
    Telling,
    read_telling,
    together,
)
from memporium_services.reader.domain.facts import when_of
from memporium_services.reader.domain.grounding import ground_of, idle, retold
from memporium_services.reader.domain.prompts import FORMING, FORMING_FACTS, dialogue_of
from memporium_services.reader.domain.values import Fact, Formation, Span
from memporium_services.reader.ports import WriterError, Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from memporium_services.reader.domain.values import Episode, Turn
    from memporium_services.reader.ports import Tally, Writer
    from memporium_services.reader.settings import ReaderSettings

# Failures in a row after which the model is not asked again within the call.
_GIVE_UP = 3
# Share of what is left of a call's time that may be waited for the model: the rest is for keeping what was said.
_SHARE = 0.6
# How an answer may end that has nothing to do with others that are asked for.
_OF_ITSELF = frozenset({"", "max_tokens"})


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
        self._at_once, self._by_itself = asyncio.Semaphore(settings.narrator_at_once), asyncio.Lock()
        self._asking, self._alone, self._failed = 0, settings.narrator_at_once == 1, 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def tell(self, episodes: Sequence[Episode]) -> list[Episode]:
        """Return episodes, in order, with what the model adds."""
        if self._writer is None:
            return list(episodes)
        return await asyncio.gather(*(self._tell(self._writer, one) for one in episodes))

    async def _tell(self, writer: Writer, episode: Episode) -> Episode:
        turns = [self._turns[span.locator] for span in episode.spans]
        async with self._at_once:
            telling, failure = await self._telling(writer, turns)
        if telling is None:
            self._tally.episode(path="rules", failure=failure)
            return replace(episode, formation=Formation(writer.model, failure=failure))
        told = await asyncio.to_thread(borne_out, episode, turns, telling, model=writer.model, cut=failure)
        self._count(telling, told)
        return told

    async def _telling(self, writer: Writer, turns: Sequence[Turn]) -> tuple[Telling | None, str]:
        """Return what the model tells of turns, a few at once, and why that is not all; None: it tells nothing."""
        found: list[Telling] = []
        failure = ""
        for start, part in _parts(turns, self._settings.narrator_turns):
            try:
                written = await self._asked(writer, part)
                found.append((await asyncio.to_thread(_read, written)).behind(start))
            except (WriterError, AnswerError) as error:
                failure = failure or str(error)
            else:
                failure = failure or written.cut
        return (together(found, whole=not failure) if found else None), failure

    async def _asked(self, writer: Writer, turns: Sequence[Turn]) -> Written:
        """Return what the model writes of turns: asked beside others, and where that fails once more by itself."""
        begun: Written | WriterError | None = None
        if not self._alone:
            begun, beside = await self._beside(writer, turns)
            if isinstance(begun, WriterError) and not beside:
                self._failed += 1
                raise begun
            if isinstance(begun, Written) and (begun.cut in _OF_ITSELF or not beside):
                return begun
            # If it fails by itself, too, the rest is not waited for.
            if not self._alone:
                self._alone, self._failed = True, _GIVE_UP - 1
        async with self._by_itself:
            await self._quiet.wait()
            try:
                left_s = self._left()
            except WriterError as error:
                begun = begun or error
            else:
                begun = await self._write(writer, turns, left_s)
                self._failed += isinstance(begun, WriterError)
        if isinstance(begun, WriterError):
            raise begun
        return begun

    async def _beside(self, writer: Writer, turns: Sequence[Turn]) -> tuple[Written | WriterError, bool]:
        """Return what the model writes of turns, or how it failed, and whether others were asked about meanwhile."""
        left_s = self._left()
        self._asking += 1
        self._quiet.clear()
        before = self._asking > 1
        try:
            found = await self._write(writer, turns, left_s)
        finally:
            self._asking -= 1
            if not self._asking:
                self._quiet.set()
        return found, before or self._asking > 0 or self._alone

    def _left(self) -> float:
        """Return how many seconds there are for the model.

        Raises:
            WriterError: It is not to be asked any longer.
        """
        if self._failed >= _GIVE_UP:
            raise WriterError("gave_up")
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise WriterError("out_of_time")
        return left_s

    async def _write(self, writer: Writer, turns: Sequence[Turn], left_s: float) -> Written | WriterError:
        settings, began = self._settings, time.monotonic()
        try:
            written = await writer.write(
                FORMING if settings.narrator_prose else FORMING_FACTS,
                dialogue_of(turns),
                max_tokens=settings.narrator_max_tokens,
                timeout_s=min(settings.narrator_timeout_s, left_s),
                schema=TELLING_SCHEMA if settings.narrator_prose else FACTS_SCHEMA,
            )
        except WriterError as error:
            return error
        finally:
            self._tally.answer(use="form", seconds=time.monotonic() - began)
        self._failed = 0
        self._tally.tokens(use="form", read=written.prompt_tokens, written=written.completion_tokens)
        return written

    def _count(self, telling: Telling, told: Episode) -> None:
        made = told.formation
        if made is None:
            return
        self._tally.episode(path="model" if made.by_model else "rules", failure=made.failure)
        self._tally.facts(outcome="kept", count=made.extracted)
        self._tally.facts(outcome="malformed", count=telling.malformed)
        self._tally.facts(outcome="ungrounded", count=made.dropped - telling.malformed)


def _parts(turns: Sequence[Turn], most: int) -> Iterator[tuple[int, Sequence[Turn]]]:
    """Yield as few and as equal parts as may be, each with where it starts."""
    count = -(-len(turns) // most)
    for number in range(count):
        start = len(turns) * number // count
        yield start, turns[start : len(turns) * (number + 1) // count]


def _read(written: Written) -> Telling:
    """Return what an answer tells; of one that was cut off, what of it is whole."""
    try:
        return read_telling(written.text, cut=bool(written.cut))
    except AnswerError:
        # Why it ends before its end says more than what that leaves.
        if written.cut:
            raise WriterError(written.cut) from None
        raise


def borne_out(episode: Episode, turns: Sequence[Turn], telling: Telling, *, model: str, cut: str = "") -> Episode:
    """Return an episode with the part of a model's telling that its turns bear out; `cut`: why there is no more."""
    facts, seen = [], {_bare(fact.text) for fact in episode.facts} | {_bare(turn.body) for turn in turns}
    dropped = telling.malformed
    for draft in telling.drafts:
        # What repeats a turn word for word adds nothing, and is not lost either.
        if _bare(draft.text) in seen:
            continue
        seen.add(_bare(draft.text))
        at = None if idle(draft.text, turns) else ground_of(draft.text, [number - 1 for number in draft.turns], turns)
        if at is None:
            dropped += 1
        else:
            facts.append(_fact(draft.text, turns[at], episode, model=model))
    prose = retold(telling.episode, turns)
    failure = cut if prose or facts else cut or "ungrounded"
    return replace(
        episode,
        text=prose or episode.text,
        facts=(*episode.facts, *facts),
        formation=Formation(model, narrated=bool(prose), extracted=len(facts), dropped=dropped, failure=failure),
    )


def _fact(text: str, turn: Turn, episode: Episode, *, model: str) -> Fact:
    """Return a model's fact: who said it, and when, stay with it, so that nobody's words become everybody's."""
    source = next((fact for fact in episode.facts if fact.span.locator == turn.id), None)
    span = Span(episode.spans[0].source, turn.id, turn.speaker, turn.time)
    return Fact(
        text=f"{text} ({turn.speaker}, {when_of(text, turn)})",
        context=source.context if source else "",
        span=span,
        role=turn.role,
        trust=source.trust if source else None,
        extracted_by=model,
    )


def _bare(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!")
