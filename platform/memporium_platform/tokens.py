"""Internal tokens: how one service calls another on behalf of a user, without a master credential.

A token is a compact JWS (RFC 7515) signed with the platform's Ed25519 key (EdDSA, RFC 8037). It names the principal,
the calling service, the one service it is meant for, and the purpose. It lives for 60 seconds, so a leaked one is
worth little; a token for one service is refused by every other.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography.exceptions import InvalidSignature

from memporium_platform.call import Principal, PrincipalKind
from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from memporium_platform.clock import Clock

_K = TypeVar("_K")
_V = TypeVar("_V")

ISSUER = "memporium"
# Long enough for one call chain with its retries, short enough that revocation needs no list of tokens.
LIFETIME_S = 60
# A cached token is handed out for this long, so that what is left covers the call.
_REUSE_S = 30
# Clocks of replicas may differ by this much.
_SKEW_S = 5
_CACHE_ENTRIES = 4096
_HEADER = base64.urlsafe_b64encode(b'{"alg":"EdDSA","typ":"memporium+jwt"}').rstrip(b"=")


@dataclass(frozen=True, slots=True)
class Delegation:
    """What an internal token says.

    Attributes:
        principal: On whose behalf; `via` names the calling service.
        purpose: The declared purpose of the chain.
    """

    principal: Principal
    purpose: str


class TokenIssuer:
    """Makes tokens, one for each principal, purpose and audience, used again while fresh."""

    def __init__(self, key: Ed25519PrivateKey, clock: Clock) -> None:
        """Sign with the platform's key."""
        self._key = key
        self._clock = clock
        self._cache: OrderedDict[tuple[Principal, str, str, str], tuple[int, str]] = OrderedDict()

    def issue(self, principal: Principal, *, via: str, audience: str, purpose: str = "") -> str:
        """Return a token with which service `via` calls service `audience` for `principal`."""
        now = int(self._clock.now().timestamp())
        cache_key = (principal, via, audience, purpose)
        cached = self._cache.get(cache_key)
        if cached is not None and cached[0] <= now < cached[0] + _REUSE_S:
            return cached[1]
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "sub": principal.name,
            "org": principal.org,
            "kind": principal.kind,
            "cred": principal.credential,
            "via": via,
            "purpose": purpose,
            "iat": now,
            "exp": now + LIFETIME_S,
        }
        signed = _HEADER + b"." + base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
        signature = base64.urlsafe_b64encode(self._key.sign(signed)).rstrip(b"=")
        token = (signed + b"." + signature).decode()
        _remember(self._cache, cache_key, (now, token))
        return token


class TokenVerifier:
    """Verifies tokens for this process's services; a verified one is remembered until it expires."""

    def __init__(self, key: Ed25519PublicKey, clock: Clock) -> None:
        """Verify with the platform's public key."""
        self._key = key
        self._clock = clock
        self._cache: OrderedDict[str, tuple[int, int, str, Delegation]] = OrderedDict()

    @staticmethod
    def is_internal(bearer: str) -> bool:
        """Whether this is, by its header, an internal token (which says nothing of its validity)."""
        return bearer.startswith(_HEADER_TEXT)

    def verify(self, token: str, *, audience: str) -> Delegation:
        """Return what a token says.

        Raises:
            PlatformError: CREDENTIAL_INVALID, where the signature, the form or the audience is wrong;
                CREDENTIAL_EXPIRED, where its time is over.
        """
        found = self._cache.get(token)
        if found is None:
            found = self._decode(token)
            _remember(self._cache, token, found)
        issued, expires, meant_for, delegation = found
        now = self._clock.now().timestamp()
        if meant_for != audience or issued > now + _SKEW_S:
            raise _invalid()
        if now >= expires:
            raise PlatformError(
                Reason.CREDENTIAL_EXPIRED, "the internal token has expired", metadata={"expire_time": str(expires)}
            )
        return delegation

    def _decode(self, token: str) -> tuple[int, int, str, Delegation]:
        try:
            signed, _, signature = token.encode("ascii").rpartition(b".")
            header, _, body = signed.partition(b".")
            if header != _HEADER:
                raise _invalid()
            self._key.verify(_unpadded(signature), signed)
            claims: dict[str, Any] = json.loads(_unpadded(body))
            if claims["iss"] != ISSUER:
                raise _invalid()
            principal = Principal(
                name=claims["sub"],
                org=claims["org"],
                kind=PrincipalKind(claims["kind"]),
                credential=claims["cred"],
                via=claims["via"],
            )
            return int(claims["iat"]), int(claims["exp"]), str(claims["aud"]), Delegation(principal, claims["purpose"])
        except (InvalidSignature, binascii.Error, ValueError, KeyError, TypeError) as error:
            raise _invalid() from error


def without_via(principal: Principal) -> Principal:
    """Return the principal as it called first: the same for every hop, so that a token is cached once."""
    return replace(principal, via="") if principal.via else principal


_HEADER_TEXT = _HEADER.decode() + "."


def _unpadded(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _remember(cache: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    cache[key] = value
    if len(cache) > _CACHE_ENTRIES:
        cache.popitem(last=False)


def _invalid() -> PlatformError:
    return PlatformError(Reason.CREDENTIAL_INVALID, "the credential is not valid")
