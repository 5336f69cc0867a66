"""The audit log through gRPC: what was done and refused, proofs, exports, and tampering with them."""

import asyncio
import json

import pytest

from memporium.audit_verify import verify_export
from memporium.governance.v1 import audit_pb2, policy_pb2, principal_pb2
from memporium.verify.merkle import ProofError, verify_consistency, verify_inclusion
from memporium.verify.note import VerifierKey, verify_note
from memporium_platform.errors import Reason


async def settled(client, parent, wanted):
    """Return the entries once those for which `wanted` holds are there."""
    async with asyncio.timeout(120):
        while True:
            found = await client.QueryLog(audit_pb2.QueryLogRequest(parent=parent, page_size=1000))
            if any(wanted(entry.record) for entry in found.entries):
                return found.entries
            await asyncio.sleep(0.02)


async def export(client, parent="orgs/acme", **fields):
    request = audit_pb2.ExportLogRequest(parent=parent, **fields)
    return b"".join([part.data async for part in client.ExportLog(request)])


@pytest.fixture
async def acme(platform):
    return await platform.organisation("acme")


@pytest.fixture
async def owner(acme, stub):
    return stub(acme.owner_key)


async def test_allowed_and_refused_calls_are_in_both_logs(platform, acme, owner, stub, refusal):
    other = await platform.organisation("other")
    await owner.ListPrincipals(principal_pb2.ListPrincipalsRequest(parent="orgs/acme"))
    outsider = stub(other.owner_key, purpose="curiosity")
    await refusal(outsider.ListPrincipals(principal_pb2.ListPrincipalsRequest(parent="orgs/acme")))
    for client, parent in ((owner, "orgs/acme"), (stub(other.owner_key), "orgs/other")):
        entries = await settled(client, parent, lambda record: record.effect == audit_pb2.AUDIT_EFFECT_DENY)
        (denied,) = [entry.record for entry in entries if entry.record.effect == audit_pb2.AUDIT_EFFECT_DENY]
        assert (denied.principal, denied.resource) == (other.owner, "orgs/acme")
        assert (denied.action, denied.reason) == ("governance.principals.list", "PERMISSION_DENIED")
        assert (denied.purpose, denied.rule) == ("curiosity", "default-deny")
    allowed = await settled(owner, "orgs/acme", lambda record: record.action == "governance.principals.list")
    assert any(entry.record.effect == audit_pb2.AUDIT_EFFECT_ALLOW for entry in allowed)


async def test_a_refused_key_is_in_its_organisations_log_and_a_guess_at_it_is_not(platform, owner, stub, refusal):
    key = await platform.principal("acme", "robot", roles=["agent"])
    request = policy_pb2.WhoAmIRequest()
    key_id = (await stub(key).WhoAmI(request)).credential
    await owner.DisablePrincipal(principal_pb2.DisablePrincipalRequest(name="orgs/acme/principals/robot"))
    guess = key[:-1] + ("a" if key[-1] != "a" else "b")
    assert (await refusal(stub(guess).WhoAmI(request))).reason is Reason.CREDENTIAL_INVALID
    assert (await refusal(stub(key).WhoAmI(request))).reason is Reason.CREDENTIAL_REVOKED
    entries = await settled(owner, "orgs/acme", lambda record: record.reason == "CREDENTIAL_REVOKED")
    refused = [entry.record for entry in entries if entry.record.effect == audit_pb2.AUDIT_EFFECT_DENY]
    assert [(record.principal, record.credential) for record in refused] == [("orgs/acme/principals/robot", key_id)]
    operator = stub(platform.operator_key)
    entries = await settled(operator, "orgs/platform", lambda record: record.reason == "CREDENTIAL_INVALID")
    assert not [entry for entry in entries if entry.record.reason and entry.record.principal]


