"""KV caches as safetensors files: packed in a chosen number format, opened as views and checked.

int8 and fp8 keep a scale beside the numbers: one per channel for keys, whose outliers sit in a few channels, and one
per token for values, which have none (Liu et al., KIVI, arXiv 2402.02750, section 3).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.safetensors_views import view
from memporium_services.inference.domain.values import KvForm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.values import KvBlob

_DTYPES = {
    KvForm.FLOAT16: torch.float16,
    KvForm.BFLOAT16: torch.bfloat16,
    KvForm.INT8: torch.int8,
    KvForm.FLOAT8_E4M3: torch.float8_e4m3fn,
}
# The greatest number of each scaled format.
_GREATEST = {KvForm.INT8: 127.0, KvForm.FLOAT8_E4M3: 448.0}
_TOKEN_DIM, _CHANNEL_DIM = 1, 2


@dataclass(frozen=True, slots=True)
class Stored:
    """Keys or values of one layer as stored, (heads, tokens, head size); never written to.

    Attributes:
        numbers: The numbers, in any type.
        scale: What they are multiplied by, (heads, 1, head size) or (heads, tokens, 1); None: nothing.
    """

    numbers: Any
    scale: Any = None

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return int(self.numbers.shape[_TOKEN_DIM])

    def write_into(self, room: Any) -> None:
        """Write the numbers that are meant into a tensor of the same shape, in one pass, in the room's own type."""
        room.copy_(_there(self.numbers, room))
        if self.scale is not None:
            room.mul_(self.scale.to(room))

    def to(self, device: Any) -> Stored:
        """Return the same in another device's memory."""
        return Stored(self.numbers.to(device), None if self.scale is None else self.scale.to(device))

    def write_head_into(self, head: int, room: Any) -> None:
        """Write one head's numbers into a tensor of (tokens, head size), as `write_into`."""
        room.copy_(self.numbers[head])
        if self.scale is not None:
            room.mul_(self.scale[head].to(room))


@dataclass(frozen=True, slots=True)
class OpenKv:
    """An opened file: its tokens, and (keys, values) of each layer."""

    ids: tuple[int, ...]
    layers: tuple[tuple[Stored, Stored], ...]


def pack(
    pairs: Sequence[tuple[Any, Any]], ids: Sequence[int], *, form: KvForm, fingerprint: str
) -> tuple[bytes, float]:
    """Return a file with these keys and values, and how far the stored numbers are from them.

    Args:
        pairs: Keys and values of each layer, (heads, tokens, head size), rotated for positions from 0 on.
        ids: The tokens.
        form: How the numbers are kept.
        fingerprint: Of the model that made them.

    Returns:
        The file; and the greatest over the layers of the root mean square error, relative to that of the numbers.
    """
    from safetensors.torch import save

    tensors = {"token_ids": torch.tensor(list(ids), dtype=torch.int64)}
    error = 0.0
    for index, pair in enumerate(pairs):
        for name, tensor, over in (("keys", pair[0], _TOKEN_DIM), ("values", pair[1], _CHANNEL_DIM)):
            # Where the model is: a GPU rounds and compares in no time, and the stored form is half as much to fetch.
            exact = tensor.detach().to(torch.float32)
            stored = _stored(exact, form, over)
            error = max(error, _relative_error(stored, exact))
            kept = stored.to("cpu")
            tensors[f"layers.{index}.{name}"] = kept.numbers.contiguous()
            if kept.scale is not None:
                tensors[f"layers.{index}.{name}_scale"] = kept.scale.contiguous()
    metadata = {
        "format": "memporium-kv-1",
        "model_fingerprint": fingerprint,
        "position_base": "0",
        "dtype": form.value,
    }
    return save(tensors, metadata), error


