"""Runs a benchmark: remember each sample in a vault of its own, ask its questions, answer, judge; all journalled.

What is done is not done again: a session that the journal holds is not sent twice, an answer that was paid for is not
asked for twice. A vault holds what the journal says, and at most what was under way when the run was interrupted; that
is sent again, and the platform knows its turns again.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from memporium.client import MemporiumError
from memporium.eval import prompts, verdicts
from memporium.eval.memories import Choice
from memporium.eval.models import RefusedError
from memporium.eval.patience import patiently
from memporium.reader.v1 import remember_pb2
from memporium.vault.v1 import vault_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from memporium.client import Client
    from memporium.eval.journal import Journal
    from memporium.eval.memories import Memory
    from memporium.eval.models import Model
    from memporium.eval.samples import Question, Sample, Talk

_ALREADY_EXISTS = "ALREADY_EXISTS"
_TURNS = 5_000
# Requests that a model refuses one after the other, before it is held to refuse all.
_MOST_REFUSALS = 5


@dataclass(frozen=True)
class Plan:
    """How a benchmark is run.

    Attributes:
        parent: The organisation, `orgs/{org}`.
        prefix: Beginning of the vaults' ids; no other run may have it.
        answerer: Answers; None: only what is recalled is measured.
        judge: Judges answers; None: by their words alone.
        memory: What questions are answered from.
        concurrency: Most calls at once.
        embedding_model: Of the vaults; "": the platform's default.
        keep: Vaults stay when all was asked of them; else they are erased.
    """

    parent: str
    prefix: str
    answerer: Model | None = None
    judge: Model | None = None
    memory: Choice = field(default_factory=Choice)
    concurrency: int = 4
    embedding_model: str = ""
    keep: bool = False
    answer_tokens: int = 256
    judge_tokens: int = 64
    progress: Callable[[str], None] = field(default=lambda _text: None)


class Running:
    """One run."""

    def __init__(self, client: Client, journal: Journal, plan: Plan) -> None:
        """Run over a connection."""
        self._client, self._journal, self._plan = client, journal, plan
        self._calls = threading.BoundedSemaphore(plan.concurrency)
        self._stop = threading.Event()
        self._refusals = 0
        # Questions that a model refused, with why; they stay open.
        self.refused: dict[str, str] = {}

    def run(self, samples: Iterable[Sample]) -> int:
        """Run all samples; return how many there were. What fails stops the run, after what is under way.

        Raises:
            MemporiumError: The platform refuses.
            ModelError: A model gives no answer, or refuses several questions running; single ones are in `refused`.
        """
        count = 0
        questions: list[Question] = []
        plan = self._plan
        with ThreadPoolExecutor(plan.concurrency) as pool, ThreadPoolExecutor(plan.concurrency) as asking:
            running: set[Future[None]] = set()
            try:
                for number, sample in enumerate(samples):
                    count += 1
                    questions += sample.questions
                    while len(running) >= plan.concurrency:
                        running = _settled(running)
                    running.add(pool.submit(self._sample, number, sample, asking))
                while running:
                    running = _settled(running)
                _all(asking.submit(self._judge, question) for question in questions)
            finally:
                # On a failure, and on Ctrl-C: nothing new is begun.
                self._stop.set()
        return count

    def _sample(self, number: int, sample: Sample, asking: ThreadPoolExecutor) -> None:
        if self._stop.is_set() or self._journal.get("sample", sample.id) is not None:
            return
        plan = self._plan
        vault = self._vault(f"{plan.prefix}-{number}") if plan.memory.remembers else ""
        memory = plan.memory.over(sample, vault, self._client)
        remembered = 0
        in_order = sorted(sample.questions, key=lambda one: _after(one, sample))
        for after, some in groupby(in_order, key=lambda one: _after(one, sample)):
            for talk in sample.talks[remembered:after] if vault else ():
                self._remember(vault, sample, talk)
            remembered = after
            _all(asking.submit(self._answer, memory, question) for question in some)
        if self._stop.is_set() or any(one.id in self.refused for one in sample.questions):
            return
        if vault and not plan.keep:
            self._call(lambda: self._client.vault.delete_vault(name=vault, erase=True, timeout_s=600))
        self._journal.put("sample", sample.id, {"questions": len(sample.questions)})
        plan.progress(f"{sample.id}: {len(sample.talks)} sessions, {len(sample.questions)} questions")

    def _vault(self, vault_id: str) -> str:
        plan = self._plan
        made = vault_pb2.Vault(embedding_model=plan.embedding_model)
        try:
            self._call(lambda: self._client.vault.create_vault(parent=plan.parent, vault_id=vault_id, vault=made))
        except MemporiumError as error:
            # This run made it before it was interrupted.
            if error.reason != _ALREADY_EXISTS:
                raise
        return f"{plan.parent}/vaults/{vault_id}"

    def _remember(self, vault: str, sample: Sample, talk: Talk) -> None:
        key = f"{sample.id}/{talk.id}"
        if self._stop.is_set() or self._journal.get("session", key) is not None:
            return
        began = time.perf_counter()
        facts = 0
        for start in range(0, len(talk.turns), _TURNS):
            done = self._call(lambda: self._client.reader.remember(_requests(vault, talk, start), timeout_s=3600))  # noqa: B023 - called at once
            facts += sum(cube.facts for cube in done.cubes)
        record = {"turns": len(talk.turns), "facts": facts, "seconds": round(time.perf_counter() - began, 4)}
        self._journal.put("session", key, record)

    def _answer(self, memory: Memory, question: Question) -> None:
        recalled = self._step("recall", question, lambda: self._found(memory, question))
        plan, answerer = self._plan, self._plan.answerer
        if recalled is None or answerer is None:
            return
        given = prompts.answering(question, recalled["context"])
        self._step("answer", question, lambda: _asked(answerer, *given, max_tokens=plan.answer_tokens))

    def _judge(self, question: Question) -> None:
        plan, judge = self._plan, self._plan.judge
        answered = self._journal.get("answer", question.id)
        if answered is None or judge is None or question.options:
            return
        plain = verdicts.plain(question, answered["text"])
        if plain is not None:
            self._step("verdict", question, lambda: plain)
            return
        given = prompts.judging(question, answered["text"])
        self._step("verdict", question, lambda: verdicts.judged(judge, *given, max_tokens=plan.judge_tokens))

    def _step(self, kind: str, question: Question, do: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """Return what a step brought, or had brought before; None where the run is stopping."""
        found = self._journal.get(kind, question.id)
        if found is not None or self._stop.is_set():
            return found
        with self._calls:
            # What failed while this waited for its turn stops it, too.
            if self._stop.is_set():
                return None
            try:
                found = do()
                self._refusals = self._refusals if kind == "recall" else 0
            except RefusedError as error:
                self.refused[question.id] = str(error)
                self._refusals += 1
                if self._refusals < _MOST_REFUSALS:
                    return None
                self._stop.set()
                raise
            except BaseException:
                self._stop.set()
                raise
        self._journal.put(kind, question.id, found)
        return found

    def _found(self, memory: Memory, question: Question) -> dict[str, Any]:
        began = time.perf_counter()
        found = memory.find(question)
        return {
            "category": question.category,
            "answer": question.answer,
            "unanswerable": question.unanswerable,
            "options": [letter for letter, _text in question.options],
            "evidence": [list(one) for one in question.evidence],
            "sessions": list(question.sessions),
            "found": [list(one) for one in found.places],
            # Kept where a model answers from it, now or after an interruption.
            "context": found.context if self._plan.answerer is not None else "",
            "context_tokens": found.tokens,
            "seconds": round(time.perf_counter() - began, 5),
        }

    def _call(self, do: Callable[[], Any]) -> Any:
        with self._calls:
            return patiently(do)


def _asked(model: Model, instructions: str, material: str, *, max_tokens: int) -> dict[str, Any]:
    reply = model.ask(instructions, material, max_tokens=max_tokens)
    return {
        "text": reply.text.strip(),
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "seconds": round(reply.seconds, 4),
    }


def _all(futures: Iterable[Future[None]]) -> None:
    """Wait for all; what one of them raised is raised then."""
    begun = list(futures)
    wait(begun)
    for one in begun:
        one.result()


def _settled(running: set[Future[None]]) -> set[Future[None]]:
    """Return the futures that still run, once at least one has ended."""
    done, rest = wait(running, return_when="FIRST_COMPLETED")
    for one in done:
        one.result()
    return rest


def _after(question: Question, sample: Sample) -> int:
    return len(sample.talks) if question.after is None else question.after


def _requests(vault: str, talk: Talk, start: int) -> Iterator[remember_pb2.RememberRequest]:
    yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=vault, session=talk.id))
    turns: Sequence[Any] = talk.turns[start : start + _TURNS]
    for index, one in enumerate(turns, start):
        turn = remember_pb2.Turn(id=one.id, speaker=one.speaker, role=one.role, text=one.text, caption=one.caption)
        turn.time.FromDatetime(talk.start)
        turn.time.seconds += index
        yield remember_pb2.RememberRequest(turn=turn)
