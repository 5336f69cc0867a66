"""LoRA adapters on a model: exactly the wanted ones active, and the bare model again without any.

peft does not check which base model an adapter was trained for; the app layer has compared fingerprints before, and
here names and shapes of the tensors must fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.safetensors_views import view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.values import AdapterBlob


class AdapterMounts:
    """Which adapters a model has. Keeps those of the last call: a dialogue mounts the same ones each time."""

    def __init__(self, model: Any) -> None:
        """Mount on this model."""
        self._model = model
        self._wrapped: Any = None
        self._keys: tuple[str, ...] = ()

    def mount(self, adapters: Sequence[AdapterBlob]) -> None:
        """Make exactly these adapters active.

        Raises:
            PlatformError: MODEL_MISMATCH or INTEGRITY_FAILURE, where an adapter does not fit; none is then active.
        """
        keys = tuple(adapter.key for adapter in adapters)
        if keys == self._keys:
            return
        self._unload()
        if not adapters:
            return
        try:
            for index, adapter in enumerate(adapters):
                self._add(f"adapter{index}", adapter)
            self._wrapped.base_model.set_adapter([f"adapter{index}" for index in range(len(adapters))])
        except PlatformError:
            self._unload()
            raise
        except (ValueError, RuntimeError, KeyError) as err:
            self._unload()
            raise PlatformError(Reason.MODEL_MISMATCH, "the adapter does not fit the model") from err
        self._keys = keys

    def _add(self, name: str, adapter: AdapterBlob) -> None:
        from peft import LoraConfig, PeftModel, set_peft_model_state_dict

        tensors = dict(view(adapter.data).tensors)
        config = LoraConfig(
            r=adapter.rank,
            lora_alpha=adapter.alpha,
            target_modules=sorted(adapter.target_modules),
            lora_dropout=0.0,
            task_type="CAUSAL_LM",
            inference_mode=True,
        )
        if self._wrapped is None:
            self._wrapped = PeftModel(self._model, config, adapter_name=name)
        else:
            self._wrapped.add_adapter(name, config)
        outcome = set_peft_model_state_dict(self._wrapped, tensors, adapter_name=name)
        expected = sum(f".{name}." in key or key.endswith(f".{name}") for key in self._wrapped.state_dict())
        if outcome.unexpected_keys or len(tensors) != expected:
            raise PlatformError(Reason.INTEGRITY_FAILURE, "the adapter's tensors are not those that its cube names")
        self._wrapped.eval()

    def _unload(self) -> None:
        if self._wrapped is not None:
            self._wrapped.unload()
        # peft leaves its mark on the bare model, also where it gave up half-way.
        self._model.__dict__.pop("peft_config", None)
        self._wrapped = None
        self._keys = ()
