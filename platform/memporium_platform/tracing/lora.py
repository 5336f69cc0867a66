"""Marks in LoRA memory: on B, a hundredth of its deviation; read back from the product BA, which merging keeps.

Non-blind: the publisher has the original. A leaked adapter may have another rank, another basis, a gain, noise, or a
second adapter in it. Its product is projected onto the original's A, which gives B in the original's basis; what B
explains of it is taken away by regression, and the rest is compared with each recipient's pattern.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.tracing import spread
from memporium_platform.tracing.tensors import TensorFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from memporium_platform.tracing.accusing import Score
    from memporium_platform.tracing.keys import RecipientKey

    Array = NDArray[np.float32]

# Detectors of the bank.
DETECTORS = 3
_A, _B = re.compile(r"\.lora_A(?:\.[^.]+)?\.weight$"), re.compile(r"\.lora_B(?:\.[^.]+)?\.weight$")
_FIRST = re.compile(r"(?:^|\.)(layers|h|blocks)\.")
# Share of the largest singular value below which a direction counts as gone.
_GONE = 1e-3


def is_lora(file: TensorFile) -> bool:
    """Return whether a tensor file is an adapter."""
    return any(_B.search(name) for name in file.names())


def mark(data: bytes, key: RecipientKey) -> bytes:
    """Return an adapter with a recipient's mark.

    Raises:
        TensorFileError: It is no tensor file.
    """
    file = TensorFile(data)
    return file.replaced(
        {name: spread.marked(file.read(name), key, _module(name)) for name in file.names() if _B.search(name)}
    )


def detect(original: bytes, sample: bytes, keys: Mapping[str, RecipientKey]) -> list[Score]:
    """Return each recipient's scores by each detector; empty where the two have nothing in common.

    Raises:
        TensorFileError: One of them is no tensor file.
    """
    evidence: dict[str, dict[str, Array]] = {"product": {}, "subspace": {}, "factor": {}}
    leaked = _pairs(TensorFile(sample))
    for module, (a, b) in _pairs(TensorFile(original)).items():
        if module not in leaked:
            continue
        other_a, other_b = leaked[module]
        if other_a.shape[1] != a.shape[1] or other_b.shape[0] != b.shape[0]:
            continue
        projected = other_b @ (other_a @ np.linalg.pinv(a.astype(np.float64)).astype(np.float32))
        evidence["product"][module] = _by_gain(projected, b)
        evidence["subspace"][module] = _by_subspace(projected, b)
        if other_b.shape == b.shape:
            evidence["factor"][module] = _by_gain(other_b, b)
    return [
        score
        for name, found in evidence.items()
        if found
        for score in spread.scored(keys, found, detector=f"lora: {name}")
    ]


def _by_gain(found: Array, b: Array) -> Array:
    """One gain for the whole module."""
    gain = float(np.vdot(found, b)) / max(float(np.vdot(b, b)), 1e-30)
    return spread.limited(found - gain * b) * np.float32(np.sign(gain) or 1.0)


def _by_subspace(found: Array, b: Array) -> Array:
    """A gain for each direction: what is left is whitened and weighed by how much of the direction is left."""
    rank = b.shape[1]
    gram = (b.T @ b).astype(np.float64)
    gram += np.eye(rank) * (np.trace(gram) / rank + 1e-30) * 1e-9
    gains = np.linalg.solve(gram, (b.T @ found).astype(np.float64))
    left = found - b @ gains.astype(np.float32)
    covariance = (left.T @ left).astype(np.float64) / max(1, len(left))
    values, vectors = np.linalg.eigh(covariance)
    top = max(float(values[-1]), 1e-30)
    # Directions that an attacker removed hold nothing but rounding: they may not be blown up.
    alive = values > top * _GONE**2
    inverse = (vectors[:, alive] / values[alive]) @ vectors[:, alive].T
    return spread.limited((left.astype(np.float64) @ inverse @ gains.T).astype(np.float32))


def _pairs(file: TensorFile) -> dict[str, tuple[Array, Array]]:
    """Return A and B of each module, in the order of their names."""
    names = {_module(name): name for name in file.names() if _A.search(name)}
    return {module: (file.read(names[module]), file.read(name)) for module, name in _bs(file) if module in names}


def _bs(file: TensorFile) -> Iterator[tuple[str, str]]:
    return ((_module(name), name) for name in file.names() if _B.search(name))


def _module(name: str) -> str:
    """Return which module a tensor belongs to, without what wrappers put before it."""
    bare = _B.sub("", _A.sub("", name))
    first = _FIRST.search(bare)
    return bare[first.start() :].lstrip(".") if first else bare
