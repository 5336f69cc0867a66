"""What is asked to be forgotten, what is chosen for it, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium.vault.v1.cubes_pb2 import ForgetCandidate, ForgottenElsewhere, Receipt
    from memporium_services.vault.app.subjects import Subject
    from memporium_services.vault.domain.rows import CubeRow
    from memporium_services.vault.domain.selection import Selection


@dataclass(frozen=True, slots=True)
class ForgetAsked:
    """What to forget: names, or what a filter admits, or what is a subject's (narrowed by the filter).

    Attributes:
        lenient: What is frozen or held stays, and the rest goes; where nothing is found, nothing is written.
    """

    cube_names: Sequence[str] = ()
    selection: Selection | None = None
    subject: Subject | None = None
    keep_derived: bool = False
    dry_run: bool = False
    reason: str = ""
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """What goes of one vault, and for its sake of others.

    Attributes:
        rows: The cubes, derived ones included.
        parents: The name of a parent of each derived cube that goes, by id.
        kept: Names of derived cubes that stay, as it was asked.
        more: Whether there are more than one call takes.
        elsewhere: What goes of other vaults, by their uid.
        stay: How many cubes of other vaults stay, by the vault's name and what forbids it.
        named: Those of them whose names the caller may know, by name, with what forbids it.
        hidden: Ids of cubes that nobody sees yet, since they are being imported.
    """

    rows: list[CubeRow]
    parents: Mapping[str, str] = field(default_factory=dict)
    kept: Sequence[str] = ()
    more: bool = False
    elsewhere: Mapping[str, Chosen] = field(default_factory=dict)
    stay: Mapping[tuple[str, str], int] = field(default_factory=dict)
    named: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    hidden: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What went, or, after a dry run (without a receipt), would go."""

    receipt: Receipt | None
    revision: int
    candidates: Sequence[ForgetCandidate] = ()
    near_duplicates: Sequence[str] = ()
    more: bool = False
    branch_receipts: Sequence[Receipt] = ()
    other_receipts: Sequence[Receipt] = ()
    elsewhere: Sequence[ForgottenElsewhere] = ()
