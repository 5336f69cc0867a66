"""One causal language model at work, on one thread: prefill, decode, KV caches as files, adapters."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators import likelihood, ragged, shared_prefix
from memporium_services.inference.adapters.generators.chat import ChatFormat
from memporium_services.inference.adapters.generators.composition import Composer
from memporium_services.inference.adapters.generators.cpu_kernels import hasten
from memporium_services.inference.adapters.generators.kv_files import as_float16, open_kv, pack, token_digest
from memporium_services.inference.adapters.generators.rotary import KeyMover
from memporium_services.inference.adapters.generators.torch_adapters import AdapterBank
from memporium_services.inference.adapters.generators.torch_cache import PreallocatedCache
from memporium_services.inference.domain.values import BuiltKv, ComposePlan

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from memporium_services.inference.adapters.generators.kv_files import OpenKv, Stored
    from memporium_services.inference.adapters.generators.likelihood import ScoredIds
    from memporium_services.inference.adapters.generators.torch_adapters import MountedAdapters
    from memporium_services.inference.adapters.generators.torch_loading import LoadedModel
    from memporium_services.inference.domain.scoring import TextScore
    from memporium_services.inference.domain.values import KvBlob, KvForm

# Tokens that are read at once: between two pieces a cancelled call ends, and others go on.
_PIECE_TOKENS = 512
# A GPU reads so many times more in that time; less would be spent on starting its kernels.
_GPU_PIECES = 4


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

    def __init__(self, loaded: LoadedModel, *, quick_products: bool = True) -> None:
        """Run this model; with `quick_products`, multiply by the library that is fastest on this processor."""
        self.loaded = loaded
        self.chat = ChatFormat(loaded.tokenizer)
        self._model = loaded.model
        self._pieces = 1 if self._model.device.type == "cpu" else _GPU_PIECES
        if quick_products:
            hasten(self._model)
        config = self._model.config.get_text_config()
        if not getattr(config, "num_attention_heads", 0):
            raise PlatformError(
                Reason.MODEL_UNAVAILABLE,
                f"a {config.model_type} model has no attention: it keeps no keys and values that memory could be",
                metadata={"model": config.model_type},
            )
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.shape = (config.num_hidden_layers, heads, head_size)
        self.vocabulary_size = int(config.vocab_size)
        self.context_tokens = int(getattr(config, "max_position_embeddings", 0) or 0)
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        # Windowed and recurrent layers keep another state than all keys and values.
        self.supports_kv = kinds == {"full_attention"}
        # Tokens that end an answer.
        self.ends = _end_tokens(self._model, loaded.tokenizer)
        self.adapters = AdapterBank(self._model, loaded.fingerprint)
        self._composer = Composer(self._model, KeyMover(self._model))
        # Whether sequences can be decoded together.
        self.batches = (
            self.supports_kv and ragged.prepare(self._model) and ragged.works(self._model, self._cache, self._forward)
        )
        # Whether a mounted KV cache is read where it lies, without a copy for each request.
        self.shares = self.batches and shared_prefix.works(self._model, self._cache, self._forward, as_float16)

    @property
    def dtype_name(self) -> str:
        """Name of the type that it computes in."""
        return str(self._model.dtype).removeprefix("torch.")

    def settle(self) -> None:
        """Wait until what was asked for is computed, for who looks at the clock: a GPU has only begun it."""
        if self._model.device.type == "cuda":
            torch.cuda.synchronize(self._model.device)

    def open_kv(self, blob: KvBlob) -> OpenKv:
        """Return the keys and values in a file, checked against this model and the cube's record; views, no copies.

        Raises:
            PlatformError: MODEL_MISMATCH for another model's; INTEGRITY_FAILURE where it is not what its cube says.
        """
        if not self.supports_kv:
            raise _no_kv()
        return open_kv(blob, fingerprint=self.loaded.fingerprint, shape=self.shape)

    def read(
        self,
        ids: Sequence[int],
        *,
        capacity: int,
        kvs: Sequence[OpenKv] = (),
        plan: ComposePlan = ComposePlan(),  # noqa: B008 - frozen
        adapters: MountedAdapters | None = None,
        piece_tokens: Callable[[], int] = lambda: _PIECE_TOKENS,
    ) -> Generator[None, None, Prefilled]:
        """Read tokens behind mounted KV caches, pausing after each piece.

        Args:
            ids: The tokens behind them, at least one.
            capacity: Room of the cache, in tokens.
            kvs: What is mounted before them, in its order.
            plan: How several of them are composed.
            adapters: Those of this request.
            piece_tokens: Asked before each piece for its size on a CPU.
        """
        if len(kvs) > 1:
            self._composer.check(plan, self._cache)
        shared = kvs[:1] if self.shares else ()
        cached = sum(len(kv.ids) for kv in shared)
        cache = self._cache(capacity - cached, shared[0].layers if shared else None)

        def forward(tokens: Sequence[int]) -> Generator[None, None, Any]:
            logits, start = None, 0
            while start < len(tokens):
                piece = list(tokens[start : start + piece_tokens() * self._pieces])
                with self.adapters.on([adapters]):
                    logits = self._forward(piece, cache)
                start += len(piece)
                yield
            return logits

        cached += yield from self._composer.mount(cache, kvs[len(shared) :], plan, forward)
        logits = yield from forward(ids)
        return Prefilled(cache, logits, cached)

    def step(
        self,
        tokens: Sequence[int],
        caches: Sequence[Any],
        adapters: Sequence[MountedAdapters | None] | None = None,
    ) -> Sequence[Any]:
        """Read one token behind each cache, each with adapters of its own or none; return the logits of each."""
        adapters = adapters or [None] * len(tokens)
        if len(tokens) == 1 or not self.batches:
            return [self._step(*row) for row in zip(tokens, caches, adapters, strict=True)]
        with self.adapters.on(adapters):
            return list(ragged.step(self._model, tokens, caches))

    def _step(self, token: int, cache: Any, adapters: MountedAdapters | None) -> Any:
        with self.adapters.on([adapters]):
            return self._forward([token], cache)

    def score(self, texts: Sequence[ScoredIds]) -> Generator[None, None, list[TextScore]]:
        """Return how likely each text is, without adapters, pausing after each pass of the model."""
        return likelihood.score(self._model, texts, self._cache)

    def build_kv(self, ids: Sequence[int], form: KvForm) -> Generator[int, None, BuiltKv]:
        """Read tokens, yielding how many are read; return their keys and values as a safetensors file."""
        if not self.supports_kv:
            raise _no_kv()
        began, compute_s = time.perf_counter(), 0.0
        cache = self._cache(len(ids))
        size = _PIECE_TOKENS * self._pieces
        for start in range(0, len(ids), size):
            self._forward(list(ids[start : start + size]), cache)
            self.settle()
            # Others may compute in between: their time is not this memory's cost.
            compute_s += time.perf_counter() - began
            yield cache.length
            began = time.perf_counter()
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

    def _forward(self, tokens: Sequence[int], cache: Any) -> Any:
        """Read tokens behind what is in the cache; return the logits after the last one."""
        with torch.inference_mode():
            piece = torch.tensor([tokens], device=self._model.device)
            out = self._model(input_ids=piece, past_key_values=cache, use_cache=True, logits_to_keep=1)
            return out.logits[0, -1]

    def _cache(self, capacity: int, prefix: Sequence[tuple[Stored, Stored]] | None = None) -> Any:
        if not self.supports_kv:
            return DynamicCache(config=self._model.config)
        with torch.inference_mode():
            return PreallocatedCache(self.shape, capacity, like=next(self._model.parameters()), prefix=prefix)


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
