"""One causal language model at work, on one thread: prefill, decode, KV caches as files, adapters."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.chat import ChatFormat
from memporium_services.inference.adapters.generators.composition import Composer
from memporium_services.inference.adapters.generators.kv_files import open_kv, pack, token_digest
from memporium_services.inference.adapters.generators.rotary import KeyMover
from memporium_services.inference.adapters.generators.torch_adapters import AdapterMounts
from memporium_services.inference.adapters.generators.torch_cache import PreallocatedCache
from memporium_services.inference.domain.values import BuiltKv, ComposePlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memporium_services.inference.adapters.generators.kv_files import OpenKv
    from memporium_services.inference.adapters.generators.torch_loading import LoadedModel
    from memporium_services.inference.domain.values import AdapterBlob, KvBlob, KvForm, Sampling

# Tokens that are read at once: between two pieces a cancelled call ends.
_PREFILL_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Prefilled:
    """A prompt that was read.

    Attributes:
        cache: Its keys and values.
        logits: After the last token.
        cached_tokens: Tokens that came from mounted KV caches and were not computed again.
    """

    cache: Any
    logits: Any
    cached_tokens: int


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
        self._composer = Composer(self._model, KeyMover(self._model))

    @property
    def dtype_name(self) -> str:
        """Name of the type that it computes in."""
        return str(self._model.dtype).removeprefix("torch.")

    def open_kv(self, blob: KvBlob) -> OpenKv:
        """Return the keys and values in a file, checked against this model and the cube's record; views, no copies.

        Raises:
            PlatformError: MODEL_MISMATCH for another model's; INTEGRITY_FAILURE where it is not what its cube says.
        """
        if not self.supports_kv:
            raise _no_kv()
        return open_kv(blob, fingerprint=self.loaded.fingerprint, shape=self.shape)

    def prefill(
        self,
        ids: Sequence[int],
        *,
        capacity: int,
        kvs: Sequence[OpenKv] = (),
        plan: ComposePlan = ComposePlan(),  # noqa: B008 - frozen
        progress: Callable[[int], None] = lambda _done: None,
    ) -> Prefilled:
        """Read tokens behind mounted KV caches.

        Args:
            ids: The tokens behind them, at least one.
            capacity: Room of the cache, in tokens.
            kvs: What is mounted before them, in its order.
            plan: How several of them are composed.
            progress: Called with the number of tokens read; may raise to end the work.
        """
        if len(kvs) > 1:
            self._composer.check(plan)
        read = 0

        def forward(tokens: Sequence[int]) -> Any:
            nonlocal read
            logits = None
            for start in range(0, len(tokens), _PREFILL_TOKENS):
                progress(read)
                piece = tokens[start : start + _PREFILL_TOKENS]
                logits = self._forward(torch.tensor([list(piece)], device=self._model.device), cache)
                read += len(piece)
            return logits

        with torch.inference_mode():
            cache = self._cache(capacity)
            cached = self._composer.mount(cache, kvs, plan, forward) if kvs else 0
            logits = forward(ids)
            progress(read)
            return Prefilled(cache, logits, cached)

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
                logits = self._forward(torch.tensor([[token]], device=self._model.device), cache)

    def mount_adapters(self, adapters: Sequence[AdapterBlob]) -> None:
        """Make exactly these adapters active, none for an empty sequence."""
        self._adapters.mount(adapters)

    def build_kv(self, ids: Sequence[int], form: KvForm, progress: Callable[[int], None]) -> BuiltKv:
        """Read tokens; return their keys and values as a safetensors file."""
        if not self.supports_kv:
            raise _no_kv()
        self.mount_adapters(())
        began = time.perf_counter()
        cache = self.prefill(ids, capacity=len(ids), progress=progress).cache
        compute_s = time.perf_counter() - began
        pairs = [(layer.keys[0], layer.values[0]) for layer in cache.layers]
        data, error = pack(pairs, ids, form=form, fingerprint=self.loaded.fingerprint)
        layers, heads, head_size = self.shape
        return BuiltKv(
            data=data,
            token_ids_sha256=token_digest(ids),
            token_count=len(ids),
            layers=layers,
            heads=heads,
            head_size=head_size,
            dtype=form.value,
            compute_s=compute_s,
            relative_error=error,
        )

    def _forward(self, piece: Any, cache: Any) -> Any:
        """Read (1, tokens) behind what is in the cache; return the logits after the last one."""
        out = self._model(input_ids=piece, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[0, -1]

    def _cache(self, capacity: int) -> Any:
        if not self.supports_kv:
            return DynamicCache(config=self._model.config)
        return PreallocatedCache(self.shape, capacity, like=next(self._model.parameters()))


def _no_kv() -> PlatformError:
    return PlatformError(Reason.MODEL_MISMATCH, "the model's layers keep no plain KV cache")


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
