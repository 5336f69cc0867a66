"""Marks read out of copies that were attacked."""

from __future__ import annotations

from pydoc_data import topics

import pytest

from memporium_platform.tracing.accusing import accused, scored
from memporium_platform.tracing.code import biases, bits, profile_for
from memporium_platform.tracing.keys import TracingSecret
from memporium_platform.tracing.reading import SlotIndex
from memporium_platform.tracing.slots import slots_of
from support import leaks

TEXTS = [part for topic in topics.topics.values() for part in topic.split("\n\n") if ">>>" not in part][:2200]
SECRET = TracingSecret(b"r" * 32)
KEYS = {f"recipient {number}": SECRET.recipient(f"recipient {number}") for number in range(20)}
INDEX = SlotIndex(TEXTS)
PROFILE = profile_for(len(INDEX.contexts))


def code_of(name):
    ids = SECRET.slot_ids(INDEX.contexts)
    drawn = bits(KEYS[name], ids, biases(SECRET, ids, PROFILE))
    return {context: int(bit) for context, bit in zip(INDEX.contexts, drawn, strict=True)}


def traced(samples):
    found = INDEX.read(samples)
    ids = SECRET.slot_ids(found.contexts)
    scores = scored(KEYS, ids, found.evidence, biases(SECRET, ids, PROFILE), detector="text")
    return {score.recipient for score in scores if accused(score, recipients=len(KEYS), detectors=1)}


SLOTTED = [(text, slots_of(text)[1]) for text in TEXTS]


def copy_of(*names, how="mixed"):
    return leaks.colluded(SLOTTED, [code_of(name) for name in names], how, leaks.generator(3))


def test_a_copy_names_its_recipient_and_reads_as_it_was_written():
    copy = copy_of("recipient 4")
    assert traced(copy) == {"recipient 4"}
    found, code = INDEX.read(copy), code_of("recipient 4")
    right = sum(
        (share > 0.5) == bool(code[context]) for context, share in zip(found.contexts, found.evidence, strict=True)
    )
    assert right / len(found.contexts) > 0.97
    assert len(found.contexts) > 0.95 * len(INDEX.contexts)


@pytest.mark.parametrize(
    "attack",
    [
        lambda copy, _rng: [leaks.without_case_and_punctuation(" ".join(copy))],
        lambda copy, rng: leaks.rechunked(copy, 29, rng),
        lambda copy, rng: [leaks.with_invisible(text, rng) for text in copy],
        lambda copy, rng: rng.sample(copy, len(copy) // 3),
        lambda copy, rng: [leaks.rewritten(text, 0.3, rng) for text in copy],
        leaks.hard,
    ],
    ids=["folded", "cut anew", "invisible", "a third", "rewritten", "all at once"],
)
def test_an_attacked_copy_names_its_recipient_and_nobody_else(attack):
    assert traced(attack(copy_of("recipient 9"), leaks.generator(5))) == {"recipient 9"}


def test_two_leakers_are_named():
    found = traced(copy_of("recipient 1", "recipient 2"))
    assert found
    assert found <= {"recipient 1", "recipient 2"}


def test_what_nobody_got_names_nobody():
    assert traced(TEXTS) == set()
    assert (
        traced(["We went to the beach, and I really think that it was a lovely day for the kids. Thanks!"] * 50)
        == set()
    )
    assert traced([]) == set()


def test_invisible_characters_count_for_nothing():
    rng = leaks.generator(1)
    copy = copy_of("recipient 3")[:400]
    clean = INDEX.read(copy)
    dirty = INDEX.read([leaks.with_invisible(text, rng) for text in copy])
    assert dirty.contexts == clean.contexts
    assert (dirty.evidence == clean.evidence).all()
