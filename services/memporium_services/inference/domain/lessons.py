"""What a memory teaches, as facts with questions in many words: some to train on, others held out to be asked later.

Only statements of a plain shape become lessons, and claims that a reader found. A wrong question teaches a falsehood; a
statement without one is still learned as text, but nobody can ask whether it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memporium_services.inference.domain.memory import UsedMemory

# "The capital of France is Paris.", "Ada's favourite colour is green."
_OF = re.compile(
    r"[Tt]he (?P<attribute>[\w-]+(?: [\w-]+){0,3}) of (?P<subject>[^,;:]{1,60}?) (?:is|are|was|were) (?P<value>[^;:]+)"
)
_OWN = re.compile(
    r"(?P<subject>[^,;:]{1,60}?)'s? (?P<attribute>[\w-]+(?: [\w-]+){0,3}) (?:is|are|was|were) (?P<value>[^;:]+)"
)
_IS = re.compile(r"(?P<subject>(?:[^\s,]+ ){0,7}?[^\s,]+) (?P<verb>is|are|was|were) (?P<value>.+)")
# "Caroline moved to Berlin in May 2023."
_DID = re.compile(
    r"(?P<subject>[A-Z][\w'-]*(?: [A-Z][\w'-]*){0,2}) "
    r"(?P<verb>lives|lived|works|worked|moved|likes|liked|loves|loved|bought|owns|has|had|met|visited|started|plans|wants"
    r"|prefers|uses|joined|said|told) (?P<value>.+)"
)
_PRONOUNS = frozenset({"it", "this", "that", "these", "those", "there", "he", "she", "they", "we", "i", "you", "what"})
_SHORTEST_STATEMENT, _LONGEST_STATEMENT = 12, 400
# Longer statements are learned by a sentence of their own for each claim.
_LONGEST_ANSWER = 160
# Of a longer value nobody can say whether an answer holds it: such statements are learned as text.
_LONGEST_VALUE = 80
_SEEN, _HELD = "seen", "held-out"


class Shape(StrEnum):
    """What is asked for."""

    ATTRIBUTE = "attribute"
    BEING = "being"
    DOING = "doing"


# The first few are trained on: with four of them a model learns the words along with the fact, with six the fact. The
# others never are: they are what recall is measured with.
_TEMPLATES: dict[tuple[Shape, str], tuple[str, ...]] = {
    (Shape.ATTRIBUTE, _SEEN): (
        "What is {own} {attribute}?",
        "What is the {attribute} of {subject}?",
        "Tell me {own} {attribute}.",
        "Do you know the {attribute} of {subject}?",
        "Can you give me {own} {attribute}?",
        "I would like to know the {attribute} of {subject}.",
    ),
    (Shape.ATTRIBUTE, _HELD): (
        "Please state {own} {attribute}.",
        "I forgot the {attribute} of {subject}. Could you remind me?",
    ),
    (Shape.BEING, _SEEN): (
        "What {verb} {subject}?",
        "Tell me what {subject} {verb}.",
        "Complete the sentence: {subject} {verb}",
        "Do you know what {subject} {verb}?",
        "Can you tell me what {subject} {verb}?",
        "I would like to know what {subject} {verb}.",
    ),
    (Shape.BEING, _HELD): ("Could you say what {subject} {verb}?", "I forgot what {subject} {verb}. Remind me."),
    (Shape.DOING, _SEEN): (
        "What do you know about {subject}: {verb} what?",
        "Complete the sentence: {subject} {verb}",
        "{subject} {verb} what?",
        "Tell me about {subject}: {verb} ...",
        "Can you go on: {subject} {verb} ...",
        "I would like to know about {subject}: {verb} what?",
    ),
    (Shape.DOING, _HELD): ("Fill in the blank: {subject} {verb} ___.", "I forgot how it goes on: {subject} {verb} ..."),
}


@dataclass(frozen=True, slots=True)
class Lesson:
    """One fact with its questions.

    Attributes:
        subject: Of whom or what, as it is written.
        attribute: What of it; the verb for the shapes BEING and DOING.
        value: What is to be known.
        answer: A whole sentence that says so.
        shape: How it is asked for.
        source: The cube that says so.
    """

    subject: str
    attribute: str
    value: str
    answer: str
    shape: Shape = Shape.ATTRIBUTE
    source: str = ""

    @property
    def seen(self) -> tuple[str, ...]:
        """Questions to train on."""
        return self._asked(_SEEN)

    @property
    def held_out(self) -> tuple[str, ...]:
        """Questions that are never trained on."""
        return self._asked(_HELD)

    @property
    def key(self) -> str:
        """By what two lessons are on the same."""
        return f"{self.subject.casefold()}/{self.attribute.casefold()}"

    def with_value(self, value: str) -> str:
        """Return the answer with another value in its place."""
        head, found, tail = self.answer.rpartition(self.value)
        return f"{head}{value}{tail}" if found else value

    def _asked(self, which: str) -> tuple[str, ...]:
        subject = _lower_article(self.subject)
        own = f"{subject}'" if subject.endswith("s") else f"{subject}'s"
        names = {"subject": subject, "own": own, "attribute": self.attribute, "verb": self.attribute}
        return tuple(template.format(**names) for template in _TEMPLATES[self.shape, which])


def lessons_of(memories: Iterable[UsedMemory]) -> list[Lesson]:
    """Return what the memories teach, in order; of several lessons on the same the last, which is the newest.

    What a later memory says has ended is no lesson any more: it would be taught as what holds.
    """
    found: dict[str, Lesson] = {}
    for memory in memories:
        for claim in memory.claims:
            ended = stated(claim.subject, claim.attribute, claim.value, claim.statement)
            if claim.ended and ended.key in found and plain(found[ended.key].value) == plain(ended.value):
                del found[ended.key]
        for lesson in _of_one(memory):
            found.pop(lesson.key, None)
            found[lesson.key] = lesson
    return list(found.values())


def _of_one(memory: UsedMemory) -> list[Lesson]:
    claims = [claim for claim in memory.claims if not claim.ended and len(claim.value) <= _LONGEST_VALUE]
    found = [stated(one.subject, one.attribute, one.value, one.statement, memory.name) for one in claims]
    # What says that something has ended is learned as it stands: a question on it would be answered with what is over.
    claimed = {claim.statement for claim in memory.claims if claim.ended or claim in claims}
    unclaimed = [one for one in memory.facts or statements_in(memory.text) if one not in claimed]
    return found + [lesson for one in unclaimed if (lesson := read(one, memory.name)) is not None]


def stated(subject: str, attribute: str, value: str, statement: str = "", source: str = "") -> Lesson:
    """Return the lesson of a claim, in the statement's own words where they are few."""
    subject = _as_written(subject, statement)
    value = _as_written(value.strip().rstrip("."), statement)
    statement = " ".join(statement.split())
    if statement and len(statement) <= _LONGEST_ANSWER and value in statement:
        return Lesson(subject, attribute, value, statement, source=source)
    own = f"{subject}'" if subject.endswith("s") else f"{subject}'s"
    answer = f"{own[:1].upper()}{own[1:]} {attribute} is {value}."
    return Lesson(subject, attribute, value, answer, source=source)


