"""Roles, policies, conditions and tokens of issuers through gRPC."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt as jose
from joserfc.jwk import OKPKey

from memporium.governance.v1 import issuer_pb2, policy_pb2, principal_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium_platform.clock import ManualClock
from memporium_platform.errors import Reason
from support.platform import running_platform

ROBOT = "orgs/acme/principals/robot"


def check(action, resource="", principal=ROBOT, *, explain=False, **context):
    return policy_pb2.CheckAccessRequest(
        parent="orgs/acme",
        principal=principal,
        action=action,
        resource=resource,
        explain=explain,
        context=policy_pb2.AccessContext(**context),
    )


def policy(effect, action, target="*", subject="*", conditions=()):
    return policy_pb2.CreatePolicyRequest(
        parent="orgs/acme",
        policy=policy_pb2.Policy(
            subject=subject, object=target, action=action, effect=effect, conditions=conditions, description="why"
        ),
    )


async def test_a_role_counts_from_its_epoch_until_it_is_taken_away(platform, stub, refusal):
    acme = await platform.organisation("acme")
    key = await platform.principal("acme", "robot", roles=["guest"])
    owner = stub(acme.owner_key)
    request = policy_pb2.ListRolesRequest(parent="orgs/acme")
    assert (await refusal(stub(key).ListRoles(request))).reason is Reason.PERMISSION_DENIED
    given = await owner.CreateRoleBinding(
        policy_pb2.CreateRoleBindingRequest(
            parent="orgs/acme", role_binding=policy_pb2.RoleBinding(member=ROBOT, role="auditor")
        )
    )
    assert len((await stub(key, at_least_epoch=str(given.epoch)).ListRoles(request)).roles) == 9
    listed = await owner.ListRoleBindings(policy_pb2.ListRoleBindingsRequest(parent="orgs/acme", member=ROBOT))
    assert [found.role for found in listed.role_bindings] == ["guest", "auditor"]
    taken = await owner.DeleteRoleBinding(policy_pb2.DeleteRoleBindingRequest(name=given.role_binding.name))
    demanding = stub(key, at_least_epoch=str(taken.epoch))
    assert (await refusal(demanding.ListRoles(request))).reason is Reason.PERMISSION_DENIED
    again = owner.DeleteRoleBinding(policy_pb2.DeleteRoleBindingRequest(name=given.role_binding.name))
    assert (await refusal(again)).reason is Reason.NOT_FOUND


async def test_a_deny_beats_the_owners_role(platform, stub, refusal):
    acme = await platform.organisation("acme")
    owner = stub(acme.owner_key)
    request = principal_pb2.ListPrincipalsRequest(parent="orgs/acme")
    await owner.ListPrincipals(request)
    made = await owner.CreatePolicy(policy(policy_pb2.POLICY_EFFECT_DENY, "governance.principals.*"))
    assert (await refusal(owner.ListPrincipals(request))).reason is Reason.PERMISSION_DENIED
    listed = await owner.ListPolicies(policy_pb2.ListPoliciesRequest(parent="orgs/acme"))
    assert list(listed.policies) == [made.policy]
    await owner.DeletePolicy(policy_pb2.DeletePolicyRequest(name=made.policy.name))
    await owner.ListPrincipals(request)


async def test_purpose_and_region_are_attributes(platform, stub, refusal):
    acme = await platform.organisation("acme")
    owner = stub(acme.owner_key)
    tests = [
        policy_pb2.AttributeTest(
            attribute="purpose", operator=policy_pb2.AttributeTest.OPERATOR_NOT_IN, values=["audit"]
        )
    ]
    await owner.CreatePolicy(policy(policy_pb2.POLICY_EFFECT_DENY, "governance.keys.*", conditions=tests))
    request = principal_pb2.ListApiKeysRequest(parent=acme.owner)
    assert (await refusal(owner.ListApiKeys(request))).reason is Reason.PERMISSION_DENIED
    assert len((await stub(acme.owner_key, purpose="audit").ListApiKeys(request)).api_keys) == 1


async def test_explanations_agree_with_casbin(platform, stub, refusal):
    acme = await platform.organisation("acme")
    await platform.principal("acme", "robot", roles=["agent"])
    owner = stub(acme.owner_key)
    made = await owner.CreatePolicy(
        policy(policy_pb2.POLICY_EFFECT_DENY, "vault.cubes.*", "orgs/acme/vaults/secret/*", "roles/agent")
    )
    allowed = await owner.CheckAccess(check("vault.cubes.get", "orgs/acme/vaults/open/cubes/a", explain=True))
    assert allowed.allowed
    assert allowed.casbin_allowed
    assert allowed.rule == "roles/agent/allow/vault.cubes.get"
    assert list(allowed.subjects) == [ROBOT, "roles/agent", "roles/guest"]
    denied = await owner.CheckAccess(check("vault.cubes.get", "orgs/acme/vaults/secret/cubes/a", explain=True))
    assert not denied.allowed
    assert not denied.casbin_allowed
    assert denied.HasField("casbin_allowed")
    assert denied.rule == made.policy.name
    assert {rule.rule for rule in denied.matched} == {made.policy.name, "roles/agent/allow/vault.cubes.get"}
    unknown = await owner.CheckAccess(check("vault.vaults.delete", "orgs/acme/vaults/open"))
    assert (unknown.allowed, unknown.rule, unknown.HasField("casbin_allowed")) == (False, "default-deny", False)
    elsewhere = owner.CheckAccess(check("vault.cubes.get", "orgs/other/vaults/x"))
    assert (await refusal(elsewhere)).reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    "request_",
    [
        policy(policy_pb2.POLICY_EFFECT_UNSPECIFIED, "vault.*"),
        policy(policy_pb2.POLICY_EFFECT_ALLOW, "vault..x"),
        policy(policy_pb2.POLICY_EFFECT_ALLOW, "vault.*", "orgs/other/*"),
        policy(policy_pb2.POLICY_EFFECT_ALLOW, "vault.*", "orgs/*/vaults/x"),
        policy(policy_pb2.POLICY_EFFECT_ALLOW, "vault.*", subject="bob"),
        policy(policy_pb2.POLICY_EFFECT_ALLOW, "vault.*", subject="roles/platform-operator"),
        policy(
            policy_pb2.POLICY_EFFECT_ALLOW,
            "vault.*",
            conditions=[policy_pb2.AttributeTest(attribute="weather", operator=1, values=["rain"])],
        ),
        policy(
            policy_pb2.POLICY_EFFECT_ALLOW,
            "vault.*",
            conditions=[policy_pb2.AttributeTest(attribute="purpose", operator=1)],
        ),
    ],
)
async def test_policies_that_make_no_sense_are_refused(platform, stub, refusal, request_):
    acme = await platform.organisation("acme")
    assert (await refusal(stub(acme.owner_key).CreatePolicy(request_))).reason is Reason.INVALID_FIELD


async def test_the_operators_role_stays_in_the_platform(platform, stub, refusal):
    acme = await platform.organisation("acme")
    owner = stub(acme.owner_key)
    for member, role, reason in (
        (acme.owner, "platform-operator", Reason.INVALID_FIELD),
        ("orgs/acme/principals/absent", "member", Reason.NOT_FOUND),
        ("somebody", "member", Reason.INVALID_FIELD),
    ):
        binding = policy_pb2.RoleBinding(member=member, role=role)
        request = policy_pb2.CreateRoleBindingRequest(parent="orgs/acme", role_binding=binding)
        assert (await refusal(owner.CreateRoleBinding(request))).reason is reason
    operator = stub(platform.operator_key)
    request = policy_pb2.CreateRoleBindingRequest(
        parent="orgs/platform", role_binding=policy_pb2.RoleBinding(member=acme.owner, role="platform-operator")
    )
    assert (await refusal(operator.CreateRoleBinding(request))).reason is Reason.INVALID_FIELD


async def test_who_may_not_give_roles_cannot_make_principals_with_any(platform, stub, refusal):
    acme = await platform.organisation("acme")
    key = await platform.principal("acme", "robot", roles=["guest"])
    await stub(acme.owner_key).CreatePolicy(
        policy(policy_pb2.POLICY_EFFECT_ALLOW, "governance.principals.create", subject=ROBOT)
    )
    robot = stub(key)
    await robot.CreatePrincipal(principal_pb2.CreatePrincipalRequest(parent="orgs/acme", principal_id="plain"))
    mighty = principal_pb2.CreatePrincipalRequest(
        parent="orgs/acme", principal_id="mighty", roles=["organisation-owner"]
    )
    assert (await refusal(robot.CreatePrincipal(mighty))).reason is Reason.PERMISSION_DENIED


async def test_tokens_of_an_issuer_stand_for_principals_of_its_organisation(platform, stub, refusal):
    acme, other = await platform.organisation("acme"), await platform.organisation("other")
    key = OKPKey.generate_key("Ed25519", {"kid": "one"})
    draft = issuer_pb2.Issuer(
        issuer="https://idp.acme",
        audience="memporium",
        jwks=json.dumps({"keys": [key.as_dict(private=False)]}),
        algorithms=["Ed25519"],
    )
    request = issuer_pb2.CreateIssuerRequest(parent="orgs/acme", issuer_id="idp", issuer=draft)
    made = await stub(acme.owner_key).CreateIssuer(request)

    def token(**changes):
        claims = {"iss": "https://idp.acme", "aud": "memporium", "sub": "owner", "exp": int(time.time()) + 60}
        return jose.encode({"alg": "Ed25519", "kid": "one"}, {**claims, **changes}, key, algorithms=["Ed25519"])

    me = await stub(token()).WhoAmI(policy_pb2.WhoAmIRequest())
    assert (me.principal.name, me.credential) == (acme.owner, "issuers/idp")
    foreign = principal_pb2.ListPrincipalsRequest(parent="orgs/other")
    assert (await refusal(stub(token()).ListPrincipals(foreign))).reason is Reason.PERMISSION_DENIED
    for wrong in (token(sub="absent"), token(aud="else"), token(org="other"), token() + "x"):
        assert (await refusal(stub(wrong).WhoAmI(policy_pb2.WhoAmIRequest()))).reason is Reason.CREDENTIAL_INVALID
    taken = issuer_pb2.CreateIssuerRequest(parent="orgs/other", issuer_id="idp", issuer=draft)
    assert (await refusal(stub(other.owner_key).CreateIssuer(taken))).reason is Reason.ALREADY_EXISTS
    listed = await stub(acme.owner_key).ListIssuers(issuer_pb2.ListIssuersRequest(parent="orgs/acme"))
    assert list(listed.issuers) == [made.issuer]
    await stub(acme.owner_key).DeleteIssuer(issuer_pb2.DeleteIssuerRequest(name=made.issuer.name))
    assert (await refusal(stub(token()).WhoAmI(policy_pb2.WhoAmIRequest()))).reason is Reason.CREDENTIAL_INVALID


async def test_expired_keys_are_refused(tmp_path, refusal):
    clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    async with running_platform(("governance",), data_dir=tmp_path, clock=clock) as platform:
        acme = await platform.organisation("acme")
        owner = GovernanceServiceStub(platform.channel(acme.owner_key))
        request = principal_pb2.CreateApiKeyRequest(parent=acme.owner)
        request.api_key.expire_time.FromDatetime(clock.now() - timedelta(seconds=1))
        assert (await refusal(owner.CreateApiKey(request))).reason is Reason.INVALID_FIELD
        request.api_key.expire_time.FromDatetime(clock.now() + timedelta(hours=1))
        made = await owner.CreateApiKey(request)
        robot = GovernanceServiceStub(platform.channel(made.secret))
        await robot.WhoAmI(policy_pb2.WhoAmIRequest())
        clock.advance(hours=1)
        assert (await refusal(robot.WhoAmI(policy_pb2.WhoAmIRequest()))).reason is Reason.CREDENTIAL_EXPIRED
