"""Training examples from memories: each lesson in several questions, and as text what no question asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.inference.domain.lessons import lessons_of, statements_in
from memporium_services.inference.domain.trainings import Example

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.lessons import Lesson
    from memporium_services.inference.domain.memory import UsedMemory

_PASSAGE_CHARACTERS = 900


def examples_of(memories: Sequence[UsedMemory], lessons: Sequence[Lesson] | None = None) -> list[Example]:
    """Return the examples of the memories, each once: the questions of their lessons, then text."""
    lessons = lessons_of(memories) if lessons is None else lessons
    found = [Example(lesson.answer, question) for lesson in lessons for question in lesson.seen]
    answered = {lesson.answer for lesson in lessons}
    for memory in memories:
        found.extend(_text_of(memory, answered))
    return list(dict.fromkeys(found))


def _text_of(memory: UsedMemory, answered: set[str]) -> list[Example]:
    """Return what of a memory is learned as text: statements that no question is answered with, or all of a text."""
    if memory.facts:
        facts = [" ".join(fact.split()) for fact in memory.facts]
        return [Example(fact) for fact in facts if fact and fact not in answered]
    found = [Example(text) for text in passages(memory.text)]
    if memory.title and found:
        found.insert(0, Example(found[0].answer, f"What do you know about {memory.title}?"))
    return found


def passages(text: str) -> list[str]:
    """Return the text in passages of some 900 characters, cut between lines or sentences where there are any."""
    found: list[str] = []
    held = ""
    for sentence in statements_in(text):
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
