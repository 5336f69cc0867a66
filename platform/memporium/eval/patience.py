"""Calls that are refused for now are made again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from memporium.client import MemporiumError

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_ATTEMPTS = 6
_BACKOFF_S = 0.25
_TRANSIENT = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED"})


def patiently(do: Callable[[], _T]) -> _T:
    """Return what a call to the platform returns.

    Raises:
        MemporiumError: It is refused for good, or again and again.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return do()
        except MemporiumError as error:
            if error.code not in _TRANSIENT or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(error.retry_after_s or _BACKOFF_S * 2**attempt)
    raise AssertionError
