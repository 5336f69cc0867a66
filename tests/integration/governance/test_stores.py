"""Governance over its stores: restarts, two replicas on PostgreSQL, retention, and tables as the migrations make them."""

import asyncio
import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from memporium.audit_verify import verify_export
from memporium.governance.v1 import audit_pb2, policy_pb2, principal_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium_platform.authz.entries import Rule
from memporium_platform.authz.roles import entries_of, load_roles, policies_dir
from memporium_platform.errors import Reason
from memporium_services.governance.adapters.sql_directory import SqlDirectory
from memporium_services.governance.adapters.sql_log import SqlAuditStore
from memporium_services.governance.adapters.tables import metadata
from memporium_services.governance.app.bootstrap import bootstrap, delivered
from support.platform import running_platform
from support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures


async def export_with(owner, wanted):
    """Return the export of the log once it holds `wanted`."""
    request = audit_pb2.ExportLogRequest(parent="orgs/acme")
    async with asyncio.timeout(120):
        while True:
            data = b"".join([part.data async for part in owner.ExportLog(request)])
            if wanted in data:
                return data
            await asyncio.sleep(0.02)


async def test_the_state_survives_a_restart(tmp_path, refusal):
    async with running_platform(("governance",), data_dir=tmp_path) as platform:
        acme = await platform.organisation("acme")
        operator_key = platform.operator_key
        owner = GovernanceServiceStub(platform.channel(acme.owner_key))
        made = await owner.CreateApiKey(principal_pb2.CreateApiKeyRequest(parent=acme.owner))
        revoked = await owner.RevokeApiKey(principal_pb2.RevokeApiKeyRequest(name=made.api_key.name))
    async with running_platform(("governance",), data_dir=tmp_path) as platform:
        assert platform.operator_key == operator_key
        again = GovernanceServiceStub(platform.channel(made.secret, at_least_epoch=str(revoked.epoch)))
        assert (await refusal(again.WhoAmI(policy_pb2.WhoAmIRequest()))).reason is Reason.CREDENTIAL_REVOKED
        owner = GovernanceServiceStub(platform.channel(acme.owner_key))
        assert (await owner.WhoAmI(policy_pb2.WhoAmIRequest())).epoch == revoked.epoch
        data = await export_with(owner, b"governance.keys.revoke")
        assert verify_export(data).ok


async def test_the_operators_key_is_shown_until_it_is_delivered(platform):
    directory = SqlDirectory(await platform.kernel.database("governance"), platform.kernel.clock)
    assert await bootstrap(directory, platform.kernel.clock, secret=b"s") == ""
    await directory.write(lambda rows: rows.set_number("operator_key", 0))
    first = await bootstrap(directory, platform.kernel.clock, secret=b"s")
    assert first == await bootstrap(directory, platform.kernel.clock, secret=b"s")
    await delivered(directory)
    assert await bootstrap(directory, platform.kernel.clock, secret=b"s") == ""


async def test_shipped_roles_follow_the_files(platform):
    directory = SqlDirectory(await platform.kernel.database("governance"), platform.kernel.clock)
    entries = entries_of(load_roles(policies_dir()))
    before = await directory.read(lambda rows: rows.epoch())
    assert await directory.sync_templates(entries) == before
    gone = "rule/roles/guest/allow/memstore.listings.search"
    added = Rule("roles/guest/allow/vault.tags.list", "roles/guest", "*", "*", "vault.tags.list", allow=True)
    changed = {key: entry for key, entry in entries.items() if key != gone} | {f"rule/{added.id}": added}
    epoch = await directory.sync_templates(changed)
    assert epoch == before + 1
    rules, _ = await directory.read(lambda rows: rows.casbin_rows("acme", 1000))
    actions = {rule.action for rule in rules if rule.subject == "roles/guest"}
    assert "vault.tags.list" in actions
    assert "memstore.listings.search" not in actions
    await platform.kernel.authz.wait_for(epoch, 30)


