import asyncio
from datetime import UTC, datetime

import grpc
import pytest

from memporium.governance.v1 import watch_pb2
from memporium_platform.authz import client as module
from memporium_platform.authz.client import AuthzClient
from memporium_platform.authz.credentials import format_api_key, hash_secret
from memporium_platform.authz.entries import Condition, Credential, Grouping, OrgState, PrincipalState, Rule
from memporium_platform.authz.wire import entry_to_wire
from memporium_platform.call import Call, Principal, PrincipalKind
from memporium_platform.errors import PlatformError, Reason

NOW = datetime(2030, 1, 7, 9, 30, tzinfo=UTC)  # a Monday
ANN = "orgs/acme/principals/ann"
KEY = format_api_key("k1", "secret")
STATE = {
    "org": OrgState("acme", active=True),
    "ann": PrincipalState(ANN, "acme", PrincipalKind.USER),
    "key": Credential("k1", ANN, hash_secret("secret")),
    "g": Grouping(ANN, "roles/member", "acme"),
    "p": Rule("p", "roles/member", "*", "*", "vault.*", allow=True),
}


class Clock:
    def now(self):
        return NOW


def message(entries, epoch, *, reset=False, complete=True):
    return watch_pb2.WatchAuthorizationResponse(
        reset=reset,
        epoch=epoch,
        complete=complete,
        entries=[entry_to_wire(key, entry) for key, entry in entries.items()],
    )


async def no_stream(_request):
    await asyncio.Event().wait()
    yield


def new_client(watch=no_stream, **options):
    return AuthzClient(watch=watch, clock=Clock(), **options)


@pytest.fixture
async def client():
    client = new_client()
    await client.apply(message(STATE, 5, reset=True))
    return client


def reason(call, *args):
    with pytest.raises(PlatformError) as caught:
        call(*args)
    return caught.value.reason


async def test_nothing_is_allowed_before_the_first_snapshot():
    client = new_client()
    assert reason(client.authenticate, KEY, NOW) is Reason.POLICY_STALE
    ann = Principal(ANN, "acme", PrincipalKind.USER)
    assert reason(client.decide, ann, "vault.cubes.get", "acme", "orgs/acme", {}) is Reason.POLICY_STALE


async def test_a_snapshot_counts_once_it_is_complete():
    client = new_client()
    parts = list(STATE.items())
    await client.apply(message(dict(parts[:3]), 5, reset=True, complete=False))
    assert reason(client.authenticate, KEY, NOW) is Reason.POLICY_STALE
    await client.apply(message(dict(parts[3:]), 5))
    assert client.authenticate(KEY, NOW) == Principal(ANN, "acme", PrincipalKind.USER, credential="k1")
    assert client.epoch == 5


async def test_it_decides_and_requires(client):
    ann = client.authenticate(KEY, NOW)
    decision = client.decide(ann, "vault.cubes.get", "acme", "orgs/acme/vaults/x", {})
    assert (decision.allowed, decision.rule, decision.epoch) == (True, "p", 5)
    call = Call(principal=ann)
    client.require(call, "vault.cubes.get", "orgs/acme/vaults/x")
    assert reason(client.require, call, "vault.cubes.get", "orgs/other/vaults/x") is Reason.PERMISSION_DENIED
    assert reason(client.require, call, "vault.cubes.get", "elsewhere") is Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("ann", PrincipalState(ANN, "acme", PrincipalKind.USER, disabled=True)),
        ("org", OrgState("acme", active=False)),
        ("org", None),
        ("key", Credential("k1", ANN, hash_secret("secret"), revoked=True)),
    ],
)
async def test_what_is_revoked_is_refused_also_behind_an_internal_token(client, key, entry):
    ann = client.authenticate(KEY, NOW)
    client.check_principal(ann)
    client.authenticate_certificate(f"memporium://{ANN}", NOW)
    await client.apply(message({key: entry}, 6))
    assert reason(client.authenticate, KEY, NOW) is Reason.CREDENTIAL_REVOKED
    assert reason(client.check_principal, ann) is Reason.CREDENTIAL_REVOKED


async def test_a_principal_that_is_gone_is_not_known(client):
    await client.apply(message({"ann": None}, 6))
    assert reason(client.authenticate, KEY, NOW) is Reason.CREDENTIAL_INVALID
    assert reason(client.authenticate_certificate, ANN, NOW) is Reason.CREDENTIAL_INVALID


async def test_a_token_that_is_none_is_invalid(client):
    assert reason(client.authenticate, "nonsense", NOW) is Reason.CREDENTIAL_INVALID


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("hour", "9"), ("weekday", "mon"), ("kind", "USER"), ("counterparty", "other"), ("purpose", "research")],
)
async def test_attributes_of_the_call(client, attribute, value):
    deny = Rule("d", "*", "acme", "*", "*", allow=False, tests=(Condition(attribute, True, frozenset({value})),))
    await client.apply(message({"d": deny}, 6))
    ann = client.authenticate(KEY, NOW)
    context = {"purpose": "research"}
    assert client.decide(ann, "vault.x.y", "acme", "orgs/other/listings/l", context).rule == "d"
    other = Rule("d", "*", "acme", "*", "*", allow=False, tests=(Condition(attribute, False, frozenset({value})),))
    await client.apply(message({"d": other}, 7))
    assert client.decide(ann, "vault.x.y", "acme", "orgs/other/listings/l", context).allowed


async def test_silence_ends_trust():
    client = new_client(stale_after_s=-1.0)
    await client.apply(message(STATE, 5, reset=True))
    assert reason(client.authenticate, KEY, NOW) is Reason.POLICY_STALE


async def test_waiting_for_an_epoch(client):
    await client.wait_for(5, 0)
    waiting = asyncio.create_task(client.wait_for(6, 30.0))
    await asyncio.sleep(0)
    await client.apply(message({}, 6))
    await waiting
    with pytest.raises(PlatformError) as caught:
        await client.wait_for(7, 0.001)
    assert caught.value.reason is Reason.POLICY_STALE
    assert caught.value.metadata == {"epoch": "6", "at_least_epoch": "7"}


async def test_after_a_break_it_goes_on_from_where_it_is_complete(monkeypatch):
    monkeypatch.setattr(module, "_RECONNECT_S", 0.001)
    asked = []

    async def watch(request):
        asked.append(request.after_epoch)
        if len(asked) == 1:
            yield message(STATE, 5, reset=True)
            raise grpc.aio.AioRpcError(
                grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details="gone"
            )
        if len(asked) == 2:
            # A full state that breaks halfway: nothing of it may count.
            yield message({"org": STATE["org"]}, 9, reset=True, complete=False)
            raise PlatformError(Reason.UNAVAILABLE, "gone")
        if len(asked) == 3:
            yield message({"p": None}, 6)
            await asyncio.Event().wait()

    client = new_client(watch)
    await client.start()
    await client.start()
    await client.ready(30.0)
    await client.wait_for(6, 30.0)
    await client.stop()
    await client.stop()
    assert asked == [0, 5, 5]
    ann = client.authenticate(KEY, NOW)
    assert not client.decide(ann, "vault.cubes.get", "acme", "orgs/acme", {}).allowed


def test_a_client_needs_a_stream():
    with pytest.raises(ValueError, match="watch"):
        AuthzClient(clock=Clock())
