"""Keys of tracing: one secret a line of releases, and from it one key for each recipient.

A slot's identity, the bias of its code and every recipient's bits come from keyed functions: whoever lacks the secret
can neither find nor forge marks. A recipient's key is committed to before delivery; shown later, it proves who got what
without showing the line's secret.
"""

from __future__ import annotations

import hmac
from hashlib import sha256, shake_256
from typing import TYPE_CHECKING

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SLOT_ID = 16
_PREFIX = b"memporium.tracing.v1/"


def _derive(secret: bytes, label: str, data: bytes = b"") -> bytes:
    return hmac.digest(secret, _PREFIX + label.encode() + b"\x00" + data, sha256)


class RecipientKey:
    """The key of one recipient of a line."""

    def __init__(self, raw: bytes) -> None:
        """Keep 32 bytes."""
        self.raw = raw
        self._bits = Cipher(AES(_derive(raw, "bits")), ECB())  # noqa: S305  -- distinct blocks, as a keyed function

    def commitment(self) -> str:
        """Return what the audit log keeps of the key: hexadecimal, says nothing of it."""
        return sha256(_PREFIX + b"commitment\x00" + self.raw).hexdigest()

    def uniform(self, slot_ids: bytes) -> NDArray[np.float64]:
        """Return a number in [0, 1) for each slot id: (n,) float64."""
        cipher = self._bits.encryptor()
        blocks = cipher.update(slot_ids) + cipher.finalize()
        words = np.frombuffer(blocks, dtype="<u8")[::2]
        return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def stream(self, label: str, size: int) -> bytes:
        """Return `size` bytes for one purpose."""
        return shake_256(_derive(self.raw, "stream", label.encode())).digest(size)


class TracingSecret:
    """The publisher's secret of one line."""

    def __init__(self, secret: bytes) -> None:
        """Keep 32 uniformly random bytes."""
        self._slots = _derive(secret, "slots")
        self._bias = RecipientKey(_derive(secret, "bias"))
        self._recipients = _derive(secret, "recipients")

    def recipient(self, name: str) -> RecipientKey:
        """Return the key of a recipient, for instance of the agreement that it takes delivery under."""
        return RecipientKey(_derive(self._recipients, "recipient", name.encode()))

    def slot_id(self, context: str) -> bytes:
        """Return the id of the slot with this context: 16 bytes."""
        return _derive(self._slots, "slot", context.encode())[:SLOT_ID]

    def slot_ids(self, contexts: Sequence[str]) -> bytes:
        """Return the ids of slots, one after the other."""
        return b"".join(map(self.slot_id, contexts))

    def bias_draws(self, slot_ids: bytes) -> NDArray[np.float64]:
        """Return the draw that decides each slot's bias: (n,) float64 in [0, 1)."""
        return self._bias.uniform(slot_ids)
