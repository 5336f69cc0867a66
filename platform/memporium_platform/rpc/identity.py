"""What a call's metadata and connection say: the credential, the declared context, and whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from memporium_platform.call import Principal, PrincipalKind
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.tokens import TokenVerifier

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from memporium_platform.authz.ports import Authorizer
    from memporium_platform.clock import Clock

AUTHORIZATION = "authorization"
PURPOSE = "memporium-purpose"
REGION = "memporium-region"
AT_LEAST_EPOCH = "memporium-at-least-epoch"
# Trusted beside an internal token only.
ROOT_ID = "memporium-root-id"
TRACEPARENT = "traceparent"
POLICY_EPOCH = "memporium-policy-epoch"

_SCHEME = "bearer "
_TRACEPARENT_CHARS = 55


class Metadata(NamedTuple):
    """The metadata that the kernel reads; "" where absent."""

    bearer: str
    purpose: str
    region: str
    at_least_epoch: str
    root_id: str
    traceparent: str


class Identity(NamedTuple):
    """Who calls, by a verified credential."""

    principal: Principal
    internal: bool
    purpose: str


def read_metadata(pairs: Iterable[tuple[str, Any]]) -> Metadata:
    """Return what the kernel reads of a call's metadata."""
    found = dict(pairs)
    authorization = found.get(AUTHORIZATION, "")
    bearer = authorization[len(_SCHEME) :].strip() if authorization[: len(_SCHEME)].lower() == _SCHEME else ""
    return Metadata(
        bearer or ("?" if authorization else ""),
        found.get(PURPOSE, ""),
        found.get(REGION, ""),
        found.get(AT_LEAST_EPOCH, ""),
        found.get(ROOT_ID, ""),
        found.get(TRACEPARENT, ""),
    )


def epoch_demanded(metadata: Metadata) -> int:
    """Return the policy epoch that the caller demands; 0: any.

    Raises:
        PlatformError: INVALID_FIELD, where it is not a number.
    """
    text = metadata.at_least_epoch
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 - digits of an int64
        raise invalid(AT_LEAST_EPOCH, "must be a number")
    return int(text)


def trace_id_of(traceparent: str) -> str:
    """Return the trace id in a W3C `traceparent`, or "" where it is malformed."""
    parts = traceparent.split("-")
    if len(traceparent) != _TRACEPARENT_CHARS or len(parts) != 4:  # noqa: PLR2004 - version, trace, span, flags
        return ""
    return parts[1]


class Authenticator:
    """Finds out who calls."""

    def __init__(self, authz: Authorizer, verifier: TokenVerifier, clock: Clock, *, certificates: bool = False) -> None:
        """Take the snapshot's owner and the verifier of internal tokens; `certificates`: read the peer's, too."""
        self._authz = authz
        self._verifier = verifier
        self._clock = clock
        self._certificates = certificates

    def identify(self, bearer: str, *, audience: str, context: Any) -> Identity:
        """Return who calls.

        Raises:
            PlatformError: One of the CREDENTIAL_* reasons.
        """
        if bearer:
            if TokenVerifier.is_internal(bearer):
                delegation = self._verifier.verify(bearer, audience=audience)
                principal = delegation.principal
                if principal.kind is not PrincipalKind.SERVICE:
                    self._authz.check_principal(principal)
                return Identity(principal, internal=True, purpose=delegation.purpose)
            principal = self._authz.authenticate(bearer, self._clock.now())
            return Identity(principal, internal=False, purpose="")
        if self._certificates:
            subject = _subject_of(context.auth_context())
            if subject:
                principal = self._authz.authenticate_certificate(subject, self._clock.now())
                return Identity(principal, internal=False, purpose="")
        raise PlatformError(Reason.CREDENTIAL_MISSING, "the call carries no credential")


def _subject_of(auth_context: Any) -> str:
    """Return the name in a verified client certificate: a URI name where it has one, else the common name."""
    names = [name.decode() for name in auth_context.get("x509_subject_alternative_name", ())]
    uri = next((name for name in names if "://" in name), "")
    common: bytes = next(iter(auth_context.get("x509_common_name", ())), b"")
    return uri or common.decode()
