"""Recollects what a question needs: search, weigh, search again where that does not suffice, fit into the budget."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.reader.app import weighing
from memporium_services.reader.app.contradicting import Settled, before
from memporium_services.reader.app.judging import Judged
from memporium_services.reader.app.recall_values import Recalled, Trace
from memporium_services.reader.app.rewriting import Rewritten
from memporium_services.reader.domain.claim_questions import asked_keys
from memporium_services.reader.domain.foresight import valid_at
from memporium_services.reader.domain.likelihood import with_likelihood
from memporium_services.reader.domain.question import Question, analyse, names_in, without_names
from memporium_services.reader.domain.sufficiency import ENOUGH, coverage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memporium_services.reader.app.contradicting import Contradicting
    from memporium_services.reader.app.gathering import Gathering
    from memporium_services.reader.app.judging import Judging
    from memporium_services.reader.app.recall_values import Asked
    from memporium_services.reader.app.rewriting import Rewriting
    from memporium_services.reader.app.weighing import Weighed
    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.gists import Gist
    from memporium_services.reader.domain.ranking import Levers
    from memporium_services.reader.domain.values import Prospect
    from memporium_services.reader.ports import Found, Vault
    from memporium_services.reader.settings import ReaderSettings

T = TypeVar("T")

MOST_QUERY_CHARS = 4_096
MOST_ITEMS = 200
LEAST_BUDGET, MOST_BUDGET = 64, 65_536
# Statements weighed for each one that is returned; fewer lose what other levers lift.
_CANDIDATES_PER_ITEM = 2
# How many times as many are looked for where what was said later is left out.
_FURTHER_BACK = 4
# Candidates that are weighed on the event loop, in a few milliseconds; more of them, in a thread.
_FEW = 256
# Cubes whose expectations are read: those of the best items.
_FORESIGHT_CUBES = 5
_MOST_PROSPECTS = 10


class Recalling:
    """Answers questions from a vault and its mounts."""

    def __init__(
        self,
        vault: Vault,
        contradicting: Contradicting,
        settings: ReaderSettings,
        *,
        rewriting: Rewriting,
        judging: Judging,
        gathering: Gathering,
    ) -> None:
        """Search the vault."""
        self._gathering = gathering
        self._vault, self._contradicting, self._settings = vault, contradicting, settings
        self._rewriting, self._judging = rewriting, judging

    async def recall(self, asked: Asked) -> Recalled:
        """Recollect what a question needs.

        Raises:
            PlatformError: INVALID_FIELD, and what the vault raises; a mount's refusal is in the answer instead.
        """
        asked = self._checked(asked)
        question, levers = analyse(asked.query, asked.now), asked.levers
        started = time.perf_counter_ns()
        found = await self._search(asked, question.text)
        embed_us = found.embed_us
        searches = [question.text]
        candidates, names = found.candidates, names_in(question.text, weighing.speakers(found.candidates))
        if names and levers.query_analysis and levers.focus:
            focus = without_names(question.text, names)
            near = await self._meaning(asked, focus)
            embed_us += near.embed_us
            candidates = weighing.focused(candidates, near)
            searches.append(focus)
        weighed = await _run(partial(weighing.weigh, candidates, question, names, levers), len(candidates))
        covered = coverage(weighed.candidates, weighed.ranked, question)
        more = weighing.further(weighed, question, covered, levers)
        again = await self._again(weighed, question, covered, levers)
        more.extend(query for query in again.queries if query not in more)
        if more:
            several = await self._search_all(asked, more)
            embed_us += several[0].embed_us
            for further in several:
                candidates = weighing.joined(candidates, further)
            searches.extend(more)
            weighed = await _run(partial(weighing.weigh, candidates, question, names, levers), len(candidates))
            covered = coverage(weighed.candidates, weighed.ranked, question)
        order = await _run(partial(weighing.ordered, weighed, levers), len(candidates))
        judged = await self._judged(asked, weighed, order)
        # What holds is told by the scores without a model's part: its safeguards are in their points.
        settled = await self._settled(asked, weighed, judged.order)
        if judged.added is not None:
            settled = replace(settled, ranked=with_likelihood(settled.ranked, judged.added))
        gists = await self._gists(asked, settled, names) if asked.scenes or asked.profiles else ()
        places, context = await _run(partial(weighing.fitted, settled, asked, gists), len(settled.candidates))
        if gists and not places:
            # A budget for one statement has no room for what stands above it.
            gists = ()
            places, context = weighing.fitted(settled, asked, gists)
        best = [settled.candidates[place] for place in places]
        prospects = await self._prospects(asked, best) if levers.foresight else ()
        trace = Trace(
            question,
            names,
            tuple(searches),
            2 if more else 1,
            covered,
            rewriter=again.model,
            rewriter_failure=again.failure,
            judge=judged.model,
            judge_failure=judged.failure,
            judge_us=judged.took_us,
            embed_us=embed_us,
            total_us=(time.perf_counter_ns() - started) // 1000,
        )
        return Recalled(
            settled.candidates,
            settled.ranked,
            places,
            context,
            prospects,
            found.refusals,
            trace,
            settled.standings,
            gists,
        )

    async def _again(self, weighed: Weighed, question: Question, covered: float, levers: Levers) -> Rewritten:
        """Return what a language model makes of a question that the first search does not suffice for."""
        if not levers.rewriting or covered >= ENOUGH:
            return Rewritten()
        return await self._rewriting.rewrite(question.text, weighed.names)

    async def _judged(self, asked: Asked, weighed: Weighed, order: Sequence[int]) -> Judged:
        """Return the order as a language model leaves it, before what holds is put before what does not."""
        if not asked.likelihood:
            return Judged(tuple(order))
        return await self._judging.judge(asked.query, weighed.candidates, weighed.ranked.scores, order)

    async def _settled(self, asked: Asked, weighed: Weighed, order: Sequence[int]) -> Settled:
        if not asked.levers.contradiction:
            return Settled(weighed.candidates, weighed.ranked, tuple(order))
        return await self._contradicting.settle(
            asked.parent,
            weighed.candidates,
            weighed.ranked,
            order,
            limit=asked.limit,
            conditions=asked.conditions,
            include_mounts=asked.include_mounts,
            times=asked.times,
            asked=asked_keys(asked.query),
        )

    async def _gists(self, asked: Asked, settled: Settled, names: Sequence[str]) -> tuple[Gist, ...]:
        return await self._gathering.gists(
            asked.parent,
            asked.query,
            [settled.candidates[index] for index in settled.order[: asked.limit]],
            names=names,
            persona=asked.conditions.persona,
            scenes=asked.scenes,
            # What a profile says is what holds now.
            profiles=asked.profiles and asked.times.true is None,
            known=asked.times.known,
            budget_tokens=asked.budget_tokens,
        )

    def _checked(self, asked: Asked) -> Asked:
        settings = self._settings
        if not asked.query.strip():
            raise invalid("query", "is required")
        if len(asked.query) > MOST_QUERY_CHARS:
            raise invalid("query", f"at most {MOST_QUERY_CHARS} characters")
        if not 0 <= asked.limit <= MOST_ITEMS:
            raise invalid("limit", f"must be 0 to {MOST_ITEMS}")
        if asked.conditions.past and (asked.scenes or asked.profiles):
            raise invalid("options.scenes", "and profiles are of now, not of the past")
        if asked.budget_tokens and not LEAST_BUDGET <= asked.budget_tokens <= MOST_BUDGET:
            raise invalid("budget_tokens", f"must be 0, or {LEAST_BUDGET} to {MOST_BUDGET}")
        limit, budget = asked.limit or settings.default_limit, asked.budget_tokens or settings.default_budget_tokens
        return replace(asked, query=asked.query.strip(), limit=limit, budget_tokens=budget)

    async def _search(self, asked: Asked, query: str) -> Found:
        return (await self._search_all(asked, [query]))[0]

    async def _search_all(self, asked: Asked, queries: Sequence[str]) -> list[Found]:
        known = asked.times.known
        found = await self._vault.search(
            asked.parent,
            queries,
            limit=self._wanted(asked),
            conditions=asked.conditions,
            include_mounts=asked.include_mounts,
        )
        if known is None:
            return found
        return [replace(one, candidates=tuple(some for some in one.candidates if before(some, known))) for one in found]

    async def _meaning(self, asked: Asked, query: str) -> Found:
        return await self._vault.meaning(
            asked.parent,
            query,
            limit=self._wanted(asked),
            conditions=asked.conditions,
            include_mounts=asked.include_mounts,
        )

    def _wanted(self, asked: Asked) -> int:
        wanted = max(self._settings.candidates, _CANDIDATES_PER_ITEM * asked.limit)
        return wanted if asked.times.known is None else _FURTHER_BACK * wanted

    async def _prospects(self, asked: Asked, best: Sequence[Candidate]) -> tuple[tuple[str, Prospect], ...]:
        """Return what the best items' own cubes let expect and what holds at the time of asking."""
        held = {one.cube: one.prospects for one in best if not one.mount and not one.agreement}
        own = [cube for cube in list(held)[:_FORESIGHT_CUBES] if held[cube] != 0]
        if not own:
            return ()
        try:
            found = await self._vault.prospects(asked.parent, own, conditions=asked.conditions)
        except PlatformError as error:
            # One who may search but not read whole cubes gets the items alone; so does one whose cube was just purged.
            if error.reason in {Reason.PERMISSION_DENIED, Reason.NOT_FOUND}:
                return ()
            raise
        cube_of = {prospect: cube for cube, prospect in found}
        holding = valid_at([prospect for _cube, prospect in found], asked.now)[:_MOST_PROSPECTS]
        return tuple((cube_of[prospect], prospect) for prospect in holding)


async def _run(work: Callable[[], T], candidates: int) -> T:
    """Return what work on so many candidates gives: of few ones at once, for the hop to a thread takes as long."""
    return work() if candidates <= _FEW else await asyncio.to_thread(work)
