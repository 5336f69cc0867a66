"""Reads what a language model answered: JSON, bounded, nothing guessed.

Rules:
    1. The first `{` begins the object; what stands before it (a greeting, a code fence) and after it does not count.
    2. The object is JSON to the letter: no repeated keys, no NaN, no line ends inside strings.
    3. `episode` is text and `facts` a list, or the whole answer is refused; one malformed fact is only itself dropped.
    4. Of an answer that was cut off (its time or its tokens were over) the facts that are whole are read.
    5. The number of a turn may be a number or its digits as text, alone or in a list: small models write each.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from memporium_services.reader.domain.cleaning import clean, clean_line

if TYPE_CHECKING:
    from collections.abc import Sequence

# Longer answers are not read: an episode's own text has some thousand characters.
MOST_CHARS = 65_536
MOST_FACTS = 64
MOST_FACT_CHARS = 400
_LEAST_FACT_CHARS = 8
_MOST_CITED = 8
_MOST_QUERIES = 3
_MOST_QUERY_CHARS = 256
# What models that can be held to a schema are held to; what they write is read as strictly as of all others.
_TEXT = {"type": "string"}
_FACT = {
    "type": "object",
    "properties": {"turn": {"type": "integer"}, "fact": _TEXT},
    "required": ["turn", "fact"],
    "additionalProperties": False,
}


def _object_of(**fields: dict[str, Any]) -> str:
    found = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    return json.dumps(found)


FACTS_SCHEMA = _object_of(facts={"type": "array", "items": _FACT})
TELLING_SCHEMA = _object_of(facts={"type": "array", "items": _FACT}, episode=_TEXT)
QUERIES_SCHEMA = _object_of(queries={"type": "array", "items": _TEXT})
_FACTS = re.compile(r'"facts"\s*:\s*\[')
_NEXT = re.compile(r"\s*,?\s*(?=\{)")
_DIGITS = re.compile(r"\[?([0-9]{1,6})\]?")


class AnswerError(Exception):
    """An answer that cannot be used; its text is the reason in one word."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A fact as a model wrote it, with the numbers of the turns that it names, from 1."""

    text: str
    turns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Telling:
    """What a model made of an episode; `malformed` facts are counted and not read."""

    episode: str
    drafts: tuple[Draft, ...]
    malformed: int = 0

    def behind(self, turns: int) -> Telling:
        """Return what it tells where so many turns stand before those that the model was shown."""
        drafts = (replace(one, turns=tuple(number + turns for number in one.turns)) for one in self.drafts)
        return replace(self, drafts=tuple(drafts))


def read_telling(answer: str, *, cut: bool = False) -> Telling:
    """Return the episode and facts of an answer; `cut`: it may end anywhere.

    Raises:
        AnswerError: There are none to be read.
    """
    try:
        found = _object(answer)
    except AnswerError:
        if not cut or not (whole := _whole_facts(answer)):
            raise
        found = {"facts": whole}
    episode, facts = found.get("episode", ""), found.get("facts", [])
    if not isinstance(episode, str) or not isinstance(facts, list) or not (episode.strip() or facts):
        raise AnswerError("shape")
    drafts = [draft for one in facts[:MOST_FACTS] if (draft := _draft(one)) is not None]
    return Telling(clean(episode), tuple(dict.fromkeys(drafts)), len(facts) - len(drafts))


def together(tellings: Sequence[Telling], *, whole: bool) -> Telling:
    """Return what several tell as one; prose only where each has some and they are the `whole`."""
    prose = [one.episode for one in tellings] if whole else [""]
    return Telling(
        " ".join(prose) if all(prose) else "",
        tuple(dict.fromkeys(draft for one in tellings for draft in one.drafts)),
        sum(one.malformed for one in tellings),
    )


def read_queries(answer: str, question: str) -> tuple[str, ...]:
    """Return the questions of an answer, at most three, none the asked one.

    Raises:
        AnswerError: There are none to be read.
    """
    given = _object(answer).get("queries")
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise AnswerError("shape")
    cleaned = dict.fromkeys(clean_line(one) for one in given)
    found = [one for one in cleaned if one and len(one) <= _MOST_QUERY_CHARS and one.lower() != question.lower()]
    if not found:
        raise AnswerError("shape")
    return tuple(found[:_MOST_QUERIES])


def _object(answer: str) -> dict[str, Any]:
    if len(answer) > MOST_CHARS:
        raise AnswerError("too_long")
    start = answer.find("{")
    if start < 0:
        raise AnswerError("no_json")
    try:
        found, _end = _DECODER.raw_decode(answer, start)
    # Deeply nested arrays exhaust the stack of the reader, huge numbers its limit of digits (a ValueError).
    except (ValueError, RecursionError) as error:
        raise AnswerError("bad_json") from error
    if not isinstance(found, dict):
        raise AnswerError("shape")
    return found


def _whole_facts(answer: str) -> list[Any]:
    """Return the facts of an answer that was cut off, as far as they are whole."""
    begun = _FACTS.search(answer[:MOST_CHARS])
    if begun is None:
        return []
    found: list[Any] = []
    at = begun.end()
    while len(found) < MOST_FACTS and (start := _NEXT.match(answer, at)):
        try:
            one, at = _DECODER.raw_decode(answer, start.end())
        except (ValueError, RecursionError):
            break
        found.append(one)
    return found


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unrepeated, parse_constant=_no_constant)


def _draft(given: Any) -> Draft | None:
    if not isinstance(given, dict):
        return None
    text, turns = given.get("fact"), given.get("turn", given.get("turns"))
    turns = turns if isinstance(turns, list) else [turns]
    if not isinstance(text, str) or not 1 <= len(turns) <= _MOST_CITED:
        return None
    numbers = [_number(one) for one in turns]
    text = clean_line(text)
    if None in numbers or not _LEAST_FACT_CHARS <= len(text) <= MOST_FACT_CHARS:
        return None
    return Draft(text, tuple(dict.fromkeys(one for one in numbers if one is not None)))


def _number(given: Any) -> int | None:
    """Return the number of a turn; None: it is none."""
    # True and False are integers in Python, and not in JSON.
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    digits = _DIGITS.fullmatch(given) if isinstance(given, str) else None
    return int(digits[1]) if digits else None