def open_kv(blob: KvBlob, *, fingerprint: str, shape: tuple[int, int, int]) -> OpenKv:
    """Return the keys and values in a file, checked against the model and the cube's record; views, no copies.

    Args:
        blob: The file and what its cube says of it.
        fingerprint: Of the model that they are to mount on.
        shape: Its layers, KV heads and head size.

    Raises:
        PlatformError: MODEL_MISMATCH for another model's; INTEGRITY_FAILURE where it is not what its cube says.
    """
    file = view(blob.data)
    made_for = file.metadata.get("model_fingerprint", "")
    if made_for != fingerprint:
        raise PlatformError(
            Reason.MODEL_MISMATCH,
            "the KV memory was made for another model",
            metadata={"expected": made_for, "actual": fingerprint},
        )
    ids = file.tensors.get("token_ids")
    if ids is None or ids.dtype != torch.int64 or token_digest(ids.tolist()) != blob.token_ids_sha256:
        raise PlatformError(Reason.INTEGRITY_FAILURE, "the KV memory holds other tokens than its cube says")
    layers, heads, head_size = shape
    found = []
    for index in range(layers):
        keys = _open(file.tensors, f"layers.{index}.keys", (heads, 1, head_size))
        values = _open(file.tensors, f"layers.{index}.values", (heads, blob.token_count, 1))
        found.append((keys, values))
    expected = (heads, blob.token_count, head_size)
    if len(ids) != blob.token_count or any(tuple(one.numbers.shape) != expected for pair in found for one in pair):
        raise PlatformError(Reason.INTEGRITY_FAILURE, "the KV memory has another shape than its cube says")
    return OpenKv(tuple(ids.tolist()), tuple(found))


def as_float16(exact: Any) -> Stored:
    """Return a tensor as a file of 16 bits a number keeps it."""
    return _stored(exact, KvForm.FLOAT16, _TOKEN_DIM)


def token_digest(ids: Sequence[int]) -> str:
    """Return the SHA-256 over token ids as little-endian int64, hexadecimal."""
    return hashlib.sha256(np.asarray(ids, dtype="<i8").tobytes()).hexdigest()


def _there(numbers: Any, room: Any) -> Any:
    """Return numbers in the memory of the room's device, in their own type.

    A copy that changes device and type at once would change the type on the CPU, before; and each would wait for the
    one before it.
    """
    return numbers if numbers.device == room.device else numbers.to(room.device, non_blocking=True)


def _stored(exact: Any, form: KvForm, over: int) -> Stored:
    """Return a tensor in a number format; a scale spans the dimension `over`."""
    if form not in _GREATEST:
        return Stored(exact.to(_DTYPES[form]))
    greatest = _GREATEST[form]
    # A channel of zeros needs a scale, too; float16 is what the file keeps, so it is what the numbers are divided by.
    scale = (exact.abs().amax(dim=over, keepdim=True) / greatest).clamp(min=2.0**-14).to(torch.float16)
    scaled = (exact / scale.to(torch.float32)).clamp(-greatest, greatest)
    return Stored((scaled.round() if form is KvForm.INT8 else scaled).to(_DTYPES[form]), scale)


def _open(tensors: dict[str, Any], name: str, scale_shape: tuple[int, int, int]) -> Stored:
    numbers, scale = tensors.get(name), tensors.get(f"{name}_scale")
    scaled = numbers is not None and numbers.dtype in {torch.int8, torch.float8_e4m3fn}
    known = numbers is not None and (scaled or numbers.dtype in {torch.float16, torch.bfloat16, torch.float32})
    fits = scale is not None and tuple(scale.shape) == scale_shape and scale.is_floating_point()
    if not known or (scaled and not fits) or (scale is not None and not scaled):
        raise PlatformError(Reason.INTEGRITY_FAILURE, "the KV memory has another shape than its cube says")
    return Stored(numbers, scale)


def _relative_error(stored: Stored, exact: Any) -> float:
    meant = torch.empty_like(exact)
    stored.write_into(meant)
    size = float(exact.square().mean().sqrt())
    return float((meant - exact).square().mean().sqrt()) / size if size else 0.0
