from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from memporium.common.v1 import error_reason_pb2
from memporium_platform.errors import FieldViolation, PlatformError, Reason
from memporium_platform.rpc.errors_client import reason_of
from memporium_platform.rpc.status import DETAILS_KEY, STATUS, to_status

ROOT = Path(__file__).resolve().parents[3]


def as_seen_by_client(error: PlatformError) -> grpc.aio.AioRpcError:
    code, message, blob = to_status(error)
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata((DETAILS_KEY, blob)), details=message)


def test_reasons_are_those_of_the_proto() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name}
    assert {reason.value for reason in Reason} == names - {"UNSPECIFIED"}
    assert all(reason.name == reason.value for reason in Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_the_status_that_its_comment_names(reason: Reason) -> None:
    proto = (ROOT / "protos/memporium/common/v1/error_reason.proto").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(proto) if f"ERROR_REASON_{reason.value} =" in text)
    assert proto[line - 1].split("//")[1].split(":")[0].strip() == STATUS[reason].name


@pytest.mark.parametrize("reason", list(Reason))
def test_an_error_survives_the_wire(reason: Reason) -> None:
    sent = PlatformError(
        reason,
        "what went wrong",
        metadata={"resource": "orgs/a"},
        fields=[FieldViolation("cube.name", "is required")],
        retry_after_s=0.25,
    )
    got = reason_of(as_seen_by_client(sent))
    assert (got.reason, got.message, got.metadata) == (reason, sent.message, sent.metadata)
    assert got.fields == sent.fields
    assert got.retry_after_s == 0.25


def test_exactly_one_error_info_of_our_domain() -> None:
    _, _, blob = to_status(PlatformError(Reason.RATE_LIMITED, "slow down", retry_after_s=1))
    details = status_pb2.Status.FromString(blob).details
    infos = [detail for detail in details if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
    assert len(infos) == 1
    info = error_details_pb2.ErrorInfo.FromString(infos[0].value)
    assert (info.domain, info.reason) == ("memporium", "RATE_LIMITED")


@pytest.mark.parametrize(
    ("domain", "reason"), [("example.com", "NOT_FOUND"), ("memporium", "__class__"), ("memporium", "NO_SUCH")]
)
def test_a_foreign_reason_is_not_believed(domain: str, reason: str) -> None:
    status = status_pb2.Status(code=5, message="x")
    status.details.add().Pack(error_details_pb2.ErrorInfo(domain=domain, reason=reason))
    metadata = grpc.aio.Metadata((DETAILS_KEY, status.SerializeToString()))
    error = grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), metadata)
    assert reason_of(error).reason is Reason.INTERNAL


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, Reason.UNAVAILABLE),
        (grpc.StatusCode.UNIMPLEMENTED, Reason.UNAVAILABLE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.OVERLOADED),
        (grpc.StatusCode.UNKNOWN, Reason.INTERNAL),
    ],
)
def test_a_status_without_details(code: grpc.StatusCode, reason: Reason) -> None:
    metadata = grpc.aio.Metadata((DETAILS_KEY, b"\xff not a status"))
    assert reason_of(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata)).reason is reason


def test_long_texts_are_cut() -> None:
    _, message, blob = to_status(PlatformError(Reason.NOT_FOUND, "x" * 10_000, metadata={"resource": "y" * 10_000}))
    assert len(message) == 1024
    assert len(blob) < 4096
