"""Holds what a language model wrote against the turns that it was written from. Deterministic: no model judges a model.

A fact counts as grounded where all of this holds for one sentence of the turns that it names, with two turns before
them for what their words refer to:

Rules:
    1. Every number and every name in it stands in those turns, or is a speaker, or the date that words for times mean.
    2. Four of five of its other words stand there, half of them in the turns that it names.
    3. The sentence denies and asks exactly where the fact does, and is no less certain than it.
    4. A sentence in the first person is told of its speaker, and of nobody else; so is one that names nobody and
       speaks to nobody ("Had an audition yesterday"), where the fact is told of one who speaks at all.
    5. Names and numbers that the fact shares with the sentence stand in the same order in both: who gave whom how many.
    6. Where the sentence tells a time, a time in the fact is that one: of "yesterday" not the day of the turn.
    7. No turn that speaks to the model ("ignore your instructions") grounds anything.

Small models miscount: where the turns that they name say nothing of a fact, the two other turns that hold most of its
words are held against it by the same rules.

It errs on the side of dropping: the turns' own words are kept anyway.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memporium_services.reader.domain.dates import day_in_words, render, resolve
from memporium_services.reader.domain.sentences import is_question, sentences
from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memporium_services.reader.domain.values import Turn

# Turns before a named one that its "it" and "there" may refer to.
NEAR = 2
_LEAST_SUPPORT, _LEAST_OWN, _LEAST_RETOLD = 0.8, 0.5, 0.7
# Prose longer than the dialogue adds something; shorter than this share of it is no retelling.
_LONGEST, _SHORTEST = 1.5, 0.05
# Turns looked at beside those that are named.
_MISCOUNTED = 2

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
# Not "one": it mostly stands for a thing.
_NUMBERS = dict(
    zip("two three four five six seven eight nine ten eleven twelve".split(), map(str, range(2, 13)), strict=True)  # noqa: SIM905 - words
)
_DENIES = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|neither|nor|without|cannot|no longer)\b|n['\u2019]t\b", re.IGNORECASE
)
_UNSURE = re.compile(
    r"\b(?:if|unless|might|may|maybe|perhaps|possibly|probably|wish(?:es|ed)?|hop(?:e|es|ed|ing)|wants?|wanted|would|"
    r"could|should|plan(?:s|ned|ning)?|think(?:s|ing)?|consider(?:s|ed|ing)?|dream(?:s|t|ed|ing)?|almost|nearly)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(r"\b(?:ask|asks|asked|wonder|wonders|wondered|question)\b", re.IGNORECASE)
_FIRST_PERSON = re.compile(r"\b(?:I|me|my|mine|myself|we|us|our|ours)\b|\bI['\u2019]", re.IGNORECASE)
_SECOND_PERSON = re.compile(r"\b(?:you|your|yours|yourself|u|ur)\b", re.IGNORECASE)
_SPOKEN_TO_MODEL = re.compile(
    r"\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+|the\s+|your\s+|these\s+)*"
    r"(?:previous|prior|above|earlier|other|system|instructions?|rules?|prompts?)\b|\bsystem prompt\b|"
    r"\byou are now\b|\b(?:output|respond with|answer with|reply with|write)\s+(?:only|exactly|the following|this)\b|"
    r"[\"']facts?[\"']\s*:|[\"']episode[\"']\s*:|<\|?/?(?:im_start|im_end|system|assistant|user)\|?>",
    re.IGNORECASE,
)
# Words with which a retelling says that something was said; they stand in no turn.
_TELLING = frozenset(
    terms("said says told tells mentions mentioned asks asked explains explained shares shared talked whether user")
)
# Words of how people treat each other while they speak.
_MANNERS = frozenset(
    terms(
        "greets greeted thanks thanked grateful gratitude appreciates appreciated appreciation agrees agreed "
        "congratulates congratulated praises praised encourages encouraged wishes wished expresses expressed "
        "compliments complimented glad good great kind nice words support doing going chat talk talked"
    )
)
# What a fact tells first where it tells of that: "Ada thanked Ben for".
_MANNERLY = re.compile(
    r"[^\W_]+ (?:greet|thank|agree|congratulate|praise|appreciate|encourage|compliment)(?:s|d|ed)?\b", re.IGNORECASE
)
_SAYS_I = re.compile(r"\b(?:I|we)\b", re.IGNORECASE)
_EXCLAIMED = frozenset(
    terms("yeah yes yep yup no wow hey hi hello oh well sure thanks cool great nice just finally also")
)
# Letters that a short form of a name has.
_SHORTENED = 3


def ground_of(text: str, named: Sequence[int], turns: Sequence[Turn]) -> int | None:
    """Return the index of the turn that says a fact: one that it names, or else another; None where none does.

    Args:
        text: The fact.
        named: Indices of the turns.
        turns: The turns of the episode.
    """
    if not named:
        return None
    within = [index for index in named if 0 <= index < len(turns)]
    at = _ground(text, within, turns) if within else None
    if at is not None:
        return at
    wanted = set(terms(text)) - _free(turns)
    overlap = {index: len(wanted & _stems([turns[index]])) for index in range(len(turns)) if index not in within}
    others = sorted((index for index in overlap if overlap[index]), key=lambda index: -overlap[index])[:_MISCOUNTED]
    return next((index for index in others if _ground(text, [index], turns) is not None), None)


def idle(text: str, turns: Sequence[Turn]) -> bool:
    """Say whether a fact tells nothing but that people spoke: greeted, asked after each other, thanked, agreed.

    So does one that repeats a turn as it was shown, and one whose `I` nobody can tell who it is.
    """
    if _MANNERLY.match(text) or _FIRST_PERSON.search(text) or text.startswith(tuple(_shown(turn) for turn in turns)):
        return True
    days = {stem for turn in turns for stem in terms(day_in_words(turn.time))}
    return not set(terms(text)) - _free(turns) - _MANNERS - days


def _ground(text: str, named: Sequence[int], turns: Sequence[Turn]) -> int | None:
    """Return which of the named turns says a fact; None where none does."""
    near = sorted({at for index in named for at in range(max(0, index - NEAR), index + 1)})
    if any(_SPOKEN_TO_MODEL.search(turns[index].body) for index in near):
        return None
    own, around = [turns[index] for index in named], [turns[index] for index in near]
    if not _known(text, around, turns):
        return None
    # Numbers were held against the turns already, whether in words or in digits.
    wanted = [stem for stem in dict.fromkeys(terms(text)) if stem not in _free(turns) and not stem.isdigit()]
    held, beside = _stems(own), _stems(around)
    if wanted and (
        sum(stem in beside for stem in wanted) < _LEAST_SUPPORT * len(wanted)
        or sum(stem in held for stem in wanted) < _LEAST_OWN * len(wanted)
    ):
        return None
    said = [(index, sentence) for index in named for sentence in sentences(turns[index].body)]
    best = max(said, key=lambda one: _overlap(one[1], wanted), default=None)
    if best is None or not _says(best[1], text, turns[best[0]], turns):
        return None
    return best[0]


def retold(prose: str, turns: Sequence[Turn]) -> str:
    """Return the sentences of some prose that the turns bear out, if most are; "": it is no retelling of them.

    A whole that uses but the turns' words can still tell of one what another did, so each sentence is held against the
    turns as a fact is.
    """
    if not prose or not retells(prose, turns):
        return ""
    told = [one for one in sentences(prose) if terms(one)]
    kept = [one for one in told if _ground(one, range(len(turns)), turns) is not None]
    found = " ".join(kept)
    return found if len(kept) * 2 >= len(told) and retells(found, turns) else ""


def retells(prose: str, turns: Sequence[Turn]) -> bool:
    """Say whether prose retells the turns: of their length, with no number and no name that they do not hold."""
    size = sum(len(turn.body) + len(turn.speaker) for turn in turns)
    if not _SHORTEST * size <= len(prose) <= _LONGEST * size + 40 * len(turns):
        return False
    if any(_SPOKEN_TO_MODEL.search(turn.body) for turn in turns) or not _known(prose, turns, turns):
        return False
    wanted = set(terms(prose)) - _free(turns)
    held = _stems(turns)
    return bool(wanted) and sum(stem in held for stem in wanted) >= _LEAST_RETOLD * len(wanted)


def _known(text: str, around: Sequence[Turn], turns: Sequence[Turn]) -> bool:
    """Say whether every number and name in a text stands in the turns."""
    told = " ".join([*(turn.body for turn in around), *_times(around)])
    if not set(_numbers(text)) <= set(_numbers(told)):
        return False
    pool = _stems(around) | _free(turns) | set(terms(" ".join(_times(around))))
    return all(stem in pool for name in _names(text) for stem in terms(name))


def _names(text: str) -> Iterable[str]:
    """Yield the capitalised words that do not begin a sentence."""
    for sentence in sentences(text):
        for number, match in enumerate(_WORD.finditer(sentence)):
            if number and match.group()[0].isupper():
                yield match.group()


def _numbers(text: str) -> Iterable[str]:
    """Yield the numbers in a text, in digits."""
    yield from (match.group().replace(",", "") for match in _NUMBER.finditer(text))
    yield from (_NUMBERS[word] for word in _WORD.findall(text.lower()) if word in _NUMBERS)


def _times(turns: Sequence[Turn]) -> list[str]:
    """Return when the turns were said and what their words for times mean."""
    said = [f"{day_in_words(turn.time)} {turn.time:%H:%M} {turn.time:%d %m}" for turn in turns]
    return said + [render(one) for turn in turns for one in resolve(turn.body, turn.time)]


def _stems(turns: Sequence[Turn]) -> set[str]:
    return {stem for turn in turns for stem in terms(f"{turn.body} {' '.join(_times([turn]))}")}


def _free(turns: Sequence[Turn]) -> set[str]:
    """Return the stems that need no ground: speakers, and words of telling."""
    return set(_TELLING) | {stem for turn in turns for stem in terms(turn.speaker)}


def _overlap(sentence: str, wanted: Sequence[str]) -> int:
    held = set(terms(sentence))
    return sum(stem in held for stem in wanted)


def _says(sentence: str, text: str, turn: Turn, turns: Sequence[Turn]) -> bool:
    """Say whether a sentence asserts what a fact tells, of whom it tells it."""
    return (
        bool(_DENIES.search(sentence)) == bool(_DENIES.search(text))
        and _asks(sentence, text)
        and not (_UNSURE.search(sentence) and not _UNSURE.search(text))
        and _same_order(sentence, text)
        and _same_time(sentence, text, turn)
        and _of_the_same(sentence, text, turn, turns)
    )


def _asks(sentence: str, text: str) -> bool:
    """Say whether a fact tells of a question where the sentence asks one, or tells of one, and nowhere else."""
    return bool(_ASKS.search(text)) == is_question(sentence) or bool(_ASKS.search(sentence))


def _of_the_same(sentence: str, text: str, turn: Turn, turns: Sequence[Turn]) -> bool:
    """Say whether a fact is told of the one of whom the sentence is."""
    first_person = bool(_FIRST_PERSON.search(sentence))
    named = [
        (place, speaker)
        for speaker in {one.speaker for one in turns}
        for place, word in enumerate(_WORD.findall(text))
        if _names_one(word, _called(speaker))
    ]
    if not named:
        return not first_person
    of = min(named)[1]
    # Who asks is who speaks, whoever is spoken to.
    if is_question(sentence) and _ASKS.search(text):
        return of == turn.speaker
    if of == turn.speaker:
        return _keeps_subject(sentence, text, turns)
    told = {_bare(word) for word in _WORD.findall(sentence)}
    return not first_person and (_called(of) in told or bool(_SECOND_PERSON.search(sentence)))


def _same_time(sentence: str, text: str, turn: Turn) -> bool:
    """Say whether each time in a fact is one that the sentence tells; a sentence without any is of the turn's time."""
    told = resolve(sentence, turn.time)
    return not told or all(
        any(one.start < other.end and other.start < one.end for other in told) for one in resolve(text, turn.time)
    )


