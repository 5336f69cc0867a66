"""One causal language model at work, on one thread: prefill, decode, KV caches as files, adapters."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.chat import ChatFormat
from memporium_services.inference.adapters.generators.safetensors_views import view
from memporium_services.inference.adapters.generators.torch_adapters import AdapterMounts
from memporium_services.inference.adapters.generators.torch_cache import preallocated_cache
from memporium_services.inference.domain.values import BuiltKv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memporium_services.inference.adapters.generators.torch_loading import LoadedModel
    from memporium_services.inference.domain.values import AdapterBlob, KvBlob, Sampling

# Tokens that are read at once: between two pieces a cancelled call ends.
_PREFILL_TOKENS = 512


class CausalEngine:
    """A loaded model. Not thread-safe: one thread owns it."""

    def __init__(self, loaded: LoadedModel) -> None:
        """Run this model."""
        self.loaded = loaded
        self.chat = ChatFormat(loaded.tokenizer)
        self._model = loaded.model
        config = self._model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.shape = (config.num_hidden_layers, heads, head_size)
        self.context_tokens = int(getattr(config, "max_position_embeddings", 0) or 0)
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        # Windowed and recurrent layers keep another state than all keys and values.
        self.supports_kv = kinds == {"full_attention"}
        self._ends = _end_tokens(self._model, loaded.tokenizer)
        self._adapters = AdapterMounts(self._model)

    @property
    def dtype_name(self) -> str:
        """Name of the type that it computes in."""
        return str(self._model.dtype).removeprefix("torch.")

    def prefill(
        self,
        ids: Sequence[int],
        *,
        capacity: int,
        prefix: Sequence[tuple[Any, Any]] = (),
        progress: Callable[[int], None] = lambda _done: None,
    ) -> tuple[Any, Any]:
        """Read tokens behind a prefix; return the cache and the logits after the last token.

        Args:
            ids: The tokens behind the prefix, at least one.
            capacity: Room of the cache, in tokens.
            prefix: Keys and values of the tokens before them.
            progress: Called with the number of tokens read; may raise to end the work.
        """
        with torch.inference_mode():
            cache = self._cache(capacity, prefix)
            logits = None
            for start in range(0, len(ids), _PREFILL_TOKENS):
                progress(start)
                piece = torch.tensor([ids[start : start + _PREFILL_TOKENS]], device=self._model.device)
                out = self._model(input_ids=piece, past_key_values=cache, use_cache=True, logits_to_keep=1)
                logits = out.logits[0, -1]
            progress(len(ids))
            return cache, logits

    def decode(self, cache: Any, logits: Any, sampling: Sampling) -> Iterator[tuple[int, bool]]:
        """Yield (token, whether it ends the answer), at most `sampling.max_tokens` of them."""
        random = torch.Generator().manual_seed(sampling.seed % (1 << 63))
        for step in range(sampling.max_tokens):
            token = _choose(logits, sampling, random)
            ends = token in self._ends
            yield token, ends
            if ends or step + 1 == sampling.max_tokens:
                return
            with torch.inference_mode():
                piece = torch.tensor([[token]], device=self._model.device)
                out = self._model(input_ids=piece, past_key_values=cache, use_cache=True, logits_to_keep=1)
                logits = out.logits[0, -1]

    def mount_adapters(self, adapters: Sequence[AdapterBlob]) -> None:
        """Make exactly these adapters active, none for an empty sequence."""
        self._adapters.mount(adapters)

    def build_kv(self, ids: Sequence[int], progress: Callable[[int], None]) -> BuiltKv:
        """Read tokens; return their keys and values as a safetensors file of float16."""
        if not self.supports_kv:
            raise PlatformError(Reason.MODEL_MISMATCH, "the model's layers keep no plain KV cache")
        from safetensors.torch import save

        self.mount_adapters(())
        began = time.perf_counter()
        cache, _ = self.prefill(ids, capacity=len(ids), progress=progress)
        compute_s = time.perf_counter() - began
        tensors = {"token_ids": torch.tensor(list(ids), dtype=torch.int64)}
        for index, layer in enumerate(cache.layers):
            tensors[f"layers.{index}.keys"] = layer.keys[0].to("cpu", torch.float16).contiguous()
            tensors[f"layers.{index}.values"] = layer.values[0].to("cpu", torch.float16).contiguous()
        layers, heads, head_size = self.shape
        metadata = {"format": "memporium-kv-1", "model_fingerprint": self.loaded.fingerprint, "position_base": "0"}
        return BuiltKv(
            data=save(tensors, metadata),
            token_ids_sha256=token_digest(ids),
            token_count=len(ids),
            layers=layers,
            heads=heads,
            head_size=head_size,
            dtype="float16",
            compute_s=compute_s,
        )

    def open_kv(self, blob: KvBlob) -> list[tuple[Any, Any]]:
        """Return the keys and values in a file, checked against this model and the cube's record; views, no copies.

        Raises:
            PlatformError: MODEL_MISMATCH for another model's; INTEGRITY_FAILURE where it is not what its cube says.
        """
        file = view(blob.data)
        made_for = file.metadata.get("model_fingerprint", "")
        if made_for != self.loaded.fingerprint or not self.supports_kv:
            raise PlatformError(
                Reason.MODEL_MISMATCH,
                "the KV memory was made for another model",
                metadata={"expected": made_for, "actual": self.loaded.fingerprint},
            )
        ids = file.tensors.get("token_ids")
        if ids is None or ids.dtype != torch.int64 or token_digest(ids.tolist()) != blob.token_ids_sha256:
            raise PlatformError(Reason.INTEGRITY_FAILURE, "the KV memory holds other tokens than its cube says")
        layers, heads, head_size = self.shape
        expected = (heads, blob.token_count, head_size)
        pairs = [
            (file.tensors.get(f"layers.{index}.keys"), file.tensors.get(f"layers.{index}.values"))
            for index in range(layers)
        ]
        if any(tensor is None or tuple(tensor.shape) != expected for pair in pairs for tensor in pair):
            raise PlatformError(Reason.INTEGRITY_FAILURE, "the KV memory has another shape than its cube says")
        return pairs

    def _cache(self, capacity: int, prefix: Sequence[tuple[Any, Any]]) -> Any:
        if not self.supports_kv:
            from transformers import DynamicCache

            return DynamicCache(config=self._model.config)
        return preallocated_cache(self.shape, capacity, like=next(self._model.parameters()), prefix=prefix)


def token_digest(ids: Sequence[int]) -> str:
    """Return the SHA-256 over token ids as little-endian int64, hexadecimal."""
    return hashlib.sha256(np.asarray(ids, dtype="<i8").tobytes()).hexdigest()


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    ends: set[int] = set()
    for value in (getattr(model.generation_config, "eos_token_id", None), tokenizer.eos_token_id):
        if isinstance(value, int):
            ends.add(value)
        elif value is not None:
            ends.update(value)
    return frozenset(ends)


def _choose(logits: Any, sampling: Sampling, random: torch.Generator) -> int:
    if sampling.temperature <= 0:
        return int(logits.argmax())
    chances = torch.softmax(logits.float().cpu() / sampling.temperature, dim=-1)
    if 0 < sampling.top_p < 1:
        ordered, places = torch.sort(chances, descending=True)
        # A token stays while those before it have not yet reached the share; the likeliest always stays.
        ordered[torch.cumsum(ordered, dim=-1) - ordered >= sampling.top_p] = 0
        return int(places[torch.multinomial(ordered, 1, generator=random)])
    return int(torch.multinomial(chances, 1, generator=random))