async def test_a_watcher_from_before_forgotten_removals_gets_everything(platform, stub):
    acme = await platform.organisation("acme")
    owner = stub(acme.owner_key)
    database = await platform.kernel.database("governance")
    directory = SqlDirectory(database, platform.kernel.clock)
    old = await directory.read(lambda rows: rows.epoch())
    given = await owner.CreateRoleBinding(
        policy_pb2.CreateRoleBindingRequest(
            parent="orgs/acme", role_binding=policy_pb2.RoleBinding(member=acme.owner, role="guest")
        )
    )
    await owner.DeleteRoleBinding(policy_pb2.DeleteRoleBindingRequest(name=given.role_binding.name))
    newest, full, rows = await directory.entries_since(old)
    assert (full, [message for _, message in rows]) == (False, [b""])
    assert await directory.forget_removed(timedelta(seconds=-5)) == 1
    assert (await directory.entries_since(old))[1]
    assert await directory.entries_since(newest) == (newest, False, ())
    assert (await directory.entries_since(newest + 1))[1]


async def test_old_records_are_erased_by_the_rule_and_proofs_hold(platform, stub):
    acme = await platform.organisation("acme")
    owner = stub(acme.owner_key)
    await owner.ListPrincipals(principal_pb2.ListPrincipalsRequest(parent="orgs/acme"))
    store = SqlAuditStore(await platform.kernel.database("governance"), platform.kernel.clock)
    await export_with(owner, b"governance.principals.list")
    future = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1_000_000)
    assert await store.erase_older(future) > 0
    request = audit_pb2.ExportLogRequest(parent="orgs/acme")
    report = verify_export(b"".join([part.data async for part in owner.ExportLog(request)]))
    assert report.ok
    assert report.erased > 0


async def test_digests_that_are_kept_for_repeated_calls_are_keyed(platform, stub):
    acme = await platform.organisation("acme")
    request = principal_pb2.CreatePrincipalRequest(parent="orgs/acme", principal_id="robot", request_id="r1")
    await stub(acme.owner_key).CreatePrincipal(request)
    database = await platform.kernel.database("governance")
    kept = await database.read(lambda conn: conn.execute(text("SELECT digest FROM idempotency")).scalars().all())
    bare = principal_pb2.CreatePrincipalRequest(parent="orgs/acme", principal_id="robot")
    method = b"/memporium.governance.v1.GovernanceService/CreatePrincipal"
    guess = sha256(method + b"\0" + bare.SerializeToString(deterministic=True)).digest()
    assert guess not in kept
    assert hmac.digest(platform.kernel.keys.derive("request-digests"), guess, "sha256") in kept


async def test_migrations_make_the_tables(platform):
    database = await platform.kernel.database("governance")

    def differences(conn):
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        return [change for change in compare_metadata(context, metadata) if change[0] != "remove_table"]

    assert await database.read(differences) == []


@pytest.mark.servers
async def test_replicas_on_postgresql_follow_each_other(tmp_path, postgres_url, refusal):  # noqa: F811
    (tmp_path / "one").mkdir()
    async with running_platform(("governance",), data_dir=tmp_path / "one", database_url=postgres_url) as one:
        acme = await one.organisation("acme")
        key = await one.principal("acme", "robot", roles=["auditor"])
        (tmp_path / "two").mkdir()
        # Replicas share the platform's key.
        for path in (tmp_path / "one").iterdir():
            if path.is_file():
                (tmp_path / "two" / path.name).write_bytes(path.read_bytes())
        async with running_platform(("governance",), data_dir=tmp_path / "two", database_url=postgres_url) as two:
            robot = GovernanceServiceStub(two.channel(key))
            request = policy_pb2.ListRolesRequest(parent="orgs/acme")
            await robot.ListRoles(request)
            owner = GovernanceServiceStub(one.channel(acme.owner_key))
            keys = await owner.ListApiKeys(principal_pb2.ListApiKeysRequest(parent="orgs/acme/principals/robot"))
            revoked = await owner.RevokeApiKey(principal_pb2.RevokeApiKeyRequest(name=keys.api_keys[0].name))
            demanding = GovernanceServiceStub(two.channel(key, at_least_epoch=str(revoked.epoch)))
            assert (await refusal(demanding.ListRoles(request))).reason is Reason.CREDENTIAL_REVOKED
            assert (await refusal(robot.ListRoles(request))).reason is Reason.CREDENTIAL_REVOKED
            owner_two = GovernanceServiceStub(two.channel(acme.owner_key))
            data = await export_with(owner_two, b"CREDENTIAL_REVOKED")
            assert verify_export(data).ok
