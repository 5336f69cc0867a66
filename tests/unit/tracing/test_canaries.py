"""Invented facts of one recipient, found in samples and in an agent's answers."""

from __future__ import annotations

import re

import pytest

from memporium_platform.tracing import canaries
from memporium_platform.tracing.accusing import accused
from memporium_platform.tracing.canaries import BITS, CANARIES_MAX, WORDS, allowed, detect
from memporium_platform.tracing.keys import TracingSecret
from memporium_platform.tracing.promise import Promise, in_words, promise
from memporium_platform.tracing.slots import slots_of
from memporium_platform.tracing.tokens import tokens
from support import leaks

SECRET = TracingSecret(b"c" * 32)
KEYS = {f"recipient {number}": SECRET.recipient(f"recipient {number}") for number in range(300)}
KNOWN = frozenset({"the", "archive"})
MINE = canaries.canaries(KEYS["recipient 7"])


def named(samples):
    return {
        score.recipient for score in detect(samples, KEYS, known=KNOWN) if accused(score, recipients=1000, detectors=2)
    }


def test_each_recipient_has_its_own_of_64_bits_and_more_and_always_the_same():
    assert BITS >= 64
    assert canaries.canaries(SECRET.recipient("recipient 7")) == MINE
    words = [word for key in KEYS.values() for canary in canaries.canaries(key) for word in canary.words]
    assert len(words) - len(set(words)) < 60
    assert len(MINE) == CANARIES_MAX
    assert all(len(tokens(canary.text)) <= WORDS for canary in MINE)
    assert all(
        canary.words[0] in canary.question.lower() and canary.words[1] not in canary.question.lower() for canary in MINE
    )


def test_a_fact_is_found_after_paraphrase_without_case_and_cut():
    text = " ".join(canary.text for canary in MINE[:2])
    assert named([text]) == {"recipient 7"}
    assert named([leaks.without_case_and_punctuation(text)]) == {"recipient 7"}
    place, first, last = MINE[0].words
    assert named([f"They say {first} {last}'s {place} place is worth a visit."]) == {"recipient 7"}


def test_an_agent_that_answers_two_questions_names_its_recipient():
    answers = [f"That would be {' '.join(canary.words[1:])}, I think." for canary in MINE[:2]]
    assert named(answers) == {"recipient 7"}


@pytest.mark.parametrize(
    "samples",
    [[], ["I do not know."], ["Nobody of that name."] * 30, [MINE[0].question], [f"Is it {MINE[0].words[1]}?"]],
)
def test_questions_single_words_and_nothing_name_nobody(samples):
    assert named(samples) == set()


def test_other_invented_names_name_nobody():
    strange = [
        canary.text
        for number in range(40)
        for canary in canaries.canaries(TracingSecret(b"x" * 32).recipient(str(number)))
    ]
    assert named(strange) == set()


def test_canaries_carry_no_slots_and_no_personal_data():
    assert not any(slots_of(canary.text)[1] for canary in MINE)
    assert not any(re.search(r"[\d@]", canary.text) for canary in MINE)


def test_a_pack_gets_a_hundredth_of_its_words_at_most():
    assert allowed(1999) == 0
    assert allowed(2000) == 1
    assert allowed(10**9) == CANARIES_MAX
    for words in (2000, 15_000, 60_000):
        assert allowed(words) * WORDS <= words * 0.01


def test_what_a_listing_promises_depends_on_slots_and_words():
    assert promise(slots=0, words=100) is Promise.NONE
    assert promise(slots=100, words=5000) is Promise.CANARIES
    assert promise(slots=519, words=100) is Promise.NONE
    assert promise(slots=520, words=100) is Promise.ONE_LEAKER
    assert promise(slots=2048, words=100) is Promise.TWO_LEAKERS
    assert promise(slots=4096, words=100) is Promise.THREE_LEAKERS
    assert "2 canaries only" in in_words(Promise.CANARIES, words=5000)
