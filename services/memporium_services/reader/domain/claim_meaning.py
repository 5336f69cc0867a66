"""Tells by meaning what attribute a clause is about: by what the prototypes teach.

Rules:
    1. A clause is compared, with stand-ins for its subject and its value, to prototypes whose value has the same shape.
    2. How likely it is about each attribute is learnt from all of them (kernel ridge regression); the likeliest one
       decides, if it is likely enough, and likelier than that the clause tells nothing lasting.
    3. What belongs to the subject must be a noun for the attribute: "my adviser" tells nothing of the employer.
    4. What kind of thing a name rather stands for (a place, a company, a person, a car) counts for and against; where
       it is plainly another one, the words must be clear.
    5. Where a clause has two names, the likelier reading tells which of them is the subject.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.reader.domain.claim_kinds import KINDS
from memporium_services.reader.domain.claim_prototypes import NAME, NOUNS, PROTOTYPES, STAND_INS
from memporium_services.reader.domain.claim_words import attribute_of
from memporium_services.reader.domain.claims import OF_PROJECTS, Claim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_services.reader.domain.claim_shapes import Reading

# The model that the thresholds are for.
MODEL = "minilm-l6-v2-int8"
# How steeply prototypes lose weight with distance, and how much they may contradict each other.
_STEEP, _SMOOTH = 4.0, 0.08
# So likely a claim must be, and so much likelier than that nothing lasting is told. Among 3,576 turns of open dialogue
# three clauses passed, of which one wrongly.
_LIKELY, _MORE = 0.5, 0.1
# Where the shape of the value all but says what it is.
_BY_SHAPE = {"email": 0.25, "phone": 0.25, "work": 0.5, "taste": 0.35, "money": 0.4, "date": 0.4}
_RATHER, _SURELY = 0.65, 0.85
# How much the kind of a name makes up for words that are less clear, at most, and from where on it is known.
_EASED, _AT_MOST = 0.8, 0.3
_KNOWN, _CLEARLY = 0.3, 0.45
_OF_CARS = re.compile(r"\b(?:cars?|driv\w+|vehicle|garage|wheels|ride|driveway|parked|automobile|leased)\b")
_KIND_OF = {
    "home": "place", "birthplace": "place", "hometown": "place", "employer": "company", "bank": "company",
    "car": "car", "manager": "person", "spouse": "person", "partner": "person", "doctor": "person",
}  # fmt: skip
# Who comes first is rather the subject.
_FIRST = 0.05
_OF_PROJECTS, _PROJECTS = frozenset({"money", "date"}), frozenset({"budget", "deadline"})
_THINGS = frozenset({"place", "company", "car"})
_NOUNS = r"[a-z-]+(?: [a-z-]+){0,2}?"
_OWNED = re.compile(
    rf"{NAME}'s (?P<nouns>{_NOUNS})(?P<more>'s)?(?= (?:is|was|has|goes|comes|lives|works|moved|now)\b|:|'s|\W*$)|"
    rf"\b[Tt]he (?P<of>{_NOUNS}) (?:of|for) {NAME}\b|"
    rf"\b{NAME} (?:has|got|has got|has found|found) (?:an? )?(?:new )?(?P<had>{_NOUNS})(?=[:,]| called\b| named\b)"
)
# What belongs to the value is told of the value; and that two names mean the same tells nothing of either.
_ANY = "|".join(re.escape(one) for one in STAND_INS.values())
_OTHERS = re.compile(
    rf"\b(?:{_ANY})'s\b|\b[Tt]he (?:{_NOUNS}) (?:of|for) (?:{_ANY}) (?:is|was|has)\b|"
    rf"^(?:{NAME}|{_ANY}) is (?:{NAME}|{_ANY})\W*$"
)


def prototypes() -> list[str]:
    """Return the texts whose embeddings `Bank` is made from, in its order."""
    sentences = [
        sentence.replace("NAME", NAME).format(v=STAND_INS[shape])
        for shape, attributes in PROTOTYPES.items()
        for some in attributes.values()
        for sentence in some
    ]
    return [*sentences, *(name for some in KINDS.values() for name in some)]


def texts_of(reading: Reading) -> tuple[str, ...]:
    """Return the texts whose embeddings tell what a reading means: the clause, and names whose kind counts."""
    if reading.shape != "proper":
        return (reading.masked,)
    return (reading.masked, reading.value, reading.subject)


class Bank:
    """What attributes clauses are about, learnt from the prototypes."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        """Take the embeddings of `prototypes()`, (n, d), rows of unit length."""
        self._shapes: dict[str, _Learnt] = {}
        start = 0
        for shape, attributes in PROTOTYPES.items():
            names = [name for name, some in attributes.items() for _ in some]
            self._shapes[shape] = _learnt(names, rows[start : start + len(names)])
            start += len(names)
        self._kinds = _learnt([kind for kind, some in KINDS.items() for _ in some], rows[start:], steep=2.0)

    def claims(self, readings: Sequence[Reading], rows: Mapping[str, NDArray[np.float32]]) -> list[Claim]:
        """Return what the readings of one statement assert; `rows` are the embeddings of `texts_of` each."""
        best: dict[frozenset[str], tuple[float, Claim]] = {}
        for reading in readings:
            attribute, near = self._likeliest(reading, rows)
            value = f"favourite {reading.noun}" if reading.shape == "taste" else reading.value.casefold()
            pair = frozenset({reading.subject, value})
            if attribute and near > best.get(pair, (0.0, None))[0]:
                if reading.subject.startswith("project "):
                    attribute = OF_PROJECTS.get(attribute, attribute)
                named = f"favourite {reading.noun}" if reading.noun else attribute
                # Of something liked best that is not named there may be several.
                bare = attribute == "favourite" and not reading.noun
                best[pair] = near, Claim(reading.subject, attribute_of(named), reading.value, several=bare)
        return [claim for _, claim in best.values()]

    def _likeliest(self, reading: Reading, rows: Mapping[str, NDArray[np.float32]]) -> tuple[str, float]:
        learnt = self._shapes[reading.shape]
        told = np.array([bool(name) for name in learnt.names])
        if reading.shape in _OF_PROJECTS and not reading.named:
            # "We have 5,000 euros" tells of the project that was named before, and not of the speaker.
            told &= np.array([name not in _PROJECTS for name in learnt.names])
        if not told.any() or _OTHERS.search(reading.masked):
            return "", 0.0
        likely = learnt.likely(rows[reading.masked])
        nothing = likely[~told].max()
        kinds: dict[str, float] = {}
        if reading.shape == "proper":
            if any(self._fit(rows[reading.subject])[kind] > _KNOWN for kind in _THINGS):
                return "", 0.0
            kinds = self._fit(rows[reading.value])
            # Words that are clear enough tell of what kind an unknown name is.
            clear = likely >= _RATHER
            told &= np.array(
                [_can_be(reading, name, kinds, clear=sure) for name, sure in zip(learnt.names, clear, strict=True)]
            )
            fits = [
                float(np.clip(kinds.get(_KIND_OF.get(name, ""), 0.0), -_AT_MOST, _AT_MOST)) for name in learnt.names
            ]
            likely = likely + np.float32(_EASED) * np.array(fits, np.float32)
        if not told.any():
            return "", 0.0
        best = int(np.argmax(np.where(told, likely, -1)))
        name, score = learnt.names[best], float(likely[best])
        known = kinds.get(_KIND_OF.get(name, ""), 0.0) > _KNOWN
        # Two words that are not known to be a place or a company are rather somebody's name.
        person = " " in reading.value and _KIND_OF.get(name) in _THINGS and not known
        enough = _BY_SHAPE.get(reading.shape, _LIKELY)
        if not known:
            enough = _SURELY if person else _RATHER if reading.doubtful else enough
        if score < enough or score - nothing < _MORE or not _owns(reading.masked, name):
            return "", 0.0
        first = reading.masked.find(NAME) < reading.masked.find(STAND_INS[reading.shape])
        return name, score + _FIRST * first

    def _fit(self, row: NDArray[np.float32]) -> dict[str, float]:
        """Return how much rather a name stands for each kind of thing than for any other."""
        likely = self._kinds.likely(row)
        most = np.sort(likely)[-2:]
        return {
            kind: float(one - (most[0] if one == most[1] else most[1]))
            for kind, one in zip(self._kinds.names, likely, strict=True)
        }


@dataclass(frozen=True, slots=True)
class _Learnt:
    """How likely a clause is about each attribute: kernel ridge regression over the prototypes of one shape."""

    names: tuple[str, ...]
    steep: float
    known: NDArray[np.float32]
    weights: NDArray[np.float32]

    def likely(self, row: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return about 1 for what a clause is about, and 0 for all others, in the order of the names."""
        found: NDArray[np.float32] = np.exp(-self.steep * (1 - self.known @ row)) @ self.weights
        return found


