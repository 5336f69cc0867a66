"""Lets a language model say of which statements a question is likely to be asked, and reorders the best by that.

Statements under an agreement are not shown to the model: what was licensed to be recalled was not licensed to be put
before a model by that. They keep their place among the others. Any failure leaves the ranking as it is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_services.reader.domain.cleaning import clean_line
from memporium_services.reader.domain.likelihood import INSTRUCTION, message_of, reordered
from memporium_services.reader.ports import WriterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.ports import Judge, Tally
    from memporium_services.reader.settings import ReaderSettings

# One statement alone is first whatever is said of it.
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Judged:
    """An order as a model leaves it.

    Attributes:
        order: Indices of the candidates, best first.
        added: (n,) what is added to each candidate's score; None: nothing.
        model: The model; "": none was asked.
        failure: In one word, why what it said could not be used; "": it was, or none was asked.
        took_us: How long that took.
    """

    order: tuple[int, ...]
    added: NDArray[np.float64] | None = None
    model: str = ""
    failure: str = ""
    took_us: int = 0


class Judging:
    """Asks one model, or none."""

    def __init__(self, judge: Judge | None, tally: Tally, settings: ReaderSettings) -> None:
        """Ask `judge`; None: leave every ranking as it is."""
        self._judge, self._tally, self._settings = judge, tally, settings

    async def judge(
        self, question: str, candidates: Sequence[Candidate], scores: NDArray[np.float64], order: Sequence[int]
    ) -> Judged:
        """Return the order with the model's part in the first places."""
        judge, settings = self._judge, self._settings
        head = list(order[: settings.judge_statements])
        own = [index for index in head if not candidates[index].agreement]
        if judge is None or len(own) < _FEWEST:
            return Judged(tuple(order))
        began, failure, added = time.perf_counter_ns(), "", None
        try:
            found = await judge.likelihoods(
                INSTRUCTION,
                [message_of(candidates[index]) for index in own],
                clean_line(question),
                timeout_s=settings.judge_timeout_s,
            )
            sessions = [(one.mount, one.source or one.cube) for one in candidates]
            held = dict(zip(own, found, strict=True))
            added, order = reordered(scores, order, held, head=head, sessions=sessions)
        except WriterError as error:
            failure = str(error)
        took_us = (time.perf_counter_ns() - began) // 1000
        self._tally.answer(use="judge", seconds=took_us / 1e6)
        self._tally.judging(failure=failure)
        return Judged(tuple(order), added, judge.model, failure, took_us)
