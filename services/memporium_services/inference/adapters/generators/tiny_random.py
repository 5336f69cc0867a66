"""`tiny-random`: a small Llama with fixed random weights and a byte-level tokenizer, built in code.

It writes nonsense, and the same nonsense each time: for tests of KV and LoRA memory in milliseconds.
"""

from __future__ import annotations

import hashlib

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from memporium_services.inference.adapters.generators.fingerprints import digest_of
from memporium_services.inference.adapters.generators.torch_loading import LoadedModel

_SEED = 20250704
_CONTEXT_TOKENS = 8192
_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def load_tiny_random() -> LoadedModel:
    """Return the model; equal in every process."""
    tokenizer = _tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=_CONTEXT_TOKENS,
        # Wider than usual: attention is sharp and greedy choices are clear, so that equality tests test something.
        initializer_range=0.25,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model = LlamaForCausalLM(config).eval()
    weights = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        weights.update(name.encode())
        weights.update(tensor.numpy().tobytes())
    tokenizer_digest = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
    fingerprint = digest_of(
        {"weights": weights.hexdigest(), "config": "tiny-random", "tokenizer": tokenizer_digest, "dtype": "float32"}
    )
    return LoadedModel(model, tokenizer, fingerprint, tokenizer_digest)


def _tokenizer() -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bare = Tokenizer(models.BPE(vocab={character: index for index, character in enumerate(alphabet)}, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=bare,
        eos_token="<|im_end|>",  # noqa: S106 - a token of text
        additional_special_tokens=["<|im_start|>"],
    )
    wrapped.chat_template = _CHAT_TEMPLATE
    return wrapped
