"""Causal language models from a package's GGUF, from a local folder, or built in code; each with its fingerprint."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.fingerprints import (
    digest_of,
    file_digest,
    folder_fingerprint,
    tokenizer_fingerprint,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# Changes whenever the conversion changes what it writes: old caches and fingerprints are then no longer used.
_CONVERTER = "gguf-bf16-1"


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory with its tokenizer and fingerprints."""

    model: Any
    tokenizer: Any
    fingerprint: str
    tokenizer_fingerprint: str


def load_gguf(name: str, gguf: Path, cache: Path, *, dtype: str, device: str) -> LoadedModel:
    """Return a model from a GGUF file; the first call converts it into `cache`, later ones take seconds."""
    source = file_digest(gguf)
    folder = cache / f"{name}-{source[:16]}-{_CONVERTER}"
    if not (folder / "config.json").is_file():
        with _locked(cache / f".{name}.lock"):
            if not (folder / "config.json").is_file():
                _convert(gguf, folder)
    model, tokenizer = _from_folder(name, folder, dtype=dtype, device=device)
    parts = {"weights": source, "config": "gguf", "tokenizer": source, "dtype": "bfloat16", "converter": _CONVERTER}
    return LoadedModel(model, tokenizer, digest_of(parts), digest_of({"tokenizer": source}))


def load_folder(name: str, folder: Path, *, dtype: str, device: str) -> LoadedModel:
    """Return a model from a local Hugging Face folder with safetensors weights."""
    fingerprint = folder_fingerprint(folder)
    if not fingerprint:
        raise _unavailable(name, "its folder has no config.json or no safetensors weights")
    model, tokenizer = _from_folder(name, folder, dtype=dtype, device=device)
    return LoadedModel(model, tokenizer, fingerprint, tokenizer_fingerprint(folder))


def _from_folder(name: str, folder: Path, *, dtype: str, device: str) -> tuple[Any, Any]:
    _quiet()
    if device == "cpu":
        # Grouped heads share their keys in the kernel instead of being copied out for each head: reading behind a
        # mounted cache is a tenth faster. On CUDA a masked call would fall back to the slowest kernel instead.
        os.environ.setdefault("TRANSFORMERS_SDPA_FORCE_GQA", "1")
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=getattr(torch, dtype), local_files_only=True, use_safetensors=True
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        return model.to(device).eval(), tokenizer
    except Exception as err:
        # transformers raises whatever its parts raise.
        raise _unavailable(name, "its files cannot be loaded") from err


def _convert(gguf: Path, folder: Path) -> None:
    """Write a GGUF's weights as bf16 safetensors: loads in seconds instead of being dequantised each time."""
    _quiet()
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    try:
        loaded = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
        tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
        # transformers takes the loaded model for a quantised one and refuses to save it: save a plain one instead.
        config = type(loaded.config).from_dict(
            {key: value for key, value in loaded.config.to_dict().items() if key != "quantization_config"}
        )
        plain = transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
        plain.load_state_dict({key: value.to(torch.bfloat16) for key, value in loaded.state_dict().items()})
        plain.tie_weights()
        temporary = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
        try:
            plain.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
            for path in temporary.iterdir():
                _flush(path)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except Exception as err:
        # transformers raises whatever its parts raise.
        raise _unavailable(gguf.stem, "its GGUF file cannot be converted") from err


def _flush(path: Path) -> None:
    """Bring a file to the disk: the folder's new name must not outlive its content in a crash."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock across processes for the block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _quiet() -> None:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # What peft and transformers say of each other's next versions is nothing for a server's output.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft)\.")


def _unavailable(name: str, why: str) -> PlatformError:
    return PlatformError(Reason.MODEL_UNAVAILABLE, f"model {name} is unavailable: {why}", metadata={"model": name})
