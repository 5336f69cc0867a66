"""Keys of indexes: a vault's uid."""

from __future__ import annotations

import re

_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")


def check_key(key: str) -> str:
    """Return a key if it is well formed.

    Raises:
        ValueError: It is not; keys are made by the platform, so this is a defect and no caller's fault.
    """
    if not _KEY.fullmatch(key):
        message = "an index key has 1 to 128 of A-Z, a-z, 0-9, '_' and '-'"
        raise ValueError(message)
    return key
