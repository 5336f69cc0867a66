"""The gRPC service: each method converts, calls the application, and converts back."""

from __future__ import annotations

# Registers the service's descriptor, with each method's access row: the generated stubs import messages alone.
from memporium.governance.v1 import governance_service_pb2 as _descriptor
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceServicer
from memporium_services.governance.servicer.access import AccessMethods
from memporium_services.governance.servicer.audit import AuditMethods
from memporium_services.governance.servicer.credentials import CredentialMethods
from memporium_services.governance.servicer.organisations import OrganisationMethods
from memporium_services.governance.servicer.pii import PiiMethods


class GovernanceServicer(
    OrganisationMethods, CredentialMethods, AccessMethods, AuditMethods, PiiMethods, GovernanceServiceServicer
):
    """All methods of the service."""


DESCRIPTOR = _descriptor.DESCRIPTOR
