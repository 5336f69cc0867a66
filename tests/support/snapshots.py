"""All that an organisation has, as it sees it itself, to compare before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.cube.v1.cube_pb2 import CubeState
from memporium.governance.v1 import issuer_pb2, policy_pb2, principal_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium.memstore.v1 import agreement_calls_pb2, listing_calls_pb2, release_calls_pb2, subscription_calls_pb2
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium.scheduler.v1 import scheduler_service_pb2
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.transfer.v1 import transfer_service_pb2
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import cubes_pb2
from memporium.vault.v1 import vault_service_pb2 as vaults
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub

if TYPE_CHECKING:
    from support.tenants import World

_PAGE = 1000


async def snapshot(world: World, org: str) -> dict[str, Any]:
    """Return the resources of an organisation by name or place; how often memory was used is left out."""
    found: dict[str, Any] = {}
    parent = f"orgs/{org}"
    vault, governance, memstore, transfer, scheduler = (
        world.stub(service, org)
        for service in (
            VaultServiceStub,
            GovernanceServiceStub,
            MemstoreServiceStub,
            TransferServiceStub,
            SchedulerServiceStub,
        )
    )
    for kept in (await vault.ListVaults(vaults.ListVaultsRequest(parent=parent, page_size=_PAGE))).vaults:
        found[kept.name] = kept
        await _memory(found, vault, kept.name)
    for people in (await governance.ListPrincipals(principal_pb2.ListPrincipalsRequest(parent=parent))).principals:
        found[people.name] = people
        keys = await governance.ListApiKeys(principal_pb2.ListApiKeysRequest(parent=people.name))
        for key in keys.api_keys:
            key.ClearField("last_use_time") if "last_use_time" in key.DESCRIPTOR.fields_by_name else None
        found[f"{people.name} keys"] = keys
    found["policies"] = await governance.ListPolicies(policy_pb2.ListPoliciesRequest(parent=parent))
    found["bindings"] = await governance.ListRoleBindings(policy_pb2.ListRoleBindingsRequest(parent=parent))
    found["issuers"] = await governance.ListIssuers(issuer_pb2.ListIssuersRequest(parent=parent))
    for listing in (await memstore.ListListings(listing_calls_pb2.ListListingsRequest(parent=parent))).listings:
        found[listing.name] = listing
        request = {"parent": listing.name}
        found[f"{listing.name} releases"] = await memstore.ListReleases(
            release_calls_pb2.ListReleasesRequest(**request)
        )
        found[f"{listing.name} offers"] = await memstore.ListOffers(release_calls_pb2.ListOffersRequest(**request))
    for kept in await _subscriptions(memstore, parent):
        found[kept.name] = kept
    found["bundles"] = await transfer.ListBundles(transfer_service_pb2.ListBundlesRequest(parent=parent))
    found["jobs"] = await scheduler.ListJobs(scheduler_service_pb2.ListJobsRequest(parent=parent))
    for name in world.names["alice"]["agreement"]:
        if name in world.protected and org in ("alice", "bob"):
            found[name] = await memstore.GetAgreement(agreement_calls_pb2.GetAgreementRequest(name=name))
    return found


async def _memory(found: dict[str, Any], stub: Any, vault: str) -> None:
    full = cubes_pb2.CubeView.CUBE_VIEW_FULL
    listed = await stub.ListCubes(vaults.ListCubesRequest(parent=vault, page_size=_PAGE, view=full))
    for cube in listed.cubes:
        cube.ClearField("behavioural")
        if cube.governance.state == CubeState.CUBE_STATE_GENERATED:
            # The first use by its own organisation activates a cube.
            cube.governance.state = CubeState.CUBE_STATE_ACTIVATED
        found[cube.name] = cube
        found[f"{cube.name} versions"] = await stub.ListCubeVersions(vaults.ListCubeVersionsRequest(name=cube.name))
    found[f"{vault} relations"] = await stub.ListRelations(vaults.ListRelationsRequest(parent=vault))
    found[f"{vault} mounts"] = await stub.ListMounts(vaults.ListMountsRequest(parent=vault))
    found[f"{vault} tags"] = await stub.ListTags(vaults.ListTagsRequest(parent=vault))


async def _subscriptions(stub: Any, parent: str) -> list[Any]:
    listed = await stub.ListSubscriptions(subscription_calls_pb2.ListSubscriptionsRequest(parent=parent))
    return list(listed.subscriptions)
