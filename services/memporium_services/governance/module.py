"""The governance service, put together."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

import structlog

from memporium.governance.v1.governance_service_pb2_grpc import add_GovernanceServiceServicer_to_server
from memporium_platform.authz.roles import entries_of, load_roles, policies_dir
from memporium_platform.errors import PlatformError
from memporium_platform.storage.sql.times import to_us
from memporium_services.governance.adapters.casbin_judge import casbin_judge
from memporium_services.governance.adapters.policy_files import load_pii_rules, load_retention
from memporium_services.governance.adapters.presidio import PresidioDetector
from memporium_services.governance.adapters.sql_directory import SqlDirectory
from memporium_services.governance.adapters.sql_log import SqlAuditStore
from memporium_services.governance.app.access import Access
from memporium_services.governance.app.audit_log import AuditLog
from memporium_services.governance.app.bootstrap import bootstrap, delivered
from memporium_services.governance.app.changes import Changes
from memporium_services.governance.app.export import Exports
from memporium_services.governance.app.issuers import Issuers
from memporium_services.governance.app.organisations import Organisations
from memporium_services.governance.app.pii import Pii
from memporium_services.governance.app.principals import Principals
from memporium_services.governance.app.service import GovernanceApp
from memporium_services.governance.servicer import GovernanceServicer
from memporium_services.governance.settings import GovernanceSettings

if TYPE_CHECKING:
    from memporium_platform.authz.client import AuthzClient
    from memporium_platform.kernel import Kernel
    from memporium_services.governance.adapters.policy_files import Retention

_log = structlog.get_logger(__name__)


class GovernanceModule:
    """The running service."""

    name = "governance"

    def __init__(
        self,
        kernel: Kernel,
        app: GovernanceApp,
        *,
        directory: SqlDirectory,
        store: SqlAuditStore,
        retention: Retention,
        settings: GovernanceSettings,
    ) -> None:
        """Run this app."""
        self._kernel = kernel
        self._app = app
        self._directory = directory
        self._store = store
        self._retention = retention
        self._settings = settings
        self._sweeper: asyncio.Task[None] | None = None

    async def bootstrap(self) -> str:
        """Bring the shipped roles up to date, make the operator; return its key until it is delivered, then ""."""
        await self._directory.sync_templates(entries_of(self._app.roles))
        return await bootstrap(self._directory, self._kernel.clock, secret=self._kernel.keys.derive("operator-key"))

    def add_to(self, server: Any) -> None:
        """Register the servicer."""
        add_GovernanceServiceServicer_to_server(GovernanceServicer(self._app, self._kernel.page_tokens), server)

    async def start(self) -> None:
        """Begin background work."""
        await delivered(self._directory)
        self._sweeper = asyncio.create_task(self._sweep(), name="governance-sweep")

    async def stop(self) -> None:
        """End background work."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        await self._app.log.stop()
        await self._app.pii.stop()

    async def _sweep(self) -> None:
        """Keep the retention rules."""
        while True:
            try:
                await self._sweep_once()
            except PlatformError as error:
                # The store may be away for a while; the next round does what this one has left.
                _log.warning("governance.sweep_failed", reason=error.reason.value)
            await asyncio.sleep(self._settings.sweep_interval_s)

    async def _sweep_once(self) -> None:
        if self._retention.removed_rows is not None:
            await self._directory.forget_removed(self._retention.removed_rows)
        if self._retention.audit_records is not None:
            before = self._kernel.clock.now() - self._retention.audit_records
            await self._store.erase_older(to_us(before))


async def build(kernel: Kernel) -> GovernanceModule:
    """Return the service on the kernel's engines."""
    settings = GovernanceSettings()
    folder = policies_dir(settings.policies_dir)
    database = await kernel.database("governance")
    directory, store = SqlDirectory(database, kernel.clock), SqlAuditStore(database, kernel.clock)
    authz = kernel.authz
    changes = Changes(directory, authz.wait_for)
    origin, key = settings.log_origin, kernel.keys.platform_signing_key()
    log = AuditLog(store, kernel.clock, key=key, origin=origin)
    app = GovernanceApp(
        clock=kernel.clock,
        directory=directory,
        roles=load_roles(folder),
        organisations=Organisations(directory, changes, kernel.keys, kernel.clock),
        principals=Principals(directory, changes, kernel.clock, require=authz.require),
        issuers=Issuers(directory, changes, kernel.clock),
        access=Access(
            directory,
            changes,
            kernel.clock,
            snapshot=lambda: cast("AuthzClient", authz).snapshot,
            judge=casbin_judge(folder / "model.conf"),
        ),
        log=log,
        exports=Exports(store, log),
        pii=Pii(PresidioDetector(), load_pii_rules(folder), secret=kernel.keys.derive("pii-pseudonyms")),
    )
    return GovernanceModule(
        kernel,
        app,
        directory=directory,
        store=store,
        retention=load_retention(folder),
        settings=settings,
    )
