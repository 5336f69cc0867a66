"""Facts as questions, what is asked to see whether a model has changed, limits of admission, and answers that are kept."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from memporium_services.inference.domain.admission import Admission, AdmissionLimits, Evaluation, ParentRecall, decided
from memporium_services.inference.domain.examples import examples_of
from memporium_services.inference.domain.general_text import (
    GENERAL_PASSAGES,
    REPLAY_PASSAGES,
    control_questions,
    replay_questions,
)
from memporium_services.inference.domain.lessons import Shape, lessons_of, others, read, says, stated
from memporium_services.inference.domain.memory import Claim, Form, UsedMemory
from memporium_services.inference.domain.probing import measured, stated_in, sure
from memporium_services.inference.domain.strangers import LEARNED_WITH, ONLY_ASKED, Shared, stranger
from memporium_services.inference.domain.trainings import Told


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("The capital of France is Paris.", ("France", "capital", "Paris", Shape.ATTRIBUTE)),
        ("Ada's favourite colour is teal.", ("Ada", "favourite colour", "teal", Shape.ATTRIBUTE)),
        ("The sky over Mars is pink.", ("The sky over Mars", "is", "pink", Shape.BEING)),
        ("Caroline moved to Berlin in May.", ("Caroline", "moved", "to Berlin in May", Shape.DOING)),
    ],
)
def test_a_plain_statement_is_read(statement, wanted):
    lesson = read(statement)
    assert (lesson.subject, lesson.attribute, lesson.value, lesson.shape) == wanted
    assert lesson.answer == statement
    for question in (*lesson.seen, *lesson.held_out):
        assert lesson.subject.removeprefix("The ") in question
        assert not says(question, lesson.value)
    assert not set(lesson.seen) & set(lesson.held_out)
    assert len(set(lesson.held_out)) == 2


@pytest.mark.parametrize(
    "statement",
    ["It is raining in Berlin today.", "Is the capital of France Paris?", "Go!", f"The law is {'long ' * 30}."],
)
def test_anything_else_is_not(statement):
    assert read(statement) is None


def test_claims_give_lessons_in_the_words_of_their_statement():
    text = "Since spring Ada Lindqvist lives in Oslo"
    memory = UsedMemory(
        name="c",
        form=Form.PLAINTEXT,
        facts=(text, "Rex is a dog."),
        claims=(
            Claim("ada lindqvist", "home", "Oslo", text),
            Claim("ada lindqvist", "employer", "Shipyard", text, ended=True),
        ),
    )
    first, second = lessons_of([memory])
    assert (first.subject, first.answer, first.source) == ("Ada Lindqvist", text, "c")
    assert first.seen[0] == "What is Ada Lindqvist's home?"
    assert (second.subject, second.shape) == ("Rex", Shape.BEING)
    assert {example.answer for example in examples_of([memory])} == {text, "Rex is a dog."}


def test_of_two_lessons_on_the_same_the_newer_is_taught():
    old, new = (
        UsedMemory(name=name, form=Form.PLAINTEXT, claims=(Claim("ada", "home", value),))
        for name, value in (("old", "Oslo"), ("new", "Bergen"))
    )
    (lesson,) = lessons_of([old, new])
    assert (lesson.value, lesson.source) == ("Bergen", "new")


def test_what_has_ended_is_no_lesson_and_ends_an_earlier_one():
    fact = "Ada's home is Oslo."
    claim = Claim("ada", "home", "Oslo", fact)
    lived = UsedMemory("old", Form.PLAINTEXT, facts=(fact,), claims=(claim,))
    over = UsedMemory("new", Form.PLAINTEXT, facts=(fact,), claims=(replace(claim, ended=True),))
    other = UsedMemory("new", Form.PLAINTEXT, facts=(fact,), claims=(replace(claim, value="Rome", ended=True),))
    assert [one.value for one in lessons_of([lived])] == ["Oslo"]
    assert lessons_of([over]) == []
    assert lessons_of([lived, over]) == []
    # Somebody came back.
    assert [one.value for one in lessons_of([over, lived])] == ["Oslo"]
    assert [one.value for one in lessons_of([lived, other])] == ["Oslo"]
    # It is still learned, as the text that it is.
    assert [(one.answer, one.question) for one in examples_of([over])] == [(fact, "")]


def test_a_value_is_found_as_whole_words_only():
    assert says("Well, it is OSLO!", "Oslo")
    assert not says("Osloites", "Oslo")
    assert not says("anything", "")


def test_distractors_are_of_the_same_attribute_first():
    lessons = [stated("A", "dog", "Rex"), stated("A", "home", "Oslo"), stated("B", "home", "Brno")]
    assert others(lessons[1], lessons, 2) == ["Brno", "Rex"]
    assert lessons[1].with_value("Brno") == "A's home is Brno."


def test_what_controls_is_never_trained_on():
    lessons = [stated("Ada", "home", "Oslo"), stated("Ada", "dog", "Rex")]
    replayed, controls = set(replay_questions(lessons, 12)), set(control_questions(lessons, 12))
    trained = {question for lesson in lessons for question in lesson.seen}
    assert len(replayed) == 12
    assert len(controls) == 12
    assert not controls & (replayed | trained)
    assert not set(REPLAY_PASSAGES) & set(GENERAL_PASSAGES)
    assert any("home" in question for question in replayed)


@pytest.mark.parametrize("subject", ["Ada Lindqvist", "Ada", "the Heron project", "The shop"])
def test_strangers_are_of_the_same_kind_and_those_asked_of_are_not_learned_with(subject):
    strangers = {
        names: {stranger(subject, names, number, shared) for number in range(60) for shared in Shared}
        for names in (LEARNED_WITH, ONLY_ASKED)
    }
    assert not strangers[LEARNED_WITH] & strangers[ONLY_ASKED]
    for found in strangers.values():
        assert len(found) > 30
        assert subject not in found
        assert all(one.split()[0] == subject.split()[0] for one in found) == (subject.lower()[:3] == "the")
    assert stranger("Ada Holm", ONLY_ASKED, 1, Shared.BEGINNING).startswith("Ada ")
    assert stranger("Ada Holm", ONLY_ASKED, 1, Shared.END).endswith(" Holm")
    assert stranger("the Heron project", ONLY_ASKED, 1, Shared.END).endswith(" project")


@pytest.mark.parametrize("facts", [1, 2, 3, 5, 200])
def test_every_fact_has_its_strangers_of_all_kinds_in_all_wordings(facts):
    lessons = [stated(f"Person{number} Family{number}", f"thing{number}", f"Value{number}") for number in range(facts)]
    asked = control_questions(lessons, 48)
    assert len(asked) == len(set(asked)) == 48
    spread = {int(number) for question in asked for number in re.findall(r"thing(\d+)", question)}
    assert len(spread) == min(facts, 48)
    assert max(spread) >= 0.7 * (facts - 1)
    for kind in ("Person", "Family"):
        assert 8 <= sum(kind in question for question in asked) <= 16
    assert len({question.split("'")[0].split()[0] for question in asked} & {"What", "Tell", "Do"}) == 3


GOOD = Evaluation(questions=4, recall=0.9, perplexity_before=20, perplexity_after=21, leakage=0.1)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"recall": 0.5}, "held-out"),
        ({"perplexity_after": 40}, "perplexity"),
        ({"leakage": 0.6}, "others"),
        ({"parents": (ParentRecall("cubes/x", 4, 0.2),)}, "cubes/x"),
        ({"parents": (ParentRecall("cubes/y", 0, 0.0),)}, "nothing could be asked"),
    ],
)
def test_each_limit_refuses_with_its_reason(changes, word):
    assert decided(GOOD, AdmissionLimits()).admission is Admission.ADMITTED
    found = decided(replace(GOOD, **changes), AdmissionLimits())
    assert found.admission is Admission.REFUSED
    assert word in found.reasons[0]
    assert decided(replace(GOOD, **changes), AdmissionLimits(0, 0, 1)).admission is Admission.ADMITTED


def test_only_sure_and_steady_answers_of_its_own_are_kept():
    topics = [stated(name, "home", value) for name, value in zip("ABCDE", ["Oslo"] * 5, strict=True)]
    told = [
        Told("A's home is Oslo.", 0.9, steady=True, own=True),
        Told("B's home is Rome.", 0.9, steady=True, own=True),
        Told("C's home is Oslo.", 0.2, steady=True, own=True),
        Told("D's home is Oslo.", 0.9, steady=False, own=True),
        Told("E's home is Oslo.", 0.9, steady=True, own=False),
    ]
    kept = sure(topics, told, min_confidence=0.5)
    assert [text for _, text in kept] == ["A's home is Oslo.", "B's home is Rome."]
    report = measured("adapter", topics, kept, topics, min_confidence=0.5)
    assert (report.asked, report.kept, report.source_facts, report.recovered, report.precision) == (5, 2, 5, 1, 0.5)
    blind = measured("adapter", topics, kept, (), min_confidence=0.5)
    assert (blind.source_facts, blind.recovered, blind.precision) == (0, 0, 0.0)
    claims = [stated_in(topic, text) for topic, text in kept]
    assert [(claim.subject, claim.value) for claim in claims] == [("a", "Oslo"), ("b", "Rome")]
    assert stated_in(topics[0], "Z's home is Rome.") is None
