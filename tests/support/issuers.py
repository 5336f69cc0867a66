"""An issuer of JSON Web Tokens for `orgs/alice`, and its tokens, good and bad."""

from __future__ import annotations

import json
import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import Key, OKPKey

from memporium.governance.v1 import issuer_pb2

KEY = OKPKey.generate_key("Ed25519", {"kid": "one"})
ISSUER, AUDIENCE = "https://idp.alice.test", "memporium-of-alice"
ALICE_ISSUER = issuer_pb2.Issuer(
    issuer=ISSUER,
    audience=AUDIENCE,
    jwks=json.dumps({"keys": [KEY.as_dict(private=False)]}),
    algorithms=["Ed25519"],
)


def token(key: Key = KEY, *, algorithm: str = "Ed25519", kid: str | None = "one", **changes: Any) -> str:
    """Return a signed token; a claim that is None is left out."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "robot", "exp": int(time.time()) + 300} | changes
    header = {"alg": algorithm} | ({"kid": kid} if kid else {})
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(header, kept, key, algorithms=[algorithm])
