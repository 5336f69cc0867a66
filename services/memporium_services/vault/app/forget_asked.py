"""What is asked to be forgotten, what is chosen for it, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium.vault.v1.cubes_pb2 import ForgetCandidate, Receipt
    from memporium_services.vault.app.subjects import Subject
    from memporium_services.vault.domain.rows import CubeRow
    from memporium_services.vault.domain.selection import Selection


@dataclass(frozen=True, slots=True)
class ForgetAsked:
    """What to forget: names, or what a filter admits, or what is a subject's (narrowed by the filter)."""

    cube_names: Sequence[str] = ()
    selection: Selection | None = None
    subject: Subject | None = None
    keep_derived: bool = False
    dry_run: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What goes.

    Attributes:
        rows: The cubes, derived ones included.
        parents: A parent of each derived cube that goes, by id.
        kept: Ids of derived cubes that stay.
        more: Whether there are more than one call takes.
    """

    rows: list[CubeRow]
    parents: Mapping[str, str] = field(default_factory=dict)
    kept: Sequence[str] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What went, or, after a dry run (without a receipt), would go."""

    receipt: Receipt | None
    revision: int
    candidates: Sequence[ForgetCandidate] = ()
    near_duplicates: Sequence[str] = ()
    more: bool = False
    branch_receipts: Sequence[Receipt] = ()
