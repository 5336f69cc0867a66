"""Audit records and the logs that they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from memporium.verify.merkle import EMPTY_ROOT
from memporium_platform.names import org_of
from memporium_services.governance.domain.records import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Mapping

# Actions that change who may do what.
PERMISSION_CHANGES = (
    "governance.organisations.create",
    "governance.organisations.delete",
    "governance.principals.create",
    "governance.principals.disable",
    "governance.principals.enable",
    "governance.keys.create",
    "governance.keys.revoke",
    "governance.issuers.create",
    "governance.issuers.delete",
    "governance.bindings.create",
    "governance.bindings.delete",
    "governance.policies.create",
    "governance.policies.delete",
)


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record to append: what is indexed, and all of it as it is committed to.

    Attributes:
        decision_id: A record is in a log once.
        time_us: When the call began.
        principal: The caller's name.
        principal_org: The caller's organisation.
        action: The operation.
        resource: Name of the resource.
        effect: ALLOW, DENY or ERROR.
        memory_type: Forms of the memory in question.
        content: All fields by name: text, whole numbers, and dictionaries of text.
    """

    decision_id: str
    time_us: int
    principal: str
    principal_org: str
    action: str
    resource: str
    effect: str
    memory_type: str
    content: Mapping[str, Any]

    def logs(self) -> tuple[str, ...]:
        """Return the organisations whose logs it belongs to: the caller's and the resource's, else the platform."""
        named = (self.principal_org or org_of(self.principal), org_of(self.resource))
        return tuple(dict.fromkeys(org for org in named if org)) or (PLATFORM,)


@dataclass(frozen=True, slots=True)
class Leaf:
    """An entry of a log; `record` is the committed JSON, empty where it was erased."""

    index: int
    decision_id: str
    record: bytes
    salt: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class TreeState:
    """A log's size and root, and since when."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    time_us: int = 0


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries; every field given must match."""

    start_us: int = 0
    end_us: int = 0
    principal: str = ""
    memory_type: str = ""
    actions: tuple[str, ...] = field(default=())
    effect: str = ""
    resource: str = ""

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Filter()
