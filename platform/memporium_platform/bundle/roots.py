"""How a publisher's keys change: a chain of roots, after TUF.

Each root is signed by the threshold of the one before it and by its own, and is numbered one higher. So whoever trusts
one of them comes to trust the newest, step by step, and nobody can leave a step out or go back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

from memporium.transfer.v1.bundle_pb2 import Root, RootKey
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import FORMAT, check_format, payload, stamp
from memporium_platform.bundle.limits import NUMBER_MAX, ROOT_KEYS_MAX, ROOT_MAX
from memporium_platform.bundle.steps import VerificationStep, rejected, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

ROOT_TYPE = "application/vnd.memporium.mcb1.root+protobuf"
_STEP = VerificationStep.TRUST_ROOT


def make_root(
    publisher: str,
    number: int,
    keys: Sequence[dsse.SigningKey],
    *,
    before: Sequence[dsse.SigningKey] = (),
    threshold: int = 1,
    create_time: datetime,
) -> bytes:
    """Return the envelope of a root that trusts `keys`, signed by them and by the keys of the root before it."""
    root = Root(
        format=FORMAT,
        publisher=publisher,
        number=number,
        keys=[_row(key.public) for key in keys],
        threshold=threshold,
        create_time=stamp(create_time),
    )
    signers = {dsse.key_id(key.first.public_key()): key for key in (*before, *keys)}
    return dsse.sign(root.SerializeToString(), ROOT_TYPE, list(signers.values()))


def follow(
    trust: dsse.TrustRoot, envelopes: Iterable[bytes], *, publisher: str, number: int = 1
) -> tuple[dsse.TrustRoot, int]:
    """Return the newest trust root that `trust`, the root with this number, leads to, and its number.

    Args:
        trust: What is trusted to begin with.
        envelopes: Roots in the order of their numbers; those up to `number` are passed over.
        publisher: `orgs/{org}` of the publisher.
        number: Number of the root that `trust` is.

    Raises:
        PlatformError: BUNDLE_REJECTED at SIZE_CAPS, ENVELOPE, TRUST_ROOT or PAYLOAD.
    """
    for data in envelopes:
        require(len(data) <= ROOT_MAX, VerificationStep.SIZE_CAPS, "a root is above its cap")
        envelope = dsse.parse(data)
        root = payload(envelope, ROOT_TYPE, Root)
        if root.number <= number:
            # The one that is trusted already must at least be its own; older ones nobody here can tell anything about.
            if root.number == number:
                dsse.verify(envelope, trust)
            continue
        require(root.number == number + 1 <= NUMBER_MAX, _STEP, "a root is missing")
        dsse.verify(envelope, trust)
        check_format(root.format)
        require(root.publisher == publisher, _STEP, "a root is of another publisher")
        successor = _trusted(root)
        dsse.verify(envelope, successor)
        trust, number = successor, root.number
    return trust, number


def whole(certified: dsse.TrustRoot, chain: Sequence[bytes], *, publisher: str) -> dsse.TrustRoot:
    """Return the newest root of a publisher whose first halves somebody has certified, with its second halves.

    Where a platform vouches for the Ed25519 keys that its organisation signs with now, the root that those keys signed
    says whether each of them has a second half, without which nothing counts from then on.

    Raises:
        PlatformError: BUNDLE_REJECTED at SIZE_CAPS, ENVELOPE, TRUST_ROOT or PAYLOAD.
    """
    require(bool(chain), _STEP, "there is no root")
    require(len(chain[-1]) <= ROOT_MAX, VerificationStep.SIZE_CAPS, "a root is above its cap")
    envelope = dsse.parse(chain[-1])
    dsse.verify(envelope, certified)
    root = payload(envelope, ROOT_TYPE, Root)
    check_format(root.format)
    require(root.publisher == publisher, _STEP, "a root is of another publisher")
    trust = _trusted(root)
    require(trust.keys.keys() == certified.keys.keys(), _STEP, "the root is not of the keys that are certified")
    dsse.verify(envelope, trust)
    return trust


def _row(key: dsse.TrustedKey) -> RootKey:
    return RootKey(ed25519=key.first.public_bytes_raw(), mldsa65=key.second.public_bytes_raw() if key.second else b"")


def _trusted(root: Root) -> dsse.TrustRoot:
    require(len(root.keys) <= ROOT_KEYS_MAX, _STEP, "a root has too many keys")
    try:
        keys = [
            dsse.TrustedKey(
                Ed25519PublicKey.from_public_bytes(key.ed25519),
                MLDSA65PublicKey.from_public_bytes(key.mldsa65) if key.mldsa65 else None,
            )
            for key in root.keys
        ]
        trust = dsse.TrustRoot.of(keys, threshold=root.threshold)
    except ValueError as err:
        raise rejected(_STEP, "a root has no keys that could sign it") from err
    require(len(trust.keys) == len(keys), _STEP, "a root names a key twice")
    return trust
