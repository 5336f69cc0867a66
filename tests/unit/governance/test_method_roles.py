"""Every method that a role can open is open to some role, and actions are well formed."""

from google.protobuf import descriptor_pool

from memporium.common.v1 import access_pb2
from memporium.governance.v1 import governance_service_pb2
from memporium.memstore.v1 import memstore_service_pb2
from memporium.reader.v1 import reader_service_pb2
from memporium.transfer.v1 import transfer_service_pb2
from memporium.vault.v1 import vault_service_pb2
from memporium_platform.authz.compile import Compiler
from memporium_platform.authz.entries import Grouping
from memporium_platform.authz.patterns import is_action_pattern
from memporium_platform.authz.roles import entries_of, load_roles, policies_dir

MODULES = (
    governance_service_pb2,
    memstore_service_pb2,
    reader_service_pb2,
    transfer_service_pb2,
    vault_service_pb2,
)
OWNER, OPERATOR = "orgs/acme/principals/owner", "orgs/platform/principals/operator"
CLOSED = (access_pb2.ACCESS_DOMAIN_INTERNAL, access_pb2.ACCESS_DOMAIN_ANY)


def rows():
    for module in MODULES:
        for service in module.DESCRIPTOR.services_by_name.values():
            found = descriptor_pool.Default().FindServiceByName(service.full_name)
            for method in found.methods:
                yield method.name, method.GetOptions().Extensions[access_pb2.access]


def test_every_method_has_an_action_that_some_role_may_do():
    entries = entries_of(load_roles(policies_dir()))
    entries["owner"] = Grouping(OWNER, "roles/organisation-owner", "acme")
    entries["operator"] = Grouping(OPERATOR, "roles/platform-operator", "platform")
    compiler = Compiler()
    compiler.update(entries.items())
    snapshot = compiler.snapshot(1)
    for name, access in rows():
        assert access.action.count(".") == 2, name
        assert is_action_pattern(access.action), name
        if access.domain in CLOSED:
            continue
        platform = access.domain == access_pb2.ACCESS_DOMAIN_PLATFORM
        who, org = (OPERATOR, "platform") if platform else (OWNER, "acme")
        assert snapshot.decide(who, org, f"orgs/{org}", access.action, {})[0], name
        other = snapshot.decide(OWNER if platform else OPERATOR, org, f"orgs/{org}", access.action, {})
        assert not other[0], name