async def test_names_that_nobody_has_make_no_log(platform, owner, refusal, stub):
    await refusal(owner.ListPrincipals(principal_pb2.ListPrincipalsRequest(parent="orgs/absent")))
    await settled(owner, "orgs/acme", lambda record: record.resource == "orgs/absent")
    database = await platform.kernel.database("governance")
    orgs = await database.read(lambda conn: conn.exec_driver_sql("SELECT org FROM log_trees").scalars().all())
    assert "acme" in orgs
    assert "absent" not in orgs


async def test_a_record_is_logged_once_however_often_it_is_sent(platform, owner):
    record = audit_pb2.AuditRecord(
        decision_id="01twice",
        principal="orgs/acme/principals/owner",
        principal_org="acme",
        action="vault.cubes.get",
        resource="orgs/acme/vaults/x",
        effect=audit_pb2.AUDIT_EFFECT_ALLOW,
        memory_type="PLAINTEXT",
    )
    record.time.FromSeconds(1_900_000_000)
    internal = platform.kernel.channels.stub(_stub_class())
    answers = await asyncio.gather(
        *(internal.AppendAuditRecords(audit_pb2.AppendAuditRecordsRequest(records=[record])) for _ in range(5))
    )
    answers.append(await internal.AppendAuditRecords(audit_pb2.AppendAuditRecordsRequest(records=[record])))
    assert (answers[0].appended, answers[-1].appended) == (1, 0)
    query = audit_pb2.QueryLogRequest(parent="orgs/acme", filter=audit_pb2.LogFilter(memory_type="PLAINTEXT"))
    assert len((await owner.QueryLog(query)).entries) == 1


async def test_questions_by_time_caller_operation_and_page(platform, owner, acme):
    await owner.CreatePolicy(
        policy_pb2.CreatePolicyRequest(
            parent="orgs/acme",
            policy=policy_pb2.Policy(
                subject="*", object="*", action="a.b.c", effect=policy_pb2.POLICY_EFFECT_DENY, description="x"
            ),
        )
    )
    entries = await settled(owner, "orgs/acme", lambda record: record.action == "governance.policies.create")

    async def ask(**fields):
        query = audit_pb2.QueryLogRequest(parent="orgs/acme", filter=audit_pb2.LogFilter(**fields))
        return [entry.record.action for entry in (await owner.QueryLog(query)).entries]

    assert await ask(permission_changes=True) == ["governance.policies.create", "governance.organisations.create"]
    assert await ask(actions=["governance.policies.*"]) == ["governance.policies.create"]
    assert await ask(principal=acme.owner, actions=["governance.organisations.create"]) == []
    last_time = max((entry.record.time for entry in entries), key=lambda time: time.ToMicroseconds())
    assert await ask(start_time=last_time, actions=["governance.organisations.create"]) == []
    first_time = min((entry.record.time for entry in entries), key=lambda time: time.ToMicroseconds())
    assert await ask(end_time=first_time) == []
    assert await ask(resource="orgs/acme/policies/*") == ["governance.policies.create"]
    first = await owner.QueryLog(audit_pb2.QueryLogRequest(parent="orgs/acme", page_size=1))
    second = await owner.QueryLog(
        audit_pb2.QueryLogRequest(parent="orgs/acme", page_size=1, page_token=first.next_page_token)
    )
    assert second.entries[0].index == first.entries[0].index - 1


