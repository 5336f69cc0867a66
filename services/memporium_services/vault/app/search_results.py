"""What a search is asked for, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.errors import invalid
from memporium_services.vault.app.as_of import NOW, Moment
from memporium_services.vault.app.ranking import HYBRID, SEMANTIC, TAGS
from memporium_services.vault.domain.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.cubes_pb2 import Unit
    from memporium_services.vault.ports import GrantedUse

DEFAULT_LIMIT, MAX_LIMIT = 10, 1000
MAX_QUERY_CHARS = 8192


@dataclass(frozen=True, slots=True)
class SearchAsked:
    """What to search for; `full` asks for payloads, `explain` for the legs' parts in each score."""

    query: str = ""
    vector: NDArray[np.float32] | None = None
    mode: int = HYBRID
    selection: Selection = field(default_factory=Selection)
    weights: Mapping[str, float] | None = None
    limit: int = DEFAULT_LIMIT
    group_by_cube: bool = False
    include_mounts: bool = True
    full: bool = False
    explain: bool = False
    moment: Moment = NOW


@dataclass(frozen=True, slots=True)
class UnitQuery:
    """One question; with `scores_only` what the units say is not wanted."""

    query: str = ""
    vector: NDArray[np.float32] | None = None
    mode: int = HYBRID
    scores_only: bool = False


@dataclass(frozen=True, slots=True)
class UnitsAsked:
    """What to search the units for."""

    queries: tuple[UnitQuery, ...]
    selection: Selection = field(default_factory=Selection)
    limit: int = DEFAULT_LIMIT
    include_mounts: bool = True
    moment: Moment = NOW


@dataclass(frozen=True, slots=True)
class LegPart:
    """One leg's part in a score."""

    leg: str
    score: float
    normalised: float
    weight: float
    rank: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One result; `form` is the cube's, `given_bytes` the size of what is shown of it."""

    cube: Cube
    unit: Unit | None
    score: float
    legs: tuple[LegPart, ...] = ()
    mount: str = ""
    agreement: str = ""
    attribution: str = ""
    more_units: tuple[Unit, ...] = ()
    form: int = 1
    given_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A mount that was not searched."""

    mount: str
    vault: str
    agreement: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class SearchFound:
    """Results and what was done."""

    hits: list[Hit]
    refusals: list[Refusal]
    revision: int
    candidates: int
    weights: Mapping[str, float]
    embed_us: int
    index_us: int
    total_us: int
    uses: list[GrantedUse]
    past_units: int = 0


def check_asked(asked: SearchAsked, *, field: str = "") -> None:
    """Refuse questions that cannot be answered; `field` stands before the names of fields.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if len(asked.query) > MAX_QUERY_CHARS:
        raise invalid(f"{field}query", f"at most {MAX_QUERY_CHARS} characters")
    if asked.vector is not None and not np.isfinite(asked.vector).all():
        raise invalid(f"{field}query_vector", "must be finite")
    if asked.mode != TAGS and not asked.query.strip() and (asked.mode != SEMANTIC or asked.vector is None):
        raise invalid(f"{field}query", "must be given")
    if asked.weights is not None and (min(asked.weights.values()) < 0 or max(asked.weights.values()) <= 0):
        raise invalid(f"{field}weights", "must be 0 or more, at least one above 0")
