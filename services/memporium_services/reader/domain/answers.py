"""Reads what a language model answered: strict JSON, bounded, nothing guessed.

Rules:
    1. The first `{` begins the object; what stands before it (a greeting, a code fence) and after it does not count.
    2. The object is JSON to the letter: no repeated keys, no NaN, no line ends inside strings, not cut off.
    3. `episode` is text and `facts` a list, or the whole answer is refused; one malformed fact is only itself dropped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from memporium_services.reader.domain.cleaning import clean, clean_line

# Longer answers are not read: an episode's own text has some thousand characters.
MOST_CHARS = 65_536
MOST_FACTS = 64
MOST_FACT_CHARS = 400
_LEAST_FACT_CHARS = 8
_MOST_CITED = 8
_MOST_QUERIES = 3
_MOST_QUERY_CHARS = 256


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


def read_telling(answer: str) -> Telling:
    """Return the episode and facts of an answer.

    Raises:
        AnswerError: There are none to be read.
    """
    found = _object(answer)
    episode, facts = found.get("episode", ""), found.get("facts", [])
    if not isinstance(episode, str) or not isinstance(facts, list) or not (episode.strip() or facts):
        raise AnswerError("shape")
    drafts = [draft for one in facts[:MOST_FACTS] if (draft := _draft(one)) is not None]
    return Telling(clean(episode), tuple(dict.fromkeys(drafts)), len(facts) - len(drafts))


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
    decoder = json.JSONDecoder(object_pairs_hook=_unrepeated, parse_constant=_no_constant)
    try:
        found, _end = decoder.raw_decode(answer, start)
    # Deeply nested arrays exhaust the stack of the reader, huge numbers its limit of digits (a ValueError).
    except (ValueError, RecursionError) as error:
        raise AnswerError("bad_json") from error
    if not isinstance(found, dict):
        raise AnswerError("shape")
    return found


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _draft(given: Any) -> Draft | None:
    if not isinstance(given, dict):
        return None
    text, turns = given.get("fact"), given.get("turns")
    if not isinstance(text, str) or not isinstance(turns, list) or not 1 <= len(turns) <= _MOST_CITED:
        return None
    # True and False are integers in Python, and not in JSON.
    if not all(isinstance(one, int) and not isinstance(one, bool) for one in turns):
        return None
    text = clean_line(text)
    return Draft(text, tuple(dict.fromkeys(turns))) if _LEAST_FACT_CHARS <= len(text) <= MOST_FACT_CHARS else None
