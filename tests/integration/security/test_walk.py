"""Every method of every service, in its own shape, refuses whoever may not: with real keys, on real resources."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from memporium.common.v1 import access_pb2
from memporium.governance.v1 import issuer_pb2, principal_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.filler import Filler, Names
from support.issuers import ALICE_ISSUER, token
from support.methods import Method, Outcome, all_methods, outcome
from support.patience import eventually, patiences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from support.tenants import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS = all_methods()
INTERNAL = [method for method in METHODS if method.domain == access_pb2.ACCESS_DOMAIN_INTERNAL]
# What names no resource of any organisation, and the keys that an organisation publishes.
OPEN = {
    "governance.GetOrganisationKeys",
    "governance.WhoAmI",
    "governance.DetectPii",
    "governance.RedactPii",
    "inference.Embed",
    "inference.CountTokens",
    "inference.ScoreTexts",
    "inference.ListModels",
    "inference.GetCapabilities",
    "scheduler.ListStrategies",
    "vault.GetCapabilities",
    "memstore.SearchListings",
    # They name an agreement or an offer only where the caller chooses to; their own tests ask for those of others.
    "memstore.ExplainTerms",
    "memstore.ConvertTerms",
}
REFUSALS = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND}
# Rounds of filling; each round fills other fields.
ROUNDS = 4


def victim_names(world: World, rng: Random) -> Names:
    """Return a source of names of the victims' resources that are closed to mallory."""
    closed = {
        kind: [name for org in ("alice", "bob") for name in world.names[org][kind] if "/open" not in name]
        for kind in (*world.names["alice"], *world.names["bob"])
    }

    def draw(kind: str, *, about: bool = False) -> str:
        found = closed.get(kind) or closed["cube"]
        return rng.choice(found)

    return draw


async def answers(world: World, key: str, chosen: list[Method], *, seed: int = 1) -> Iterator[tuple[str, Outcome]]:
    """Call all methods with a key on the victims' resources; return what came back."""
    # A proposal's terms are checked for sense before anything is looked up.
    names = victim_names(world, Random(seed))
    filler = Filler(Random(seed), names, digests=world.digests, without=["terms", "price"])
    limit = asyncio.Semaphore(16)

    async def one(method: Method, requests: list[Message]) -> tuple[Method, bytes, Outcome]:
        async with limit:
            timeout_s = 30 if method.endless else 60
            found = await outcome(world.platform.channel(key), method, requests, timeout_s=timeout_s)
            return method, b"\0".join(request.SerializeToString() for request in requests), found

    return await asyncio.gather(*(one(method, filler.requests(method)) for method in chosen))


async def wrong(world: World, key: str, reasons: set[str], chosen: list[Method]) -> list[str]:
    """Return the methods that answer anything but a refusal for one of these reasons."""
    found = []
    for seed in range(ROUNDS):
        for method, sent, got in await answers(world, key, chosen, seed=seed):
            named = {text for text in got.kinds if text.endswith("google.rpc.ErrorInfo")}
            leaked = world.leaks("mallory", got.seen, sent)
            if got.code not in REFUSALS or got.reason not in reasons or got.messages or not named or leaked:
                found.append(f"{method.id}: {got.code.name} {got.reason} {got.message[:80]} {leaked}")
    return found


async def test_without_a_credential(world: World) -> None:
    assert len({method.service for method in METHODS}) == 7
    assert {method.shape for method in METHODS} >= {"unary_unary", "unary_stream", "stream_unary"}
    assert not await wrong(world, "", {"CREDENTIAL_MISSING"}, METHODS)
    assert not await wrong(world, "garbage", {"CREDENTIAL_INVALID"}, METHODS)


