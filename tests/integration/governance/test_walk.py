"""Organisations, principals, keys and roles through gRPC."""

import asyncio

from memporium.governance.v1 import organisation_pb2, policy_pb2, principal_pb2
from memporium_platform.errors import Reason


async def test_owner_manages_the_organisation(platform, stub):
    acme = await platform.organisation("acme")
    owner = stub(acme.owner_key)
    me = await owner.WhoAmI(policy_pb2.WhoAmIRequest())
    assert me.principal.name == acme.owner
    assert "organisation-owner" in me.roles
    assert "member" in me.roles
    found = await owner.GetOrganisation(organisation_pb2.GetOrganisationRequest(name="orgs/acme"))
    assert found.organisation.display_name == "acme"
    keys = await owner.GetOrganisationKeys(organisation_pb2.GetOrganisationKeysRequest(name="orgs/acme"))
    assert len(keys.keys.signing_public_key) == len(keys.keys.hpke_public_key) == 32


async def test_the_first_key_is_in_the_operators_file(platform, tmp_path, stub):
    path = tmp_path / "operator.key"
    assert path.stat().st_mode & 0o777 == 0o600
    me = await stub(path.read_text().strip()).WhoAmI(policy_pb2.WhoAmIRequest())
    assert me.principal.name == "orgs/platform/principals/operator"
    assert list(me.roles) == ["platform-operator"]


async def test_operator_cannot_look_into_a_tenant(platform, stub, refusal):
    await platform.organisation("acme")
    operator = stub(platform.operator_key)
    error = await refusal(operator.ListPrincipals(principal_pb2.ListPrincipalsRequest(parent="orgs/acme")))
    assert error.reason is Reason.PERMISSION_DENIED


async def test_revoked_key_is_refused_at_once(platform, stub, refusal):
    acme = await platform.organisation("acme")
    key = await platform.principal("acme", "robot", roles=["agent"])
    robot = stub(key)
    await robot.WhoAmI(policy_pb2.WhoAmIRequest())
    owner = stub(acme.owner_key)
    listed = await owner.ListApiKeys(principal_pb2.ListApiKeysRequest(parent="orgs/acme/principals/robot"))
    revoked = await owner.RevokeApiKey(principal_pb2.RevokeApiKeyRequest(name=listed.api_keys[0].name))
    assert revoked.api_key.HasField("revoke_time")
    demanding = stub(key, at_least_epoch=str(revoked.epoch))
    assert (await refusal(demanding.WhoAmI(policy_pb2.WhoAmIRequest()))).reason is Reason.CREDENTIAL_REVOKED
    assert (await refusal(robot.WhoAmI(policy_pb2.WhoAmIRequest()))).reason is Reason.CREDENTIAL_REVOKED


async def test_disabled_principal_is_refused_and_comes_back(platform, stub, refusal):
    acme = await platform.organisation("acme")
    key = await platform.principal("acme", "robot")
    owner, name = stub(acme.owner_key), "orgs/acme/principals/robot"
    await owner.DisablePrincipal(principal_pb2.DisablePrincipalRequest(name=name))
    error = await refusal(stub(key).WhoAmI(policy_pb2.WhoAmIRequest()))
    assert error.reason is Reason.CREDENTIAL_REVOKED
    await owner.EnablePrincipal(principal_pb2.EnablePrincipalRequest(name=name))
    assert (await stub(key).WhoAmI(policy_pb2.WhoAmIRequest())).principal.name == name


async def test_one_organisation_never_sees_another(platform, stub, refusal):
    acme, other = await platform.organisation("acme"), await platform.organisation("other")
    for key, org in ((acme.owner_key, "other"), (other.owner_key, "acme"), (acme.owner_key, "absent")):
        calls = stub(key)
        requests = [
            calls.GetOrganisation(organisation_pb2.GetOrganisationRequest(name=f"orgs/{org}")),
            calls.ListPrincipals(principal_pb2.ListPrincipalsRequest(parent=f"orgs/{org}")),
            calls.CreateApiKey(principal_pb2.CreateApiKeyRequest(parent=f"orgs/{org}/principals/owner")),
            calls.CreatePolicy(policy_pb2.CreatePolicyRequest(parent=f"orgs/{org}", policy=policy_pb2.Policy())),
            calls.ListRoleBindings(policy_pb2.ListRoleBindingsRequest(parent=f"orgs/{org}")),
        ]
        errors = [await refusal(request) for request in requests]
        assert {error.reason for error in errors} == {Reason.PERMISSION_DENIED}


async def test_an_id_is_given_once(platform, stub, refusal):
    acme = await platform.organisation("acme")
    operator = stub(platform.operator_key)
    error = await refusal(
        operator.CreateOrganisation(organisation_pb2.CreateOrganisationRequest(organisation_id="acme"))
    )
    assert error.reason is Reason.ALREADY_EXISTS
    request = organisation_pb2.CreateOrganisationRequest(organisation_id="twice", request_id="r-1")
    first, second = await operator.CreateOrganisation(request), await operator.CreateOrganisation(request)
    assert first.owner_secret.startswith("mpk_")
    assert (second.owner_secret, second.owner_key, second.epoch) == ("", first.owner_key, first.epoch)
    assert acme.owner_key.startswith("mpk_")


async def test_deleted_organisation_is_refused_and_its_keys_are_gone(platform, stub, refusal):
    acme, other = await platform.organisation("acme"), await platform.organisation("other")
    operator = stub(platform.operator_key)
    await platform.kernel.keys.org_signing_key("acme")
    await operator.DeleteOrganisation(organisation_pb2.DeleteOrganisationRequest(name="orgs/acme"))
    error = await refusal(stub(acme.owner_key).WhoAmI(policy_pb2.WhoAmIRequest()))
    assert error.reason is Reason.CREDENTIAL_REVOKED
    error = await refusal(
        stub(other.owner_key).GetOrganisationKeys(organisation_pb2.GetOrganisationKeysRequest(name="orgs/acme"))
    )
    assert error.reason is Reason.PERMISSION_DENIED
    listed = await operator.ListOrganisations(organisation_pb2.ListOrganisationsRequest())
    assert [found.name for found in listed.organisations] == ["orgs/other", "orgs/platform"]


async def test_lists_go_on_from_page_to_page(platform, stub, refusal):
    acme = await platform.organisation("acme")
    owner = stub(acme.owner_key)
    await asyncio.gather(
        *(
            owner.CreatePrincipal(principal_pb2.CreatePrincipalRequest(parent="orgs/acme", principal_id=f"p{number}"))
            for number in range(5)
        )
    )
    names, token = [], ""
    while True:
        page = await owner.ListPrincipals(
            principal_pb2.ListPrincipalsRequest(parent="orgs/acme", page_size=2, page_token=token)
        )
        names += [found.name.rpartition("/")[2] for found in page.principals]
        token = page.next_page_token
        if not token:
            break
    assert names == ["owner", "p0", "p1", "p2", "p3", "p4"]
    error = await refusal(
        owner.ListPrincipals(principal_pb2.ListPrincipalsRequest(parent="orgs/acme", page_token="made-up"))
    )
    assert error.reason is Reason.INVALID_PAGE_TOKEN
