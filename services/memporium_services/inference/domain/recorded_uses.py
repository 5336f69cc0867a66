"""A use of a memory as a trace has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.inference.domain.memory import Form


@dataclass(frozen=True, slots=True)
class RecordedUse:
    """One use.

    Attributes:
        at: When.
        cube: Name of the cube; "" for uses before the server was started.
        form: Its form.
        size_bytes: Bytes of its tensors; of text, those that its KV cache would have.
        saved_s: Seconds of prefill that its KV cache saves, or would save.
        agent: Pseudonym of who used it.
        key: Pseudonym of the cube.
    """

    at: datetime
    cube: str
    form: Form
    size_bytes: int
    saved_s: float
    agent: str
    key: str
