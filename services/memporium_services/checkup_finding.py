"""One thing that the checkup looked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        what: The thing; of a setting, its environment variable.
        found: True where it is usable.
        detail: Its version or place, or why it is not usable.
        advice: What to do where it is not usable.
        required: True where the platform does not start, or not work, without it.
    """

    what: str
    found: bool
    detail: str
    advice: str = ""
    required: bool = False

    @property
    def state(self) -> str:
        """`ok`, `missing` where it can be done without, `wrong` where not."""
        if self.found:
            return "ok"
        return "wrong" if self.required else "missing"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields and the state."""
        return {**asdict(self), "state": self.state}
