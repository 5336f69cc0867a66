"""What a running transfer tells its caller."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memporium_platform.bundle.steps import VerificationStep
    from memporium_services.transfer.domain.bundles import Bundle


@dataclass(frozen=True, slots=True)
class Passed:
    """A check was passed; `duration_s` is its time in seconds, over all segments."""

    step: VerificationStep
    duration_s: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Advanced:
    """How far it is: cubes, content bytes, segments done, segments in all (0: not known)."""

    cubes: int = 0
    content_bytes: int = 0
    segments: int = 0
    total_segments: int = 0


@dataclass(frozen=True, slots=True)
class Sealed:
    """The bundle is complete; `findings` counts personal data by kind."""

    bundle: Bundle
    findings: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The cubes are visible; the fields are those of `ImportResult`."""

    bundle: str
    vault: str
    version: str
    cube_count: int
    blob_count: int
    mount: str = ""
    removed_characters: int = 0
    findings: dict[str, int] = field(default_factory=dict)
    already_imported: bool = False


class Stopwatch:
    """Sums up the time of checks that are made piece by piece."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.spent_s: dict[VerificationStep, float] = {}

    @contextmanager
    def of(self, step: VerificationStep) -> Iterator[None]:
        """Count the block's time for a check."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent_s[step] = self.spent_s.get(step, 0.0) + time.perf_counter() - began
