"""Everything that governance does, in one place for the servicer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memporium_platform.authz.roles import RoleTemplate
    from memporium_platform.clock import Clock
    from memporium_services.governance.app.access import Access
    from memporium_services.governance.app.audit_log import AuditLog
    from memporium_services.governance.app.export import Exports
    from memporium_services.governance.app.issuers import Issuers
    from memporium_services.governance.app.organisations import Organisations
    from memporium_services.governance.app.pii import Pii
    from memporium_services.governance.app.principals import Principals
    from memporium_services.governance.ports import Directory


@dataclass(frozen=True, slots=True)
class GovernanceApp:
    """The parts of the application."""

    clock: Clock
    directory: Directory
    roles: tuple[RoleTemplate, ...]
    organisations: Organisations
    principals: Principals
    issuers: Issuers
    access: Access
    log: AuditLog
    exports: Exports
    pii: Pii
