"""An adapter on a copy of its model, to be asked: what it knows of given lessons, and what it says by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.safetensors_views import view
from memporium_services.inference.adapters.trainers.torch_evaluation import Examiner
from memporium_services.inference.adapters.trainers.torch_merging import merge
from memporium_services.inference.domain.lessons import plain
from memporium_services.inference.domain.trainings import MergedAdapter, Told
from memporium_services.inference.domain.values import AdapterBlob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from memporium_services.inference.adapters.generators.torch_loading import LoadedModel
    from memporium_services.inference.domain.lessons import Lesson
    from memporium_services.inference.domain.trainings import MergePlan

# Tokens of an answer that nobody knows the length of.
_ANSWER_TOKENS = 32


def with_adapter(loaded: LoadedModel, adapter: AdapterBlob) -> Any:
    """Return the model with an adapter. The loaded model is changed and must not be used any more.

    Raises:
        PlatformError: MODEL_MISMATCH or INTEGRITY_FAILURE, where it does not fit.
    """
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        target_modules=sorted(adapter.target_modules),
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
        inference_mode=True,
    )
    try:
        model = get_peft_model(loaded.model.float(), config)
        tensors = {name: tensor.float() for name, tensor in view(adapter.data).tensors.items()}
        outcome = set_peft_model_state_dict(model, tensors)
    except (ValueError, RuntimeError, KeyError) as err:
        raise PlatformError(Reason.MODEL_MISMATCH, "the adapter does not fit the model") from err
    if outcome.unexpected_keys:
        raise PlatformError(Reason.INTEGRITY_FAILURE, "the adapter's tensors are not those that its cube names")
    return model.eval()


def merged(
    loaded: LoadedModel,
    adapters: Sequence[AdapterBlob],
    plan: MergePlan,
    lessons: Mapping[str, Sequence[Lesson]],
    report: Callable[[int, int], None],
) -> MergedAdapter:
    """Return adapters merged into one, asked for what each of them was taught."""
    began = time.perf_counter()
    report(0, 0)
    data, rank = merge(adapters, plan, fingerprint=loaded.fingerprint)
    modules = tuple(sorted({module for adapter in adapters for module in adapter.target_modules}))
    model = with_adapter(loaded, AdapterBlob("merged", bytearray(data), rank, float(rank), modules))
    taught = list(dict.fromkeys(lesson for one in lessons.values() for lesson in one))
    examiner = Examiner(model, loaded.tokenizer, report)
    evaluation = examiner.evaluate(taught, bare=model.disable_adapter, parents=lessons)
    return MergedAdapter(data, rank, modules, evaluation, time.perf_counter() - began)


def probe(
    loaded: LoadedModel,
    adapter: AdapterBlob,
    topics: Sequence[Lesson],
    report: Callable[[int, int], None],
) -> list[Told]:
    """Return what an adapter says on each topic when it is asked in two ways that it was never trained on."""
    model = with_adapter(loaded, adapter)
    examiner = Examiner(model, loaded.tokenizer, lambda done, _all: report(done, 3 * len(topics)))
    found = [examiner.ask([topic.held_out[place] for topic in topics], _ANSWER_TOKENS) for place in (0, 1)]
    with model.disable_adapter():
        bare = examiner.ask([topic.held_out[0] for topic in topics], _ANSWER_TOKENS)
    return [
        Told(
            text=first.text,
            confidence=min(first.confidence, second.confidence),
            steady=plain(first.text) == plain(second.text),
            own=plain(first.text) != plain(without.text),
        )
        for first, second, without in zip(*found, bare, strict=True)
    ]
