"""Times as other systems write them: ISO 8601, seconds since 1970, with and without a zone."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

# Times outside are typing errors, which no vault takes.
_FIRST, _LAST = datetime(1900, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def time_of(given: Any) -> datetime | None:
    """Return a time, aware, in UTC where no zone is told; None where it is none."""
    found = _parsed(given)
    if found is None:
        return None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return found if _FIRST <= found < _LAST else None


def _parsed(given: Any) -> datetime | None:
    try:
        if isinstance(given, bool) or given is None:
            return None
        if isinstance(given, int | float):
            return datetime.fromtimestamp(given, UTC) if math.isfinite(given) else None
        return datetime.fromisoformat(str(given).strip())
    except (ValueError, OverflowError, OSError):
        return None