def _same_order(sentence: str, text: str) -> bool:
    """Say whether the names and numbers that two texts have in common stand in the same order in both."""
    told = [_bare(word) for word in _WORD.findall(sentence)]
    told = [_NUMBERS.get(word, word) for word in told]
    anchors = [
        _bare(word) for word in _WORD.findall(text) if word[0].isupper() or word[0].isdigit() or word in _NUMBERS
    ]
    places = [told.index(one) for anchor in dict.fromkeys(anchors) if (one := _NUMBERS.get(anchor, anchor)) in told]
    return places == sorted(places)


def _keeps_subject(sentence: str, text: str, turns: Sequence[Turn]) -> bool:
    """Say whether a fact told of the speaker leaves out no other one of whom the sentence is: "My sister adopted"."""
    if _SAYS_I.search(sentence):
        return True
    aside = _EXCLAIMED.union(*(terms(turn.speaker) for turn in turns))
    first = next((stem for stem in terms(sentence) if stem not in aside), None)
    return first is None or first in terms(text)


def _names_one(word: str, name: str) -> bool:
    """Say whether a word is a name, or short for it: Mel for Melanie."""
    short = _bare(word)
    return short == name or (word[0].isupper() and len(short) >= _SHORTENED and name.startswith(short))


def _shown(turn: Turn) -> str:
    """Return how the line of a turn begins before the model."""
    return f"{turn.speaker} ({day_in_words(turn.time)}):"


def _called(speaker: str) -> str:
    """Return the first word of a speaker's name, in lower case."""
    return next((_bare(word) for word in _WORD.findall(speaker)), "")


def _bare(word: str) -> str:
    return re.sub(r"['\u2019]s?$", "", word.lower())
