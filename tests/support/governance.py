"""Organisations and principals through the governance service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.governance.v1 import organisation_pb2, principal_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from support.platform import Org

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.platform import Platform

# Seconds for the snapshot to follow; it takes some milliseconds.
_FOLLOW_S = 60.0


async def create_organisation(platform: Platform, org: str, owner: str) -> Org:
    """Create an organisation as the operator; return it with its owner's key, once the key is known everywhere here."""
    stub = GovernanceServiceStub(platform.channel(platform.operator_key))
    made = await stub.CreateOrganisation(
        organisation_pb2.CreateOrganisationRequest(organisation_id=org, owner_id=owner)
    )
    await platform.kernel.authz.wait_for(made.epoch, _FOLLOW_S)
    platform.owner_keys[org] = made.owner_secret
    return Org(org, made.organisation.name, made.owner.name, made.owner_secret)


async def create_principal(platform: Platform, org: str, name: str, roles: Sequence[str]) -> str:
    """Create a principal as the organisation's owner; return its key, once it is known everywhere here."""
    stub = GovernanceServiceStub(platform.channel(platform.owner_keys[org]))
    principal = await stub.CreatePrincipal(
        principal_pb2.CreatePrincipalRequest(
            parent=f"orgs/{org}",
            principal_id=name,
            principal=principal_pb2.Principal(kind=principal_pb2.PRINCIPAL_KIND_WORKLOAD),
            roles=roles,
        )
    )
    key = await stub.CreateApiKey(principal_pb2.CreateApiKeyRequest(parent=principal.principal.name))
    await platform.kernel.authz.wait_for(key.epoch, _FOLLOW_S)
    return str(key.secret)
