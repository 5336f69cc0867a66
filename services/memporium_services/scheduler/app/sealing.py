"""Seals what pipelines hold of memory: definitions, inputs, and what steps staged."""

from __future__ import annotations

import json
from typing import Any

from memporium_platform.crypto import sealed


class Sealer:
    """Seals what a run is given and stages, for the scheduler's own store."""

    def __init__(self, key: bytes) -> None:
        """Seal under a 32-byte key."""
        self._key = key

    def seal(self, value: Any, *place: str) -> bytes:
        """Return a JSON value sealed for one place."""
        return sealed.seal(self._key, json.dumps(value).encode(), "\0".join(place).encode())

    def open(self, data: bytes, *place: str) -> Any:
        """Return what was sealed for that place.

        Raises:
            PlatformError: INTEGRITY_FAILURE.
        """
        return json.loads(sealed.open(self._key, data, "\0".join(place).encode()))
