"""What a recollection is asked for, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium_services.reader.app.contradicting import Times
from memporium_services.reader.domain.ranking import Levers
from memporium_services.reader.ports import Conditions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from memporium_services.reader.domain.budget import Context
    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.contradiction import Standing
    from memporium_services.reader.domain.gists import Gist
    from memporium_services.reader.domain.question import Question
    from memporium_services.reader.domain.ranking import Ranked
    from memporium_services.reader.domain.values import Prospect
    from memporium_services.reader.ports import Refused


@dataclass(frozen=True, slots=True)
class Asked:
    """A question; zeros mean the settings' values."""

    parent: str
    query: str
    now: datetime
    budget_tokens: int = 0
    limit: int = 0
    include_mounts: bool = True
    conditions: Conditions = field(default_factory=Conditions)
    levers: Levers = field(default_factory=Levers)
    likelihood: bool = True
    times: Times = field(default_factory=Times)
    scenes: bool = False
    profiles: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """How the search went."""

    question: Question
    names: tuple[str, ...]
    searches: tuple[str, ...]
    rounds: int
    coverage: float
    rewriter: str = ""
    rewriter_failure: str = ""
    judge: str = ""
    judge_failure: str = ""
    judge_us: int = 0
    embed_us: int = 0
    total_us: int = 0


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was recalled: `places` are the indices of the candidates in the context, best first."""

    candidates: tuple[Candidate, ...]
    ranked: Ranked
    places: tuple[int, ...]
    context: Context
    prospects: tuple[tuple[str, Prospect], ...]
    refusals: tuple[Refused, ...]
    trace: Trace
    standings: Mapping[int, tuple[Standing, ...]] = field(default_factory=dict)
    gists: tuple[Gist, ...] = ()
