"""Tokens of an organisation's issuer through gRPC: the good ones, and every way in which one can be bad."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio
from joserfc.jwk import ECKey, OctKey, OKPKey

from memporium.governance.v1 import issuer_pb2, policy_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium.vault.v1 import vault_service_pb2 as vaults
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.issuers import ALICE_ISSUER, AUDIENCE, ISSUER, KEY, token

if TYPE_CHECKING:
    from support.tenants import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

_PUBLIC = KEY.as_dict(private=False)
_OTHER = OKPKey.generate_key("Ed25519", {"kid": "one"})
_ROBOT = "orgs/alice/principals/robot"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trusted(world: World) -> World:
    governance = world.stub(GovernanceServiceStub, "alice")
    request = issuer_pb2.CreateIssuerRequest(parent="orgs/alice", issuer_id="tests", issuer=ALICE_ISSUER)
    made = await governance.CreateIssuer(request)
    await world.platform.kernel.authz.wait_for(made.epoch, 30)
    return world


async def reason(world: World, text: str) -> Reason:
    """Return why a token is refused, by the vault and by governance alike."""
    reasons = set()
    for call in (
        VaultServiceStub(world.platform.channel(text)).ListVaults(vaults.ListVaultsRequest(parent="orgs/alice")),
        GovernanceServiceStub(world.platform.channel(text)).WhoAmI(policy_pb2.WhoAmIRequest()),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        reasons.add(reason_of(caught.value).reason)
    (found,) = reasons
    return found


def unsigned(header: dict[str, str]) -> str:
    """Return a token with this header and no signature at all."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "owner", "exp": int(time.time()) + 300}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return ".".join(parts) + "."


async def test_a_good_token_is_the_principal_it_names(trusted: World) -> None:
    stub = GovernanceServiceStub(trusted.platform.channel(token()))
    me = await stub.WhoAmI(policy_pb2.WhoAmIRequest())
    assert (me.principal.name, me.credential) == (_ROBOT, "issuers/tests")
    listed = await VaultServiceStub(trusted.platform.channel(token())).ListVaults(
        vaults.ListVaultsRequest(parent="orgs/alice")
    )
    assert listed.vaults
    # And has its rights alone.
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ListPolicies(policy_pb2.ListPoliciesRequest(parent="orgs/alice"))
    assert reason_of(caught.value).reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    "bad",
    [
        {"aud": "another-service"},
        {"aud": None},
        {"iss": "https://idp.bob.test"},
        {"iss": None},
        {"exp": None},
        {"nbf": 2**33},
        {"sub": "nobody"},
        {"sub": None},
        {"sub": "../../bob/principals/owner"},
        {"org": "bob"},
        {"key": _OTHER},
        {"kid": "unknown"},
        {"key": ECKey.generate_key("P-256", {"kid": "one"}), "algorithm": "ES256"},
        # The public key as the secret of a symmetric signature.
        {"key": OctKey.import_key(base64.urlsafe_b64decode(str(_PUBLIC["x"]) + "=")), "algorithm": "HS256"},
        {"key": OctKey.import_key(json.dumps(_PUBLIC)), "algorithm": "HS256"},
    ],
    ids=lambda bad: "-".join(f"{name}" for name in bad),
)
async def test_a_bad_token_is_refused(trusted: World, bad: dict[str, object]) -> None:
    assert await reason(trusted, token(**bad)) is Reason.CREDENTIAL_INVALID  # type: ignore[arg-type]


async def test_an_expired_token_is_refused_as_such(trusted: World) -> None:
    assert await reason(trusted, token(exp=int(time.time()) - 3600)) is Reason.CREDENTIAL_EXPIRED
    forged = token(_OTHER, exp=int(time.time()) - 3600)
    assert await reason(trusted, forged) is Reason.CREDENTIAL_INVALID


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS256"])
async def test_a_token_without_signature_is_refused(trusted: World, algorithm: str) -> None:
    assert await reason(trusted, unsigned({"alg": algorithm, "kid": "one"})) is Reason.CREDENTIAL_INVALID


async def test_a_signature_is_of_its_content(trusted: World) -> None:
    header, claims, signature = token().split(".")
    _, others, _ = token(sub="owner").split(".")
    assert await reason(trusted, f"{header}.{others}.{signature}") is Reason.CREDENTIAL_INVALID
    assert await reason(trusted, f"{header}.{claims}.") is Reason.CREDENTIAL_INVALID
    assert await reason(trusted, f"{header}.{claims}.{signature[:-4]}AAAA") is Reason.CREDENTIAL_INVALID


async def test_an_issuer_speaks_for_its_own_organisation_alone(trusted: World) -> None:
    """Bob trusts nobody by this name, and Alice's issuer cannot be claimed by him."""
    governance = trusted.stub(GovernanceServiceStub, "bob")
    stolen = issuer_pb2.CreateIssuerRequest(parent="orgs/bob", issuer_id="stolen", issuer=ALICE_ISSUER)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await governance.CreateIssuer(stolen)
    assert caught.value.code() in {grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.INVALID_ARGUMENT}
    bobs = VaultServiceStub(trusted.platform.channel(token(sub="owner")))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bobs.ListVaults(vaults.ListVaultsRequest(parent="orgs/bob"))
    assert reason_of(caught.value).reason is Reason.PERMISSION_DENIED


async def test_a_deleted_issuers_tokens_are_refused_at_once(trusted: World) -> None:
    good = token()
    governance = trusted.stub(GovernanceServiceStub, "alice")
    await GovernanceServiceStub(trusted.platform.channel(good)).WhoAmI(policy_pb2.WhoAmIRequest())
    gone = await governance.DeleteIssuer(issuer_pb2.DeleteIssuerRequest(name="orgs/alice/issuers/tests"))
    await trusted.platform.kernel.authz.wait_for(gone.epoch, 30)
    assert await reason(trusted, good) is Reason.CREDENTIAL_INVALID