async def test_receipts_and_growth_are_proved(owner, acme):
    entries = await settled(owner, "orgs/acme", lambda record: record.action == "governance.organisations.create")
    before = (await owner.GetCheckpoint(audit_pb2.GetCheckpointRequest(parent="orgs/acme"))).checkpoint
    key = VerifierKey.parse(before.verifier_key)
    signed = verify_note(before.note, key)
    assert (signed.origin, signed.size, signed.root) == (
        "memporium.local/audit/acme",
        before.tree_size,
        before.root_hash,
    )
    chosen = entries[-1]
    receipt = await owner.GetInclusionProof(
        audit_pb2.GetInclusionProofRequest(parent="orgs/acme", decision_id=chosen.record.decision_id)
    )
    tree = verify_note(receipt.checkpoint.note, key)
    verify_inclusion(receipt.entry.leaf_hash, chosen.index, tree.size, receipt.hashes, tree.root)
    with pytest.raises(ProofError):
        verify_inclusion(bytes(32), chosen.index, tree.size, receipt.hashes, tree.root)
    for _ in range(3):
        await owner.WhoAmI(policy_pb2.WhoAmIRequest())
    await settled(owner, "orgs/acme", lambda record: record.action == "governance.access.whoami")
    growth = await owner.GetConsistencyProof(
        audit_pb2.GetConsistencyProofRequest(parent="orgs/acme", first_size=before.tree_size)
    )
    after = verify_note(growth.checkpoint.note, key)
    assert after.size > signed.size
    verify_consistency(signed.size, after.size, signed.root, after.root, growth.hashes)


async def test_an_export_verifies_and_tampering_is_named(owner):
    await settled(owner, "orgs/acme", lambda record: record.action == "governance.organisations.create")
    key = (await owner.GetCheckpoint(audit_pb2.GetCheckpointRequest(parent="orgs/acme"))).checkpoint.verifier_key
    data = await export(owner)
    report = verify_export(data, verifier_key=key)
    assert report.ok, report.problems
    assert report.records == report.tree_size > 0
    assert verify_export(await export(owner, format=audit_pb2.EXPORT_FORMAT_CSV), verifier_key=key).ok
    lines = data.splitlines(keepends=True)
    row = json.loads(lines[1])
    row["record"]["principal"] = "orgs/acme/principals/scapegoat"
    altered = b"".join([lines[0], json.dumps(row).encode() + b"\n", *lines[2:]])
    assert verify_export(altered, verifier_key=key).problems == ("row 0 (line 2) was altered",)
    deleted = b"".join([lines[0], *lines[2:]])
    assert verify_export(deleted, verifier_key=key).problems == ("row 0 was deleted",)
    partial = await export(owner, filter=audit_pb2.LogFilter(permission_changes=True))
    assert not verify_export(partial, verifier_key=key).ok
    assert verify_export(partial, verifier_key=key, partial=True).ok


async def test_an_erased_record_keeps_all_proofs(owner, refusal):
    entries = await settled(owner, "orgs/acme", lambda record: record.action == "governance.organisations.create")
    decision = entries[-1].record.decision_id
    request = audit_pb2.EraseLogRecordRequest(parent="orgs/acme", decision_id=decision, request_id="e-1")
    erased = (await owner.EraseLogRecord(request)).entry
    assert erased.erased
    assert not erased.HasField("record")
    assert erased.leaf_hash == entries[-1].leaf_hash
    assert (await owner.EraseLogRecord(request)).entry == erased
    report = verify_export(await export(owner))
    assert report.ok
    assert report.erased == 1
    absent = audit_pb2.EraseLogRecordRequest(parent="orgs/acme", decision_id="absent")
    assert (await refusal(owner.EraseLogRecord(absent))).reason is Reason.NOT_FOUND


async def test_members_read_no_log_and_auditors_do(platform, acme, stub, refusal):
    member = await platform.principal("acme", "member", roles=["member"])
    auditor = await platform.principal("acme", "auditor", roles=["auditor"])
    query = audit_pb2.QueryLogRequest(parent="orgs/acme")
    assert (await refusal(stub(member).QueryLog(query))).reason is Reason.PERMISSION_DENIED
    await stub(auditor).QueryLog(query)
    erase = audit_pb2.EraseLogRecordRequest(parent="orgs/acme", decision_id="x")
    assert (await refusal(stub(auditor).EraseLogRecord(erase))).reason is Reason.PERMISSION_DENIED


def _stub_class():
    from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub

    return GovernanceServiceStub
