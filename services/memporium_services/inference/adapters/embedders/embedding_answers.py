"""What an OpenAI-compatible endpoint answers to a request for vectors: the vectors, or what its status means."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx
    from numpy.typing import NDArray

_BUSY, _SERVER_FAILS, _NO_ROOM = 429, 500, 503
_KEY_REFUSED = frozenset({401, 403})
# What a text may be to blame for: too long, too much at once, not to be read.
_TEXT_REFUSED = frozenset({400, 413, 422})
# Servers that say so with the status of a failure of their own (llama.cpp).
_TOO_LONG = re.compile(rb"too (?:large|long)|exceed|context (?:length|size|window)", re.IGNORECASE)
# Seconds to wait where a busy endpoint does not say; the most that one is believed.
_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
# Characters of a number in JSON, white space included; of what stands around the vectors.
_NUMBER_BYTES, _ITEM_BYTES, _AROUND_BYTES = 40, 2_000, 65_536


class TextRefusedError(Exception):
    """The endpoint does not take these texts, together or each by itself."""


class OtherLengthError(ValueError):
    """The vectors have another length than the settings say."""

    def __init__(self, length: int) -> None:
        """Keep the length that they have."""
        super().__init__(length)
        self.length = length


def most_bytes(count: int, dimensions: int) -> int:
    """Return how long an answer with so many vectors may be."""
    return count * (dimensions * _NUMBER_BYTES + _ITEM_BYTES) + _AROUND_BYTES


def vectors_in(data: bytes, *, count: int, dimensions: int) -> list[NDArray[np.float32]]:
    """Return the vectors of an answer in the order of the texts, of unit length.

    Raises:
        OtherLengthError: They have another length.
        ValueError, TypeError, KeyError, RecursionError: It is no such answer.
    """
    items: Any = json.loads(data)["data"]
    places = [item["index"] for item in items]
    if any(type(place) is not int for place in places) or sorted(places) != list(range(count)):
        raise ValueError("not one vector for each text")
    rows = {item["index"]: _unit(item["embedding"], dimensions) for item in items}
    return [rows[place] for place in range(count)]


def _unit(numbers: Sequence[float], dimensions: int) -> NDArray[np.float32]:
    found = np.asarray(numbers)
    if found.ndim != 1 or found.dtype.kind not in "iuf":
        raise ValueError("no list of numbers")
    if len(found) != dimensions:
        raise OtherLengthError(len(found))
    row = found.astype(np.float64)
    largest = np.abs(row).max()
    if not np.isfinite(row).all() or largest == 0:
        raise ValueError("numbers that are none, or nothing but zeros")
    # By the largest first: squares of great or small numbers are none.
    row /= largest
    return np.asarray(row / np.linalg.norm(row), dtype=np.float32)


def failure(name: str, response: httpx.Response, body: bytes) -> PlatformError | TextRefusedError:
    """Return what an error status of a model's endpoint means; nothing of what it says is passed on."""
    status, endpoint = response.status_code, f"the endpoint of {name}"
    if status in _TEXT_REFUSED or (status == _SERVER_FAILS and _TOO_LONG.search(body)):
        return TextRefusedError(status)
    if status == _BUSY:
        return PlatformError(Reason.OVERLOADED, f"{endpoint} is busy", retry_after_s=_wait_s(response) or _WAIT_S)
    if status in _KEY_REFUSED:
        return unavailable(name, f"is refused by its endpoint with status {status}: its api_key does not open it")
    if status < _SERVER_FAILS:
        return unavailable(name, f"is not found at its endpoint, status {status}: look at its base_url and model")
    wait_s = _wait_s(response) or (_WAIT_S if status == _NO_ROOM else 0.0)
    return PlatformError(
        Reason.UNAVAILABLE, f"{endpoint} fails", metadata={"state": str(status)}, retry_after_s=wait_s or None
    )


def unavailable(name: str, why: str) -> PlatformError:
    """Return that a model cannot be used as it is configured."""
    return PlatformError(Reason.MODEL_UNAVAILABLE, f"model {name} {why}", metadata={"model": name})


def _wait_s(response: httpx.Response) -> float:
    """Return how long an endpoint asks to wait; 0: it does not say so in seconds."""
    told = response.headers.get("retry-after", "")
    return min(float(told), _LONGEST_WAIT_S) if told.isascii() and told.isdigit() else 0.0
