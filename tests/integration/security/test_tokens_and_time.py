"""Page tokens are their owner's alone, and a refusal takes no longer for what exists than for what does not."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.api import field_behavior_pb2
from google.protobuf import message_factory

from support.filler import Filler
from support.methods import Method, all_methods, outcome

if TYPE_CHECKING:
    from support.tenants import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTS = [method for method in all_methods() if "page_token" in method.input.fields_by_name]
_ROUNDS = 150
# What can be told from the time differs each time; what else the machine does, now and then.
_TRIALS = 6
# Of the platform: a tenant is refused whatever it asks.
_OPERATORS = {"governance.ListOrganisations", "memstore.ListPeers"}
_REQUIRED = field_behavior_pb2.REQUIRED


def request_of(world: World, method: Method, org: str, **fields: Any) -> Any:
    """Return a request for the smallest first page of an organisation's own list."""
    known = method.input.fields_by_name
    request = message_factory.GetMessageClass(method.input)(page_size=1, **fields)
    if "parent" in known:
        kind = Filler.kind(known["parent"], method)
        request.parent = (world.names[org].get(kind) or [f"orgs/{org}"])[0]
    if "listing" in known and _REQUIRED in known["listing"].GetOptions().Extensions[field_behavior_pb2.field_behavior]:
        request.listing = (world.names[org].get("listing") or [f"orgs/{org}/listings/none"])[0]
    if "name" in known:
        request.name = world.names[org]["cube"][2]
    return request


async def first_tokens(world: World, org: str) -> dict[str, str]:
    """Return the tokens of all lists of an organisation that have a second page."""
    tokens = {}
    for method in LISTS:
        got = await outcome(world.platform.channel(world.keys[org]), method, [request_of(world, method, org)])
        assert got.code in {grpc.StatusCode.OK, grpc.StatusCode.PERMISSION_DENIED}, (method.id, got.message)
        if got.code is grpc.StatusCode.OK:
            pool = method.input.file.pool
            answer = pool.FindMessageTypeByName(method.input.full_name.removesuffix("Request") + "Response")
            response: Any = message_factory.GetMessageClass(answer).FromString(got.responses[0])
            if response.next_page_token:
                tokens[method.id] = response.next_page_token
    return tokens


async def test_a_token_of_another_tenant_or_method_is_refused(world: World) -> None:
    """Even where the other may see the list itself: a token never widens what one may see, nor says anything."""
    alices = await first_tokens(world, "alice")
    assert len(alices) >= 15
    wrong = []
    for method in LISTS:
        token = alices.get(method.id)
        for org, given, refused in (
            # Her own token goes on, where there was one.
            ("alice", token, False),
            # Another method's.
            ("alice", next(text for name, text in alices.items() if name != method.id), True),
            # Another tenant's, for that tenant's own list.
            ("mallory", token, True),
            ("alice", token[:-2] if token else "made-up", True),
        ):
            if given is None or method.id in _OPERATORS:
                continue
            request = request_of(world, method, org, page_token=given)
            got = await outcome(world.platform.channel(world.keys[org]), method, [request])
            denied = got.reason == "PERMISSION_DENIED" and org == "mallory"
            if (got.reason == "INVALID_PAGE_TOKEN") is not refused and not denied:
                wrong.append(f"{method.id} as {org}: {got.code.name} {got.reason} {got.message[:80]}")
            assert given not in got.message or got.code is grpc.StatusCode.OK
    assert not wrong


async def test_a_token_of_a_colleague_is_refused(world: World) -> None:
    (method,) = [method for method in LISTS if method.id == "vault.ListCubes"]
    tokens = await first_tokens(world, "alice")
    request = request_of(world, method, "alice", page_token=tokens[method.id])
    got = await outcome(world.platform.channel(world.agents["alice"]), method, [request])
    assert (got.code, got.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize("chosen", ["vault.GetCube", "memstore.GetListing", "memstore.GetAgreement", "vault.ListCubes"])
async def test_a_refusal_takes_as_long_for_what_does_not_exist(world: World, chosen: str) -> None:
    """Medians of interleaved calls: an outsider cannot tell from the time, either."""
    (method,) = [method for method in all_methods() if method.id == chosen]
    kind = {"GetCube": "cube", "GetListing": "listing", "GetAgreement": "agreement", "ListCubes": "vault"}[method.name]
    real = world.names["alice"][kind][0]
    absent = real[:-1] + ("z" if real[-1] != "z" else "y")
    field = "name" if "name" in method.input.fields_by_name else "parent"
    channel = world.platform.channel(world.keys["mallory"])
    medians = []
    for _ in range(_TRIALS):
        spent: dict[str, list[float]] = {real: [], absent: []}
        for _ in range(_ROUNDS):
            for name, times in spent.items():
                request = message_factory.GetMessageClass(method.input)(**{field: name})
                began = time.perf_counter()
                got = await outcome(channel, method, [request])
                times.append(time.perf_counter() - began)
                assert got.reason == "PERMISSION_DENIED"
        here, there = (statistics.median(times) for times in spent.values())
        # A read of the store more or less takes some hundred microseconds.
        if abs(here - there) < max(0.0004, 0.35 * min(here, there)):
            return
        medians.append((here, there))
    raise AssertionError(f"it can be told from the time, each time: {medians}")
