"""Tells by meaning what attribute a clause is about: by the prototypes that it is nearest to.

Rules:
    1. A clause is compared, with stand-ins for its subject and its value, to prototypes whose value has the same shape.
    2. The nearest one decides; it must be near, and nearer than those that tell nothing lasting.
    3. What belongs to the subject must be a noun for the attribute: "my adviser" tells nothing of the employer.
    4. A name whose kind is known (a place, a company, a person, a car) must be of the attribute's kind.
    5. Where a clause has two names, the reading that is nearer tells which of them is the subject.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.reader.domain.claim_prototypes import KINDS, NAME, NOUNS, PROTOTYPES, STAND_INS
from memporium_services.reader.domain.claims import OF_PROJECTS, Claim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_services.reader.domain.claim_shapes import Reading

# The model that the thresholds are for.
MODEL = "minilm-l6-v2-int8"
# Cosines, to the nearest prototype and how much nearer than to those that tell nothing: (near, nearer), by shape. In
# 3,576 turns of open dialogue three clauses passed, of which two wrongly.
_NEAR, _NEARER = 0.82, 0.03
# Where the shape of the value all but says what it is.
_BY_SHAPE = {"email": (0.66, -0.05), "phone": (0.66, -0.05), "work": (0.82, 0.02), "taste": (0.8, 0.0)}
_SURELY = 0.93
# A name of the right kind makes up for words that are less clear.
_EASED = 0.06
# From so near, and so much nearer than to the next kind, the kind of a name is known.
_KNOWN, _CLEARLY = 0.38, 0.08
_KIND_OF = {
    "home": "place", "birthplace": "place", "hometown": "place", "employer": "company", "bank": "company",
    "car": "car", "manager": "person", "spouse": "person", "partner": "person", "doctor": "person",
}  # fmt: skip
# Who comes first is rather the subject.
_FIRST = 0.02
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
    """The prototypes' embeddings."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        """Take the embeddings of `prototypes()`, (n, d), rows of unit length."""
        self._shapes: dict[str, tuple[list[str], NDArray[np.float32]]] = {}
        self._kinds: dict[str, NDArray[np.float32]] = {}
        start = 0
        for shape, attributes in PROTOTYPES.items():
            names = [name for name, some in attributes.items() for _ in some]
            self._shapes[shape] = names, rows[start : start + len(names)]
            start += len(names)
        for kind, some in KINDS.items():
            self._kinds[kind] = rows[start : start + len(some)]
            start += len(some)

    def claims(self, readings: Sequence[Reading], rows: Mapping[str, NDArray[np.float32]]) -> list[Claim]:
        """Return what the readings of one statement assert; `rows` are the embeddings of `texts_of` each."""
        best: dict[frozenset[str], tuple[float, Claim]] = {}
        for reading in readings:
            attribute, near = self._nearest(reading, rows)
            pair = frozenset({reading.subject, reading.value.casefold()})
            if attribute and near > best.get(pair, (0.0, None))[0]:
                if reading.subject.startswith("project "):
                    attribute = OF_PROJECTS.get(attribute, attribute)
                named = f"favourite {reading.noun}" if reading.noun else attribute
                best[pair] = near, Claim(reading.subject, named, reading.value)
        return [claim for _, claim in best.values()]

    def _nearest(self, reading: Reading, rows: Mapping[str, NDArray[np.float32]]) -> tuple[str, float]:
        names, known = self._shapes[reading.shape]
        near = known @ rows[reading.masked]
        told = np.array([bool(name) for name in names])
        nothing = near[~told].max()
        kind = ""
        if reading.shape == "proper":
            kind = self._kind(rows[reading.value])
            if self._kind(rows[reading.subject]) in _THINGS:
                return "", 0.0
            told &= np.array([_can_be(reading, name, kind) for name in names])
        if not told.any() or _OTHERS.search(reading.masked):
            return "", 0.0
        best = int(np.argmax(np.where(told, near, -1)))
        eased = _EASED if kind and kind == _KIND_OF.get(names[best]) else 0.0
        enough, nearer = (limit - eased for limit in _BY_SHAPE.get(reading.shape, (_NEAR, _NEARER)))
        # Two words that are not known to be a place or a company are rather somebody's name.
        person = " " in reading.value and _KIND_OF.get(names[best]) in _THINGS and not kind
        enough = _SURELY if (reading.doubtful or person) and not eased else enough
        if near[best] < enough or near[best] - nothing < nearer or not _owns(reading.masked, names[best]):
            return "", 0.0
        first = reading.masked.find(NAME) < reading.masked.find(STAND_INS[reading.shape])
        return names[best], float(near[best]) + _FIRST * first

    def _kind(self, row: NDArray[np.float32]) -> str:
        """Return what kind of thing a name stands for; "" where its embedding does not tell."""
        near = {kind: float(np.sort(known @ row)[-3:].mean()) for kind, known in self._kinds.items()}
        first, second = sorted(near, key=lambda kind: -near[kind])[:2]
        return first if near[first] >= _KNOWN and near[first] - near[second] >= _CLEARLY else ""


def _can_be(reading: Reading, attribute: str, kind: str) -> bool:
    """Say whether a name can be a value of an attribute, as far as its kind and form tell."""
    wanted = _KIND_OF.get(attribute, "")
    if kind and wanted:
        return kind == wanted
    if wanted == "person":
        return " " in reading.value
    # Of a name of one word and one of two, the latter is rather the person.
    return wanted not in _THINGS or " " in reading.subject or " " not in reading.value or not reading.named


def _owns(masked: str, attribute: str) -> bool:
    """Say whether what a clause is about is the subject, or what the attribute is told by; rule 3."""
    owned = _OWNED.search(masked)
    if not owned or attribute not in NOUNS:
        return True
    nouns = (owned["nouns"] or owned["of"] or owned["had"]).split()
    return not owned["more"] and not set(nouns).isdisjoint(NOUNS[attribute].split())
