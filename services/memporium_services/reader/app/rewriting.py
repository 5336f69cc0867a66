"""Lets a language model rewrite a question that a first search does not suffice for.

Only the question goes to the model, with the names in it that the memory knows: no memory does, so nothing of a
licensed pack is used, and nothing that strangers wrote speaks to the model. Any failure leaves the question as it is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_services.reader.domain.answers import QUERIES_SCHEMA, AnswerError, read_queries
from memporium_services.reader.domain.prompts import REWRITING, question_of
from memporium_services.reader.ports import WriterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.reader.ports import Tally, Writer, Written
    from memporium_services.reader.settings import ReaderSettings


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a model made of a question; `failure` in one word where that could not be used."""

    queries: tuple[str, ...] = ()
    model: str = ""
    failure: str = ""


class Rewriting:
    """Asks one model, or none."""

    def __init__(self, writer: Writer | None, tally: Tally, settings: ReaderSettings) -> None:
        """Ask `writer`; None: rewrite nothing."""
        self._writer, self._tally, self._settings = writer, tally, settings

    async def rewrite(self, question: str, names: Sequence[str]) -> Rewritten:
        """Return other wordings of a question; none where no model gives any."""
        writer, settings = self._writer, self._settings
        if writer is None:
            return Rewritten()
        began, failure = time.monotonic(), ""
        queries: tuple[str, ...] = ()
        try:
            written = await writer.write(
                REWRITING,
                question_of(question, names),
                max_tokens=settings.rewriter_max_tokens,
                timeout_s=settings.rewriter_timeout_s,
                schema=QUERIES_SCHEMA,
            )
            self._tally.tokens(use="rewrite", read=written.prompt_tokens, written=written.completion_tokens)
            queries = _queries(written, question)
        except (WriterError, AnswerError) as error:
            failure = str(error)
        self._tally.answer(use="rewrite", seconds=time.monotonic() - began)
        self._tally.rewriting(failure=failure)
        return Rewritten(queries, writer.model, failure)


def _queries(written: Written, question: str) -> tuple[str, ...]:
    try:
        return read_queries(written.text, question)
    except AnswerError:
        # Why it ends before its end says more than what that leaves.
        if written.cut:
            raise WriterError(written.cut) from None
        raise
