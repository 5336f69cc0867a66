"""What a model's files are, without reading them into a model: memory mounts only on the model it was made for."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
_TOKENIZER_FILES = ("tokenizer*", "*.model", "vocab*", "merges*")


def digest_of(parts: dict[str, Any]) -> str:
    """Return the SHA-256 of named parts, independent of their order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def tokenizer_fingerprint(folder: Path) -> str:
    """Return the fingerprint of the tokenizer in a Hugging Face folder."""
    files = sorted(path for pattern in _TOKENIZER_FILES for path in folder.glob(pattern))
    return digest_of({path.name: file_digest(path) for path in files})


def folder_fingerprint(folder: Path) -> str:
    """Return the fingerprint of the model in a Hugging Face folder with safetensors weights; "" for no such folder."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights or not (folder / "config.json").is_file():
        return ""
    config = json.loads((folder / "config.json").read_text())
    # Who wrote the file does not change what the model computes.
    config.pop("transformers_version", None)
    return digest_of(
        {
            "weights": {path.name: file_digest(path) for path in weights},
            "config": config,
            "tokenizer": tokenizer_fingerprint(folder),
            "dtype": str(config.get("dtype", config.get("torch_dtype", "stored"))),
        }
    )
