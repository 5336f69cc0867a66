"""Tells by meaning what attribute a clause is about: by the prototypes that it is nearest to.

Rules:
    1. A clause is compared, with stand-ins for its subject and its value, to prototypes whose value has the same shape.
    2. The nearest one decides; it must be near, and nearer than those that tell nothing lasting.
    3. What belongs to the subject must be a noun for the attribute: "my adviser" tells nothing of the employer.
    4. Where a clause has two names, the reading that is nearer tells which of them is the subject.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.reader.domain.claim_prototypes import NAME, NOUNS, PROTOTYPES, STAND_INS
from memporium_services.reader.domain.claims import Claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from memporium_services.reader.domain.claim_shapes import Reading

# The model that the thresholds are for.
MODEL = "minilm-l6-v2-int8"
# Cosines; among 6,300 clauses of open dialogue six were nearer than this, of which two wrongly.
_NEAR, _NEARER = 0.82, 0.03
_SURELY = 0.93
# Where the shape of the value all but says what it is.
_NEAR_OF = {"email": (0.7, -0.01), "phone": (0.7, -0.01)}
# Attributes of which a person is the value; a name of one word is too often something else.
_PERSONS = frozenset({"manager", "spouse", "partner", "doctor"})
_NOUNS = r"[a-z-]+(?: [a-z-]+){0,2}?"
_OWNED = re.compile(
    rf"{NAME}'s (?P<nouns>{_NOUNS})(?P<more>'s)?(?= (?:is|was|has|goes|comes|lives|works|moved|now)\b|:|'s)|"
    rf"\b[Tt]he (?P<of>{_NOUNS}) (?:of|for) {NAME}\b"
)


def prototypes() -> list[str]:
    """Return the sentences whose embeddings `Bank` is made from, in its order."""
    return [
        sentence.replace("NAME", NAME).format(v=STAND_INS[shape])
        for shape, attributes in PROTOTYPES.items()
        for some in attributes.values()
        for sentence in some
    ]


class Bank:
    """The prototypes' embeddings."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        """Take the embeddings of `prototypes()`, (n, d), rows of unit length."""
        self._shapes: dict[str, tuple[list[str], NDArray[np.float32]]] = {}
        start = 0
        for shape, attributes in PROTOTYPES.items():
            names = [name for name, some in attributes.items() for _ in some]
            self._shapes[shape] = names, rows[start : start + len(names)]
            start += len(names)

    def claims(self, readings: Sequence[Reading], rows: NDArray[np.float32]) -> list[Claim]:
        """Return what the readings of one statement assert; `rows` are the embeddings of their masked clauses."""
        best: dict[frozenset[str], tuple[float, Claim]] = {}
        for reading, row in zip(readings, rows, strict=True):
            attribute, near = self._nearest(reading, row)
            pair = frozenset({reading.subject, reading.value.casefold()})
            if attribute and near > best.get(pair, (0.0, None))[0]:
                best[pair] = near, Claim(reading.subject, attribute, reading.value)
        return [claim for _, claim in best.values()]

    def _nearest(self, reading: Reading, row: NDArray[np.float32]) -> tuple[str, float]:
        names, rows = self._shapes[reading.shape]
        near = rows @ row
        told = np.array([bool(name) for name in names])
        best = int(np.argmax(np.where(told, near, -1)))
        enough, nearer = _NEAR_OF.get(reading.shape, (_NEAR, _NEARER))
        enough = max(enough, _SURELY) if reading.doubtful else enough
        if near[best] < enough or near[best] - near[~told].max() < nearer:
            return "", 0.0
        if not _owns(reading.masked, names[best]) or (names[best] in _PERSONS and " " not in reading.value):
            return "", 0.0
        return names[best], float(near[best])


def _owns(masked: str, attribute: str) -> bool:
    """Say whether what a clause is about is the subject, or what the attribute is told by; rule 3."""
    owned = _OWNED.search(masked)
    if not owned:
        return True
    nouns = (owned["nouns"] or owned["of"]).split()
    return not owned["more"] and not set(nouns).isdisjoint(NOUNS[attribute].split())
