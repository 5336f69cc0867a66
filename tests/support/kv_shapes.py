"""Language models of a given shape with random weights, for what does not depend on values: time.

`tiny` is for tests; the others have the shapes of published models of their class (135M: SmolLM2, arXiv
2502.02737; 7B: Qwen2.5-7B, arXiv 2412.15115; 8B: Llama 3.1, arXiv 2407.21783; 32B: Qwen2.5-32B).
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.torch_loading import LoadedModel

SHAPES: dict[str, dict[str, int]] = {
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 300,
    },
    "135m": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
    },
    "7b": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
    },
    "8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
    "32b": {
        "hidden_size": 5120,
        "intermediate_size": 27648,
        "num_hidden_layers": 64,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "vocab_size": 152064,
    },
}
_CONTEXT_TOKENS = 32_768


def random_model(shape: str, *, device: str, dtype: str) -> LoadedModel:
    """Return a model of a shape in SHAPES, its weights made where they are used."""
    config = LlamaConfig(
        **SHAPES[shape],
        max_position_embeddings=_CONTEXT_TOKENS,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
        dtype=getattr(torch, dtype),
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device(device):
            model: Any = LlamaForCausalLM(config).eval()
    finally:
        torch.set_default_dtype(before)
    tokenizer = load_tiny_random().tokenizer
    return LoadedModel(model, tokenizer, f"random-{shape}-{dtype}", "tiny-random")
