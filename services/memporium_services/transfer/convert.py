"""Between the wire and the service: the only place that knows both."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from memporium.transfer.v1 import bundle_pb2
from memporium.transfer.v1 import transfer_pb2 as pb
from memporium.transfer.v1 import transfer_service_pb2 as calls
from memporium_platform.errors import invalid
from memporium_platform.names import ORG
from memporium_services.transfer.app.drafts import Plan
from memporium_services.transfer.app.events import Advanced, Imported, Passed, Sealed
from memporium_services.transfer.app.peer_downloads import PeerOrder
from memporium_services.transfer.app.screening import PiiProfile
from memporium_services.transfer.app.sealing import Selection
from memporium_services.transfer.convert_tracing import tracing_out
from memporium_services.transfer.domain.bundles import BundleKind, line_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.transfer.app.rotation import Rotated
    from memporium_services.transfer.domain.bundles import Bundle

R = TypeVar(
    "R",
    calls.PullBundleResponse,
    calls.LoadBundleResponse,
    calls.VerifyBundleResponse,
)

_PROFILES = {
    pb.PiiProfile.PII_PROFILE_UNSPECIFIED: PiiProfile.REFUSE,
    pb.PiiProfile.PII_PROFILE_REFUSE: PiiProfile.REFUSE,
    pb.PiiProfile.PII_PROFILE_REDACT: PiiProfile.REDACT,
    pb.PiiProfile.PII_PROFILE_ALLOW: PiiProfile.ALLOW,
}


def org_in(parent: str) -> str:
    """Return the organisation of a parent."""
    return ORG.parse(parent, "parent")["org"]


def plan_in(request: calls.SealReleaseRequest) -> Plan:
    """Return the release to seal."""
    return Plan(
        org=org_in(request.parent),
        kind=BundleKind.RELEASE,
        vault=request.vault,
        line=line_of(request.listing, sample=request.sample),
        version=request.version,
        number=request.number,
        terms_sha256=request.terms_sha256,
    )


def selection_in(selection: pb.CubeSelection) -> Selection:
    """Return which cubes to seal."""
    return Selection(tuple(selection.cubes), tuple(selection.tags))


def profile_in(profile: pb.PiiProfile.ValueType) -> PiiProfile:
    """Return what to do about personal data."""
    if profile not in _PROFILES:
        raise invalid("pii_profile", "is not known")
    return _PROFILES[profile]


def rotated_out(rotated: Rotated) -> calls.RotateSigningKeyResponse:
    """Return the answer about a new signing key."""
    public = rotated.signers.keys[0].public
    return calls.RotateSigningKeyResponse(
        number=rotated.signers.number,
        signing_public_key=public.first.public_bytes_raw(),
        second_public_key=public.second.public_bytes_raw() if public.second else b"",
        bundles=rotated.bundles,
    )


def bundle_out(bundle: Bundle, segments: Sequence[str] = ()) -> pb.Bundle:
    """Return the message of a bundle."""
    created = Timestamp()
    created.FromDatetime(bundle.create_time)
    return pb.Bundle(
        name=bundle.name,
        kind=bundle_pb2.BundleKind.Value(f"BUNDLE_KIND_{bundle.kind}"),
        state=pb.BundleState.Value(f"BUNDLE_STATE_{bundle.state}"),
        vault=bundle.vault,
        line=bundle.line,
        version=bundle.version,
        number=bundle.number,
        manifest_sha256=bundle.manifest_sha256,
        terms_sha256=bundle.terms_sha256,
        cube_count=bundle.cube_count,
        segment_count=bundle.segment_count,
        sealed_bytes=bundle.sealed_bytes,
        new_bytes=bundle.new_bytes,
        create_time=created,
        failure=bundle.failure,
        tracing=tracing_out(bundle) if bundle.kind is BundleKind.RELEASE else None,
        part_cube_count=bundle.part_cube_count,
        segments=segments,
    )


def event_out(kind: type[R], event: Passed | Advanced | Imported) -> R:
    """Return the message of what happened."""
    if isinstance(event, Passed):
        return kind(step=_step(event))
    if isinstance(event, Advanced):
        return kind(progress=progress_out(event))
    return kind(result=_result(event))  # type: ignore[call-arg]


def dump_out(event: Advanced | Sealed) -> calls.DumpVaultResponse:
    """Return the message of what happened in a dump."""
    if isinstance(event, Advanced):
        return calls.DumpVaultResponse(progress=progress_out(event))
    return calls.DumpVaultResponse(bundle=bundle_out(event.bundle))


def progress_out(event: Advanced) -> pb.Progress:
    """Return the message of how far it is."""
    return pb.Progress(
        cubes=event.cubes,
        bytes=event.content_bytes,
        segments=event.segments,
        total_segments=event.total_segments,
    )


def _step(event: Passed) -> pb.StepReport:
    duration = Duration()
    duration.FromMicroseconds(int(event.duration_s * 1_000_000))
    step = pb.VerificationStep.Value(f"VERIFICATION_STEP_{event.step}")
    return pb.StepReport(step=step, duration=duration, detail=event.detail)


def _result(event: Imported) -> pb.ImportResult:
    return pb.ImportResult(
        bundle=event.bundle,
        vault=event.vault,
        mount=event.mount,
        cube_count=event.cube_count,
        blob_count=event.blob_count,
        version=event.version,
        removed_characters=event.removed_characters,
        findings=event.findings,
        already_imported=event.already_imported,
    )


def peer_order_in(request: calls.ReadForPeerRequest) -> PeerOrder:
    """Return what an organisation of another platform asks for."""
    return PeerOrder(
        bundle=request.bundle,
        wanted=request.object,
        offset=request.offset,
        agreement=request.agreement,
        listing=request.listing,
        terms_sha256=request.terms_sha256,
        recipient=request.recipient,
        recipient_key=request.recipient_key,
        recipient_hybrid_key=request.recipient_hybrid_key,
        end_time=request.end_time.ToDatetime(tzinfo=UTC) if request.HasField("end_time") else None,
    )