async def test_with_an_expired_key_and_an_expired_token(world: World) -> None:
    governance = world.stub(GovernanceServiceStub, "alice")
    for patience_s in patiences(0.3):
        end = datetime.now(UTC) + timedelta(seconds=patience_s)
        request = principal_pb2.CreateApiKeyRequest(parent="orgs/alice/principals/owner")
        request.api_key.expire_time.FromDatetime(end)
        try:
            key = await governance.CreateApiKey(request)
        except grpc.aio.AioRpcError as error:
            # Its end had passed before the call came in.
            assert reason_of(error).reason is Reason.INVALID_FIELD
            continue
        break
    issuer = issuer_pb2.CreateIssuerRequest(parent="orgs/alice", issuer_id="tests", issuer=ALICE_ISSUER)
    made = await governance.CreateIssuer(issuer)
    await world.platform.kernel.authz.wait_for(made.epoch, 30)
    await eventually(lambda: datetime.now(UTC) > end)
    assert not await wrong(world, key.secret, {"CREDENTIAL_EXPIRED"}, METHODS)
    late = token(sub="owner", exp=int(datetime.now(UTC).timestamp()) - 3600)
    assert not await wrong(world, late, {"CREDENTIAL_EXPIRED"}, METHODS)


async def test_with_a_revoked_key_and_a_disabled_principal(world: World) -> None:
    governance = world.stub(GovernanceServiceStub, "alice")
    request = principal_pb2.CreateApiKeyRequest(parent="orgs/alice/principals/owner")
    key = await governance.CreateApiKey(request)
    revoked = await governance.RevokeApiKey(principal_pb2.RevokeApiKeyRequest(name=key.api_key.name))
    await world.platform.kernel.authz.wait_for(revoked.epoch, 30)
    assert not await wrong(world, key.secret, {"CREDENTIAL_REVOKED"}, METHODS)
    robot = principal_pb2.DisablePrincipalRequest(name="orgs/alice/principals/robot")
    disabled = await governance.DisablePrincipal(robot)
    await world.platform.kernel.authz.wait_for(disabled.epoch, 30)
    assert not await wrong(world, world.agents["alice"], {"CREDENTIAL_REVOKED"}, METHODS)


async def test_internal_methods_with_external_keys(world: World) -> None:
    assert len(INTERNAL) >= 10
    for key in (world.keys["alice"], world.keys["bob"], world.platform.operator_key):
        assert not await wrong(world, key, {"PERMISSION_DENIED"}, INTERNAL)


async def test_with_the_key_of_another_tenant(world: World) -> None:
    closed = [method for method in METHODS if method.id not in OPEN and method.id != "inference.Generate"]
    for key in (world.keys["mallory"], world.agents["mallory"]):
        assert not await wrong(world, key, {"PERMISSION_DENIED"}, closed)
    for method, sent, got in await answers(world, world.keys["mallory"], METHODS):
        assert not world.leaks("mallory", got.seen, sent), method.id
        assert got.code not in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED}


async def test_forbidden_and_absent_look_alike(world: World) -> None:
    """Not even an organisation that does not exist can be told from one that does."""
    differences = []
    for method in METHODS:
        if not method.resource or method.id in OPEN:
            continue
        filler = Filler(Random(7), victim_names(world, Random(7)))
        requests = filler.requests(method)
        name = _resource(requests[0], method)
        head, _, _ = name.rpartition("/")
        elsewhere = name.replace("orgs/alice", "orgs/absent").replace("orgs/bob", "orgs/absent")
        for absent in (f"{head}/absent", elsewhere):
            shown = []
            for said in (name, absent):
                _set_resource(requests[0], method, said)
                got = await outcome(world.platform.channel(world.keys["mallory"]), method, requests)
                info = {key: value.replace(said, "NAME") for key, value in got.info.items()}
                shown.append((got.code, got.reason, got.message.replace(said, "NAME"), info, got.kinds))
            if shown[0] != shown[1]:
                differences.append((method.id, name, absent, *shown))
    assert not differences


def _holder(request: Any, method: Method) -> tuple[Any, str]:
    *path, last = method.resource.split(".")
    for part in path:
        request = getattr(request, part)
        request = request[0] if hasattr(request, "append") else request
    return request, last


def _resource(request: Any, method: Method) -> str:
    holder, last = _holder(request, method)
    value = getattr(holder, last)
    return str(value if isinstance(value, str) else value[0])


def _set_resource(request: Any, method: Method, name: str) -> None:
    holder, last = _holder(request, method)
    if isinstance(getattr(holder, last), str):
        setattr(holder, last, name)
    else:
        getattr(holder, last)[:] = [name]
