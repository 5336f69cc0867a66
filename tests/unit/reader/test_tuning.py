"""Weights are chosen on other dialogues than the one that is asked about."""

from __future__ import annotations

from datetime import UTC, datetime

from memporium_services.reader.app import weighing
from memporium_services.reader.domain.candidates import Candidate
from memporium_services.reader.domain.question import analyse
from memporium_services.reader.domain.ranking import Levers
from support import tuning
from support.yardstick import Asked

NOW = datetime(2024, 5, 1, tzinfo=UTC)
_WORDS = "ash oak elm fir yew bay fig nut gum tea hop pea rye oat box".split()  # noqa: SIM905 - a list of words

_OTHERS = 7


def _recorded(recorder: tuning.Recorder, dialogue: str, *, own: bool) -> list[tuning.Recorded]:
    """Record questions whose answer the own leg finds, or the context leg; the other one finds seven others."""
    right, wrong = ("own", "context") if own else ("context", "own")
    found = []
    for turn in range(11, 15):
        candidates = [
            Candidate(
                f"{dialogue}-{number}",
                0,
                f"The {word} stood.",
                locator=f"D{number}:1",
                legs={right: float(number == turn), wrong: float(number < _OTHERS)},
            )
            for number, word in enumerate(_WORDS)
        ]
        asked = Asked("What grew?", 4, (f"D{turn}:1",))
        weighing.rank(candidates, analyse(asked.text, NOW), names=(), levers=Levers())
        sessions = {one.locator: f"session_{number}" for number, one in enumerate(candidates)}
        found.append(recorder.last(dialogue, asked, sessions))
    return found


def test_what_one_dialogue_needs_is_not_chosen_for_it_but_for_the_others():
    plain = weighing.rank
    with tuning.Recorder() as recorder:
        kinds = {"one": True, "two": True, "three": False}
        recorded = [one for name, own in kinds.items() for one in _recorded(recorder, name, own=own)]
    assert weighing.rank is plain
    found = tuning.by_folds(recorded)
    assert found["n"] == len(recorded)
    # The third is asked with what the first two need, and that is the opposite of what it needs.
    weights = found["chosen"]["three"]["weights"]
    assert weights["own"] > weights["context"]
    chosen = tuning.Chosen(tuning.Weights(own=0.8, dense=0, focus=0, context=0))
    assert [tuning.result(one, chosen).ranks for one in recorded[:4]] == [(1,)] * 4
    assert all(tuning.result(one, chosen).ranks != (1,) for one in recorded[8:])


def test_moves_switch_a_lever_or_change_one_weight():
    begin = tuning.start()
    assert [one.levers.adaptive_fusion for one in tuning.moves(begin, "adaptive_fusion")] == [False]
    assert [one.weights.own for one in tuning.moves(begin, "own")] == [0.0, 0.1, 0.4]
    none = next(tuning.moves(begin, "speaker"))
    assert [one.weights.speaker for one in tuning.moves(none, "speaker")] == [0.05, 0.1]
