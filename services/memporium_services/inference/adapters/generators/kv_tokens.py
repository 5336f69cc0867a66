"""The tokens of a KV cache's file, read without torch: for engines that keep keys and values in a form of their own."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from memporium_services.inference.domain.values import KvBlob

_LENGTH_BYTES = 8


def tokens_of(blob: KvBlob, *, fingerprint: str) -> list[int]:
    """Return the tokens of a KV cache, checked against the model and the cube's record.

    Raises:
        PlatformError: MODEL_MISMATCH for another model's; INTEGRITY_FAILURE where it is not what its cube says.
    """
    try:
        header, begin = _header(blob)
        made_for = str(header["__metadata__"]["model_fingerprint"])
        first, last = (int(offset) for offset in header["token_ids"]["data_offsets"])
        known = header["token_ids"]["dtype"] == "I64" and 0 <= first <= last <= len(blob.data) - begin
        ids = np.frombuffer(bytes(blob.data[begin + first : begin + last]), dtype="<i8") if known else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise PlatformError(Reason.INTEGRITY_FAILURE, "the blob is no KV memory") from err
    if made_for != fingerprint:
        raise PlatformError(
            Reason.MODEL_MISMATCH,
            "the KV memory was made for another model",
            metadata={"expected": made_for, "actual": fingerprint},
        )
    if (
        ids is None
        or len(ids) != blob.token_count
        or hashlib.sha256(ids.tobytes()).hexdigest() != blob.token_ids_sha256
    ):
        raise PlatformError(Reason.INTEGRITY_FAILURE, "the KV memory holds other tokens than its cube says")
    return [int(token) for token in ids]


def _header(blob: KvBlob) -> tuple[dict[str, dict[str, Any]], int]:
    begin = _LENGTH_BYTES + int.from_bytes(bytes(blob.data[:_LENGTH_BYTES]), "little")
    if begin > len(blob.data):
        raise ValueError("header too long")
    return json.loads(bytes(blob.data[_LENGTH_BYTES:begin])), begin
