from __future__ import annotations

import uuid

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from memporium import Client
from memporium.client import _methods
from memporium.client._transport import Target
from memporium.client.errors import from_rpc_error


class _Refusal(grpc.RpcError):
    def __init__(self, trailing):
        self._trailing = trailing

    def code(self):
        return grpc.StatusCode.RESOURCE_EXHAUSTED

    def details(self):
        return "too much"

    def trailing_metadata(self):
        return self._trailing


def _packed(*details):
    status = status_pb2.Status(code=8, message="too much")
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status.SerializeToString()


def test_an_error_carries_reason_metadata_fields_and_when_to_retry():
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="name", description="is empty")
    info = error_details_pb2.ErrorInfo(reason="ERROR_REASON_RATE_LIMITED", domain="memporium", metadata={"limit": "5"})
    error = from_rpc_error(_Refusal((("grpc-status-details-bin", _packed(info, bad, retry)),)))
    assert (error.code, error.reason, error.metadata) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED", {"limit": "5"})
    assert (error.fields, error.retry_after_s) == ({"name": "is empty"}, 1.5)


def test_an_error_without_details_still_has_code_and_message():
    error = from_rpc_error(_Refusal(()))
    assert (error.code, error.reason, error.message) == ("RESOURCE_EXHAUSTED", "", "too much")


@pytest.mark.parametrize("service", _methods.SERVICES)
def test_every_rpc_of_a_service_is_a_method(service):
    with Client("127.0.0.1:1") as client:
        methods = getattr(client, service)
        names = dir(methods)
        assert len(names) == len(_methods.service_descriptor(service).methods)
        assert all(callable(getattr(methods, name)) for name in names)


def test_an_unknown_method_is_an_attribute_error():
    with Client("127.0.0.1:1") as client, pytest.raises(AttributeError, match="no method"):
        client.vault.make_coffee()


def test_a_mutation_gets_a_request_id_and_keeps_one_that_it_has():
    method = _methods.methods("vault")["create_vault"]
    made = _methods.build_request(method, None, {"parent": "orgs/a", "vault_id": "v"})
    assert uuid.UUID(made.request_id).version == 4
    kept = _methods.build_request(method, None, {"parent": "orgs/a", "vault_id": "v", "request_id": "mine"})
    assert kept.request_id == "mine"


def test_metadata_holds_only_what_was_given():
    assert Target(api_key="k", purpose="care").metadata() == (
        ("authorization", "Bearer k"),
        ("memporium-purpose", "care"),
    )
    assert Target().metadata() == ()


def test_nothing_listening_is_an_error_of_the_client_not_of_grpc():
    from memporium import MemporiumError

    with Client("127.0.0.1:1") as client, pytest.raises(MemporiumError) as caught:
        client.governance.who_am_i(timeout_s=2)
    assert caught.value.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
