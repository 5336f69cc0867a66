"""Receipts: what was removed, by whom, when; signed, and naming what is gone by digest alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

from memporium.vault.v1.cubes_pb2 import Receipt
from memporium_platform.bundle.dsse import key_id, pre_authentication_encoding
from memporium_services.vault.app import codec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from memporium_platform.call import Call
    from memporium_services.vault.domain.rows import Removed, VaultRow

PAYLOAD_TYPE = "application/vnd.memporium.receipt+json"
FORGET, ERASE_VAULT, LICENCE_ENDED, FORGET_EVERYWHERE = 1, 2, 3, 4
_KINDS = {
    FORGET: "forget",
    ERASE_VAULT: "erase-vault",
    LICENCE_ENDED: "licence-ended",
    FORGET_EVERYWHERE: "forget-everywhere",
}


def receipt_of(vault: VaultRow, kind: int, receipt_id: str, call: Call, now_us: int, removed: Removed) -> Receipt:
    """Return the receipt of what was removed, not signed yet."""
    receipt = Receipt(
        name=f"orgs/{vault.org}/receipts/{receipt_id}",
        kind=kind,  # type: ignore[arg-type]
        vault=vault.name,
        principal=call.principal.name,
        cubes=len(removed.cube_ids),
        versions=removed.versions,
        units=len(removed.unit_ids),
        blobs=len(removed.blobs) + len(removed.object_keys),
    )
    codec.set_time(receipt.create_time, now_us)
    return receipt


def sign(
    receipt: Receipt, cube_names: Sequence[str], digests: Sequence[str], reason: str, key: Ed25519PrivateKey
) -> None:
    """Write the statement and sign its bytes."""
    statement = {
        "receipt": receipt.name,
        "kind": _KINDS[receipt.kind],
        "vault": receipt.vault,
        "principal": receipt.principal,
        "create_time": receipt.create_time.ToJsonString(),
        "cubes": receipt.cubes,
        "versions": receipt.versions,
        "units": receipt.units,
        "blobs": receipt.blobs,
        "key_destroyed": receipt.key_destroyed,
        "derived": receipt.derived,
        "kept_derived": sorted(receipt.kept_derived),
        "exported": receipt.exported,
        "training_states": receipt.training_states,
        "elsewhere": [
            {"vault": one.vault, "cubes": one.cubes, "receipt": one.receipt, "refusal": one.refusal}
            for one in receipt.elsewhere
        ],
        "part_of": receipt.part_of,
        "exported_listings": sorted(receipt.exported_listings),
        "name_sha256": sorted(hashlib.sha256(name.encode()).hexdigest() for name in cube_names),
        # A digest of a digest: the receipt must not let anybody test a guess at the content.
        "reason_sha256": hashlib.sha256(reason.encode()).hexdigest() if reason else "",
        "content_digest_sha256": sorted(hashlib.sha256(digest.encode()).hexdigest() for digest in digests),
    }
    receipt.payload_type = PAYLOAD_TYPE
    receipt.payload = orjson.dumps(statement, option=orjson.OPT_SORT_KEYS)
    receipt.signature = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, receipt.payload))
    receipt.key_id = key_id(key.public_key())
