"""LoRA adapters on a model: each row of a batch has its own, or none, in one and the same step.

The model itself is never changed. Hooks on its linear layers add to each row x of the batch what its adapter says,
`(x A) B` (Hu et al., LoRA, ICLR 2022), gathered for all rows into one batched product (Chen et al., Punica, MLSys
2024). So requests of many tenants with different adapters decode together, none waits until another's adapter is out,
and a row without an adapter gets exactly what the bare model gives. Several adapters of one request add up.

Nothing but the tensors' names and shapes says which model an adapter is for; the app layer has compared fingerprints
before, and here both must fit.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.safetensors_views import view

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from memporium_services.inference.domain.values import AdapterBlob

# As peft names the tensors of a causal language model's adapter.
_PREFIX, _A, _B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
# Sets of adapters that are kept as tensors after their last use: a dialogue mounts the same ones each time.
_KEPT = 16
# Bytes of them together; the one in use is kept however large it is.
_KEPT_BYTES = 1 << 30
# Batches whose gathered factors are kept: that of the rows that decode, and that before one joined or left.
_GATHERED = 2


class _Key(NamedTuple):
    """An adapter as it was described: the same bytes under another description are read, and checked, anew."""

    adapter: str
    rank: int
    alpha: float
    modules: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MountedAdapters:
    """The adapters of one request as factors, their scales multiplied in: by module (in, r) and (r, out)."""

    keys: tuple[_Key, ...]
    agreements: frozenset[str]
    factors: dict[str, tuple[Any, Any]]

    @property
    def size(self) -> int:
        """Bytes of the factors."""
        return sum(tensor.numel() * tensor.element_size() for pair in self.factors.values() for tensor in pair)


class AdapterBank:
    """The adapters of a model's requests. Not thread-safe: one thread owns it."""

    def __init__(self, model: Any, fingerprint: str) -> None:
        """Serve this model."""
        self._model = model
        self._fingerprint = fingerprint
        self._modules: dict[str, Any] = {}
        self._like = next(model.parameters())
        self._held: OrderedDict[tuple[_Key, ...], MountedAdapters] = OrderedDict()
        self._gathered: OrderedDict[tuple[int, ...], tuple[list[Any], dict[Any, tuple[Any, Any]]]] = OrderedDict()
        self._hooks: dict[str, Any] = {}
        self._active: dict[Any, tuple[Any, Any]] = {}

    @property
    def held(self) -> frozenset[str]:
        """Keys of the adapters that are in memory."""
        return frozenset(key.adapter for keys in self._held for key in keys)

    def open(self, adapters: Sequence[AdapterBlob]) -> MountedAdapters | None:
        """Return adapters ready for use, None for none.

        Raises:
            PlatformError: MODEL_MISMATCH or INTEGRITY_FAILURE, where one does not fit.
        """
        if not adapters:
            return None
        keys = tuple(_Key(one.key, one.rank, one.alpha, one.target_modules) for one in adapters)
        agreements = frozenset(agreement for adapter in adapters for agreement in adapter.agreements)
        found = self._held.get(keys)
        if found is None or not agreements <= found.agreements:
            factors = found.factors if found is not None else self._read(adapters)
            # The same bytes may come under several agreements: the end of any of them unloads them.
            known = found.agreements if found is not None else frozenset()
            found = MountedAdapters(keys, agreements | known, factors)
            self._held.pop(keys, None)
            room = _KEPT_BYTES - found.size
            while self._held and (len(self._held) >= _KEPT or sum(one.size for one in self._held.values()) > room):
                self._held.popitem(last=False)
            self._held[keys] = found
        self._held.move_to_end(keys)
        return found

    def drop_agreement(self, agreement: str) -> None:
        """Forget every adapter that came under an agreement."""
        ended = [keys for keys, one in self._held.items() if agreement in one.agreements]
        for keys in ended:
            del self._held[keys]
        self._gathered.clear()

    def drop(self, adapters: Collection[str]) -> None:
        """Forget adapters by their keys."""
        for keys in [keys for keys in self._held if any(key.adapter in adapters for key in keys)]:
            del self._held[keys]
        self._gathered.clear()

    def clear(self) -> None:
        """Forget all adapters and leave the model as it was."""
        self._held.clear()
        self._gathered.clear()
        self._unhook()

    @contextmanager
    def on(self, rows: Sequence[MountedAdapters | None]) -> Iterator[None]:
        """For the block each row of the batch has its adapters."""
        if all(row is None for row in rows):
            yield
            return
        self._active = self._factors(rows)
        try:
            yield
        finally:
            self._active = {}

    def _factors(self, rows: Sequence[MountedAdapters | None]) -> dict[Any, tuple[Any, Any]]:
        """Return the factors of all rows together, by module: (rows, in, r) and (rows, r, out)."""
        # By identity, with the rows kept beside them: two tenants' adapters are never taken for one another.
        key = tuple(map(id, rows))
        if key not in self._gathered:
            names = list(dict.fromkeys(name for row in rows if row is not None for name in row.factors))
            for name in names:
                if name not in self._hooks:
                    self._hooks[name] = self._linear(name).register_forward_hook(self._add)
            gathered = {self._linear(name): self._stack(name, rows) for name in names}
            while len(self._gathered) >= _GATHERED:
                self._gathered.popitem(last=False)
            self._gathered[key] = (list(rows), gathered)
        self._gathered.move_to_end(key)
        return self._gathered[key][1]

    def _stack(self, name: str, rows: Sequence[MountedAdapters | None]) -> tuple[Any, Any]:
        pairs = [row.factors.get(name) if row is not None else None for row in rows]
        if len(pairs) == 1 and pairs[0] is not None:
            return pairs[0][0].unsqueeze(0), pairs[0][1].unsqueeze(0)
        rank = max(down.shape[1] for down, _ in filter(None, pairs))
        width, height = next((down.shape[0], up.shape[1]) for down, up in filter(None, pairs))
        downs = torch.zeros(len(rows), width, rank, dtype=self._like.dtype, device=self._like.device)
        ups = torch.zeros(len(rows), rank, height, dtype=self._like.dtype, device=self._like.device)
        for index, pair in enumerate(pairs):
            if pair is not None:
                downs[index, :, : pair[0].shape[1]] = pair[0]
                ups[index, : pair[1].shape[0]] = pair[1]
        return downs, ups

    def _add(self, module: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Add to a layer's output what the adapters of the rows say."""
        factors = self._active.get(module)
        if factors is None:
            return None
        down, up = factors
        given = inputs[0].reshape(down.shape[0], -1, down.shape[1])
        return output + torch.bmm(torch.bmm(given, down), up).reshape(output.shape)

    def _unhook(self) -> None:
        for hook in self._hooks.values():
            hook.remove()
        self._hooks.clear()

    def _linear(self, name: str) -> Any:
        if not self._modules:
            self._modules = dict(self._model.named_modules())
        return self._modules.get(name)

    def _read(self, adapters: Sequence[AdapterBlob]) -> dict[str, tuple[Any, Any]]:
        factors: dict[str, list[tuple[Any, Any]]] = {}
        for adapter in adapters:
            for name, pair in self._pairs(adapter).items():
                factors.setdefault(name, []).append(pair)
        return {
            name: (torch.cat([down for down, _ in pairs], dim=1), torch.cat([up for _, up in pairs], dim=0))
            for name, pairs in factors.items()
        }

    def _pairs(self, adapter: AdapterBlob) -> dict[str, tuple[Any, Any]]:
        """Return an adapter's factors by module, in the model's own type, on its device."""
        file = view(adapter.data)
        if file.metadata.get("model_fingerprint", self._fingerprint) != self._fingerprint:
            raise PlatformError(Reason.MODEL_MISMATCH, "the adapter was made for another model")
        names = {name.removeprefix(_PREFIX).removesuffix(_A).removesuffix(_B) for name in file.tensors}
        expected = {f"{_PREFIX}{name}{part}" for name in names for part in (_A, _B)}
        fits = all(any(f".{name}".endswith(f".{target}") for target in adapter.target_modules) for name in names)
        if set(file.tensors) != expected or not names or not fits:
            raise PlatformError(Reason.INTEGRITY_FAILURE, "the adapter's tensors are not those that its cube names")
        found = {}
        scale = adapter.alpha / adapter.rank if adapter.rank > 0 else 0.0
        for name in names:
            down, up = file.tensors[f"{_PREFIX}{name}{_A}"], file.tensors[f"{_PREFIX}{name}{_B}"]
            if (down.dim(), up.dim()) != (2, 2) or down.shape[0] != adapter.rank or up.shape[1] != adapter.rank:
                raise PlatformError(Reason.INTEGRITY_FAILURE, "the adapter's tensors are not of the rank of its cube")
            if not _fits(self._linear(name), down.shape[1], up.shape[0]):
                raise PlatformError(Reason.MODEL_MISMATCH, "the adapter does not fit the model")
            down, up = down.to(self._like).t().contiguous(), (up.to(self._like) * scale).t().contiguous()
            if not (down.isfinite().all() and up.isfinite().all()):
                raise PlatformError(Reason.INTEGRITY_FAILURE, "the adapter holds numbers that the model cannot use")
            found[name] = (down, up)
        return found


def _fits(module: Any, width: int, height: int) -> bool:
    """Return whether a module is a linear layer of these sizes (or GPT-2's, whose weight is turned)."""
    weight = getattr(module, "weight", None)
    if weight is None or weight.dim() != 2 or isinstance(module, torch.nn.Embedding):  # noqa: PLR2004 - a matrix
        return False
    turned = type(module).__name__ == "Conv1D"
    return tuple(weight.shape) == ((width, height) if turned else (height, width))
