"""Marks in KV memory: on the values alone, a hundredth of their deviation; the keys steer attention and stay.

Non-blind: the publisher has the original. A leaked cache may have lost tokens, be quantised, scaled or noisy: its
tokens are found in the original by their values, and what the original explains is taken away by regression.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.tracing import spread
from memporium_platform.tracing.tensors import TensorFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from memporium_platform.tracing.accusing import Score
    from memporium_platform.tracing.keys import RecipientKey

    Array = NDArray[np.float32]

# Detectors of the bank.
DETECTORS = 1
_VALUES = re.compile(r"^layers\.(\d+)\.values$")
# Amplitude of a mark, of the standard deviation of a layer's values: 1.5 % cost 0.13 % of loss.
_AMPLITUDE = 0.01
# Least likeness (cosine) of a token's values to those of a token of the original.
_ALIKE = 0.5
_SHAPE = 3


def is_activation(file: TensorFile) -> bool:
    """Return whether a tensor file is a KV cache."""
    return any(_VALUES.match(name) for name in file.names())


def mark(data: bytes, key: RecipientKey) -> bytes:
    """Return a KV cache with a recipient's mark on its values.

    Raises:
        TensorFileError: It is no tensor file.
    """
    file = TensorFile(data)
    names = [name for name in file.names() if _VALUES.match(name)]
    return file.replaced(
        {
            name: spread.marked(file.read(name), key, name, amplitude=_AMPLITUDE, whole=file.whole_numbers(name))
            for name in names
        }
    )


def detect(original: bytes, sample: bytes, keys: Mapping[str, RecipientKey]) -> list[Score]:
    """Return each recipient's score; empty where the two have nothing in common.

    Raises:
        TensorFileError: One of them is no tensor file.
    """
    ours, theirs = _values(TensorFile(original)), _values(TensorFile(sample))
    shared = {
        name: (ours[name], theirs[name])
        for name in ours
        if name in theirs and ours[name].shape[::2] == theirs[name].shape[::2]
    }
    if not shared:
        return []
    rows = _tokens(shared)
    if not (rows >= 0).any():
        return []
    evidence: dict[str, Array] = {}
    for name, (own, other) in shared.items():
        speaks = np.zeros_like(own)
        taken = rows >= 0
        kept = own[:, rows[taken]]
        gain = float(np.vdot(other[:, taken], kept)) / max(float(np.vdot(kept, kept)), 1e-30)
        # By head: their values differ in size.
        left = other[:, taken] - gain * kept
        speaks[:, rows[taken]] = np.stack([spread.limited(head) for head in left])
        evidence[name] = speaks
    return spread.scored(keys, evidence, detector="kv: values")


def _values(file: TensorFile) -> dict[str, Array]:
    """Return the values of each layer, (heads, tokens, head size), multiplied by their scale."""
    found = {}
    names = set(file.names())
    for name in sorted(names):
        values = file.read(name) if _VALUES.match(name) else None
        if values is None or values.ndim != _SHAPE:
            continue
        scale = file.read(f"{name}_scale") if f"{name}_scale" in names else None
        fits = scale is not None and scale.shape == (*values.shape[:2], 1)
        found[name] = values * scale if scale is not None and fits else values
    return found


def _tokens(shared: Mapping[str, tuple[Array, Array]]) -> NDArray[np.int64]:
    """Return for each token of the sample its place in the original, or -1: compared in the middle layer."""
    own, other = shared[sorted(shared, key=lambda name: int(name.split(".")[1]))[len(shared) // 2]]
    left, right = _rows(other), _rows(own)
    rows = np.full(len(left), -1, dtype=np.int64)
    taken = np.zeros(len(right), dtype=bool)
    # In blocks: all pairs of two long caches do not fit into memory.
    for start in range(0, len(left), 512):
        likeness = left[start : start + 512] @ right.T
        for offset, best in enumerate(likeness.argmax(axis=1)):
            if likeness[offset, best] >= _ALIKE and not taken[best]:
                taken[best] = True
                rows[start + offset] = best
    return rows


def _rows(values: Array) -> Array:
    """Return a row of length one for each token."""
    flat = values.transpose(1, 0, 2).reshape(values.shape[1], -1)
    centred = flat - flat.mean(axis=0)
    length: Array = np.linalg.norm(centred, axis=1, keepdims=True)
    rows: Array = centred / np.maximum(length, np.float32(1e-12))
    return rows
