"""JSON Web Tokens (RFC 7519) of the issuers that organisations trust, against their static key sets.

A token stands for a principal of the issuer's own organisation and of no other, whatever it claims. The algorithm must
be one that the organisation listed; the token must expire.
"""

from __future__ import annotations

import binascii
import json
import re
import warnings
from base64 import urlsafe_b64decode
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet

from memporium_platform.authz.refusal import CallerRefusedError
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.names import PRINCIPAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memporium_platform.authz.entries import IssuerState

# Asymmetric signatures alone: with a public key set, a symmetric one would let anybody sign.
ALGORITHMS = frozenset({"Ed25519", "EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
# Clocks of issuers may differ by this much.
SKEW_S = 30
# Longest token that is looked at; an identity provider's are one or two KiB.
MAX_TOKEN_CHARS = 8192
_MAX_REMEMBERED = 4096
_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SEGMENTS = 3


class _Verified(NamedTuple):
    issuer: IssuerState
    principal: str
    not_before_s: float
    expire_s: float


class JwtVerifier:
    """Verifies tokens; one whose signature is good is remembered while its issuer stays the same."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._verified: OrderedDict[str, _Verified] = OrderedDict()
        self._keys: dict[str, tuple[IssuerState, KeySet]] = {}

    def verify(self, token: str, issuers: Mapping[str, IssuerState], *, now_s: float) -> tuple[IssuerState, str]:
        """Return the issuer of a token and the name of the principal that it stands for.

        Raises:
            PlatformError: CREDENTIAL_INVALID.
            CallerRefusedError: CREDENTIAL_EXPIRED.
        """
        found = self._verified.get(token)
        if found is None or issuers.get(found.issuer.issuer) is not found.issuer:
            found = self._decode(token, issuers)
            self._verified[token] = found
            if len(self._verified) > _MAX_REMEMBERED:
                self._verified.popitem(last=False)
        if now_s >= found.expire_s + SKEW_S:
            expired = {"expire_time": str(int(found.expire_s))}
            raise CallerRefusedError(
                Reason.CREDENTIAL_EXPIRED,
                "the token has expired",
                principal=found.principal,
                credential=f"issuers/{found.issuer.id}",
                metadata=expired,
            )
        if now_s < found.not_before_s - SKEW_S:
            raise invalid_credential()
        return found.issuer, found.principal

    def _decode(self, token: str, issuers: Mapping[str, IssuerState]) -> _Verified:
        issuer = issuers.get(_claimed_issuer(token))
        if issuer is None:
            raise invalid_credential()
        algorithms = [name for name in issuer.algorithms if name in ALGORITHMS]
        try:
            with warnings.catch_warnings():
                # RFC 9864 renames EdDSA to Ed25519; most issuers still use the old name.
                warnings.simplefilter("ignore", SecurityWarning)
                decoded = jwt.decode(token, self._key_set(issuer), algorithms=algorithms)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise invalid_credential() from error
        claims = decoded.claims
        principal = claims.get(issuer.principal_claim)
        if (
            not _audience_matches(claims.get("aud"), issuer.audience)
            or not isinstance(principal, str)
            or _ID.fullmatch(principal) is None
            or claims.get("org", issuer.org) != issuer.org
        ):
            raise invalid_credential()
        return _Verified(
            issuer,
            PRINCIPAL.format(org=issuer.org, principal=principal),
            _seconds(claims.get("nbf", 0)),
            _seconds(claims.get("exp")),
        )

    def _key_set(self, issuer: IssuerState) -> KeySet:
        known = self._keys.get(issuer.issuer)
        if known is None or known[0] is not issuer:
            known = self._keys[issuer.issuer] = (issuer, parse_key_set(issuer.jwks))
        return known[1]


def parse_key_set(text: str) -> KeySet:
    """Return a set of public keys.

    Raises:
        ValueError: It is no key set, is empty, or holds a symmetric or private key.
    """
    try:
        document = json.loads(text)
        keys = document["keys"]
        public = bool(keys) and all(key["kty"] in ("RSA", "EC", "OKP") and "d" not in key for key in keys)
        found = KeySet.import_key_set(document) if public else None
    except (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = "is not a JSON Web Key Set"
        raise ValueError(message) from error
    if found is None:
        message = "must hold public RSA, EC or OKP keys, and nothing else"
        raise ValueError(message)
    return found


def invalid_credential() -> PlatformError:
    """Return the refusal of a credential; the same for each fault, so that it tells nothing."""
    return PlatformError(Reason.CREDENTIAL_INVALID, "the credential is not valid")


def _claimed_issuer(token: str) -> str:
    """Return the issuer that a token names, unverified."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN_CHARS or len(parts) != _SEGMENTS:
        raise invalid_credential()
    try:
        claims: Any = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        issuer = claims["iss"]
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise invalid_credential() from error
    return issuer if isinstance(issuer, str) else ""


def _audience_matches(claim: object, audience: str) -> bool:
    return claim == audience or (isinstance(claim, list) and audience in claim)


def _seconds(claim: object) -> float:
    if isinstance(claim, bool) or not isinstance(claim, (int, float)):
        raise invalid_credential()
    return float(claim)
