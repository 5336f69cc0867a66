"""Training examples from memories: question-answer pairs by rules where a statement has a plain shape, else the text.

The rules are few and exact rather than many and loose: a wrong pair teaches a falsehood, a missed one only costs a
passage of plain text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memporium_services.inference.domain.values import Example

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.memory import UsedMemory

# "The capital of France is Paris." A subject of at most eight words without a verb of its own before it.
_IS = re.compile(r"(?P<subject>(?:\S+ ){0,7}?\S+) (?P<verb>is|are|was|were) (?P<rest>.+)")
# "Caroline moved to Berlin in May 2023."
_DID = re.compile(
    r"(?P<subject>[A-Z][\w'-]*(?: [A-Z][\w'-]*){0,2}) "
    r"(?P<verb>lives|lived|works|worked|moved|likes|liked|loves|loved|bought|owns|has|had|met|visited|started|plans|wants"
    r"|prefers|uses|joined|said|told) (?P<rest>.+)"
)
_PRONOUNS = frozenset({"it", "this", "that", "these", "those", "there", "he", "she", "they", "we", "i", "you", "what"})
_LONGEST_STATEMENT = 400
_SHORTEST_SENTENCE = 12
_PASSAGE_CHARACTERS = 900
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")


def examples_of(memories: Sequence[UsedMemory]) -> list[Example]:
    """Return the examples of the memories, in order, each once."""
    found: list[Example] = []
    for memory in memories:
        found.extend(_of_one(memory))
    return list(dict.fromkeys(found))


def _of_one(memory: UsedMemory) -> list[Example]:
    statements = list(memory.facts) or _sentences(memory.text)
    pairs = [pair for statement in statements if (pair := question_of(statement)) is not None]
    if memory.facts:
        asked = {pair.answer for pair in pairs}
        return pairs + [Example(fact.strip()) for fact in memory.facts if fact.strip() and fact.strip() not in asked]
    if memory.title and memory.text.strip():
        opening = passages(memory.text)[0]
        pairs.insert(0, Example(opening, f"What do you know about {memory.title}?"))
    return pairs + [Example(text) for text in passages(memory.text)]


def question_of(statement: str) -> Example | None:
    """Return a question that the statement answers, or None where no rule fits it."""
    statement = " ".join(statement.split())
    if not _SHORTEST_SENTENCE <= len(statement) <= _LONGEST_STATEMENT or statement.endswith("?"):
        return None
    if (match := _DID.fullmatch(statement)) is not None:
        return Example(statement, f"What do you know about {match['subject']}: {match['verb']} what?")
    if (match := _IS.fullmatch(statement)) is not None:
        subject = match["subject"]
        if subject.split()[0].lower() in _PRONOUNS or "," in subject:
            return None
        return Example(statement, f"What {match['verb']} {_lower_article(subject)}?")
    return None


def _lower_article(subject: str) -> str:
    first, _, rest = subject.partition(" ")
    return f"{first.lower()} {rest}" if first in {"The", "A", "An"} and rest else subject


def _sentences(text: str) -> list[str]:
    return [
        sentence.strip() for line in text.splitlines() for sentence in _SENTENCE_END.split(line) if sentence.strip()
    ]


def passages(text: str) -> list[str]:
    """Return the text in passages of some 900 characters, cut between lines or sentences where there are any."""
    found: list[str] = []
    held = ""
    for sentence in _sentences(text):
        if held and len(held) + len(sentence) > _PASSAGE_CHARACTERS:
            found.append(held)
            held = ""
        held = f"{held} {sentence}".strip()
        while len(held) > _PASSAGE_CHARACTERS:
            found.append(held[:_PASSAGE_CHARACTERS])
            held = held[_PASSAGE_CHARACTERS:]
    if held:
        found.append(held)
    return found
