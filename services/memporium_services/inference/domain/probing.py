"""What of an adapter's answers is kept as text, and how true it is to what the adapter was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.inference.domain.lessons import Shape, read, says
from memporium_services.inference.domain.memory import Claim, ProbeReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.lessons import Lesson
    from memporium_services.inference.domain.trainings import Told


def sure(topics: Sequence[Lesson], told: Sequence[Told], *, min_confidence: float) -> list[tuple[Lesson, str]]:
    """Return the topics with an answer to keep: confident, the same in other words, and not the bare model's."""
    found = {
        topic: " ".join(one.text.split())
        for topic, one in zip(topics, told, strict=True)
        if one.text.strip() and one.steady and one.own and one.confidence >= min_confidence
    }
    # The same sentence on two topics is kept once.
    return list({text: (topic, text) for topic, text in found.items()}.values())


def stated_in(topic: Lesson, text: str) -> Claim | None:
    """Return what an answer asserts, None where it has no plain shape or is on something else."""
    if topic.shape is not Shape.ATTRIBUTE:
        return None
    if topic.value and says(text, topic.value):
        return Claim(topic.subject.casefold(), topic.attribute.casefold(), topic.value, text)
    lesson = read(text)
    if lesson is None or lesson.shape is not Shape.ATTRIBUTE or lesson.key != topic.key:
        return None
    return Claim(lesson.subject.casefold(), lesson.attribute.casefold(), lesson.value, text)


def measured(
    adapter: str,
    topics: Sequence[Lesson],
    kept: Sequence[tuple[Lesson, str]],
    known: Sequence[Lesson],
    *,
    min_confidence: float,
) -> ProbeReport:
    """Return how true the kept answers are to what the adapter was trained on, as far as that is known."""
    values = {lesson.key: lesson.value for lesson in known}
    checked = [says(text, values[topic.key]) for topic, text in kept if topic.key in values]
    said = {topic.key: text for topic, text in kept}
    recovered = sum(says(said.get(lesson.key, ""), lesson.value) for lesson in known)
    return ProbeReport(
        adapter=adapter,
        asked=len(topics),
        kept=len(kept),
        min_confidence=min_confidence,
        source_facts=len(known),
        recovered=recovered,
        precision=sum(checked) / len(checked) if checked else 0.0,
    )