def _learnt(names: Sequence[str], known: NDArray[np.float32], *, steep: float = _STEEP) -> _Learnt:
    distinct = tuple(dict.fromkeys(names))
    wanted = np.array([[float(name == one) for one in distinct] for name in names])
    kernel = np.exp(-steep * (1 - known.astype(np.float64) @ known.T.astype(np.float64)))
    weights = np.linalg.solve(kernel + _SMOOTH * np.eye(len(names)), wanted)
    return _Learnt(distinct, steep, known, weights.astype(np.float32))


def _can_be(reading: Reading, attribute: str, kinds: Mapping[str, float], *, clear: bool) -> bool:
    """Say whether a name can be a value of an attribute, as far as its kind and form tell."""
    wanted = _KIND_OF.get(attribute, "")
    if wanted and kinds.get(wanted, 0.0) < -_CLEARLY and not (clear and (wanted in _THINGS or " " in reading.value)):
        return False
    if wanted == "place" and any(mark.isdigit() for mark in reading.value):
        return False
    if wanted == "person":
        return " " in reading.value
    if attribute == "car" and kinds.get("car", 0.0) < 0:
        return _OF_CARS.search(reading.masked) is not None
    # Of a name of one word and one of two, the latter is rather the person.
    return wanted not in _THINGS or " " in reading.subject or " " not in reading.value or not reading.named


def _owns(masked: str, attribute: str) -> bool:
    """Say whether what a clause is about is the subject, or what the attribute is told by; rule 3."""
    owned = _OWNED.search(masked)
    if not owned or attribute not in NOUNS:
        return True
    nouns = (owned["nouns"] or owned["of"] or owned["had"]).split()
    return not owned["more"] and not set(nouns).isdisjoint(NOUNS[attribute].split())