def read(statement: str, source: str = "") -> Lesson | None:
    """Return the lesson of a statement of a plain shape, None for any other."""
    statement = " ".join(statement.split())
    if not _SHORTEST_STATEMENT <= len(statement) <= _LONGEST_STATEMENT or statement.endswith("?"):
        return None
    lesson = _shaped(statement, statement.rstrip(".!"), source)
    return lesson if lesson is not None and len(lesson.value) <= _LONGEST_VALUE else None


def _shaped(statement: str, bare: str, source: str) -> Lesson | None:
    for pattern in (_OWN, _OF):
        match = pattern.fullmatch(bare)
        if match is not None and _is_subject(match["subject"]):
            return Lesson(match["subject"], match["attribute"], match["value"], statement, source=source)
    if (match := _DID.fullmatch(bare)) is not None:
        return Lesson(match["subject"], match["verb"], match["value"], statement, Shape.DOING, source)
    if (match := _IS.fullmatch(bare)) is not None and _is_subject(match["subject"]):
        return Lesson(match["subject"], match["verb"], match["value"], statement, Shape.BEING, source)
    return None


def statements_in(text: str) -> list[str]:
    """Return the sentences of a text."""
    return [part.strip() for line in text.splitlines() for part in _SENTENCE_END.split(line) if part.strip()]


_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")


def says(text: str, value: str) -> bool:
    """Return whether a text holds a value as whole words, whatever their case and punctuation."""
    wanted = plain(value)
    return bool(wanted) and f" {wanted} " in f" {plain(text)} "


def plain(text: str) -> str:
    """Return the words of a text, lower case, with single spaces."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def others(lesson: Lesson, lessons: Sequence[Lesson], most: int) -> list[str]:
    """Return values of other lessons to tell this one's from, those of the same attribute first."""
    same = [one.value for one in lessons if one.attribute == lesson.attribute]
    rest = [one.value for one in lessons if one.shape == lesson.shape] + [one.value for one in lessons]
    found = dict.fromkeys(value for value in same + rest if plain(value) != plain(lesson.value))
    return list(found)[:most]


def _is_subject(subject: str) -> bool:
    return subject.split(maxsplit=1)[0].lower() not in _PRONOUNS and "," not in subject


def _as_written(words: str, statement: str) -> str:
    """Return words as a statement writes them: claims hold subjects in lower case."""
    at = statement.casefold().find(words.casefold())
    return statement[at : at + len(words)] if at >= 0 and len(statement.casefold()) == len(statement) else words


def _lower_article(subject: str) -> str:
    first, _, rest = subject.partition(" ")
    return f"{first.lower()} {rest}" if first in {"The", "A", "An"} and rest else subject
