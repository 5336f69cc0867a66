"""What leakers do to marked adapters and KV caches."""

import numpy as np

from memporium_platform.tracing.tensors import TensorFile, packed


def opened(data):
    file = TensorFile(data)
    return {name: file.read(name) for name in file.names()}


def adapter(seed=0, *, rank=4, width=96, modules=6):
    """Return an adapter like a trained one: A at its initial spread, B with a decaying spectrum."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for module in range(modules):
        name = f"base_model.model.model.layers.{module}.self_attn.q_proj"
        tensors[f"{name}.lora_A.weight"] = rng.normal(0, 0.1, (rank, width)).astype("f4")
        left = rng.normal(0, 0.02, (width * 8, rank)) * 0.6 ** np.arange(rank)
        tensors[f"{name}.lora_B.weight"] = (left @ rng.normal(0, 1, (rank, rank))).astype("f4")
    return packed(tensors, {"format": "memporium-lora-1"})


def int8(data):
    """Quantise each row to 255 steps."""

    def one(numbers):
        scale = np.maximum(np.abs(numbers).max(axis=-1, keepdims=True), 1e-12) / 127
        return (np.rint(numbers / scale) * scale).astype("f4")

    return packed({name: one(numbers) for name, numbers in opened(data).items()})


def noisy(data, share, seed=1):
    """Add noise of a share of each tensor's deviation."""
    rng = np.random.default_rng(seed)
    return packed(
        {
            name: (numbers + rng.normal(0, share * numbers.std(), numbers.shape)).astype("f4")
            for name, numbers in opened(data).items()
        }
    )


def averaged(copies):
    """Average the tensors of several copies."""
    tensors = [opened(data) for data in copies]
    return packed({name: np.mean([one[name] for one in tensors], axis=0, dtype="f4") for name in tensors[0]})


def scaled(data, factor):
    """Multiply every second factor of the product."""
    return packed(
        {name: numbers * np.float32(factor if "lora_B" in name else 1) for name, numbers in opened(data).items()}
    )


def _modules(tensors):
    return [name.removesuffix(".lora_B.weight") for name in tensors if name.endswith(".lora_B.weight")]


def halved(data):
    """Halve the rank of each product by its singular values: another basis, too."""
    tensors, found = opened(data), {}
    for module in _modules(tensors):
        a, b = tensors[f"{module}.lora_A.weight"], tensors[f"{module}.lora_B.weight"]
        qb, rb = np.linalg.qr(b)
        qa, ra = np.linalg.qr(a.T)
        u, s, vt = np.linalg.svd(rb @ ra.T)
        keep = max(1, len(s) // 2)
        root = np.sqrt(s[:keep])
        found[f"{module}.lora_B.weight"] = (qb @ u[:, :keep] * root).astype("f4")
        found[f"{module}.lora_A.weight"] = (root[:, None] * (vt[:keep] @ qa.T)).astype("f4")
    return packed(found)


def merged(data, other, share=0.5):
    """Merge two adapters: both products, weighed, in one of twice the rank."""
    one, two, found = opened(data), opened(other), {}
    for module in _modules(one):
        a, b = f"{module}.lora_A.weight", f"{module}.lora_B.weight"
        found[a] = np.concatenate([one[a], two[a]])
        found[b] = np.concatenate([share * one[b], (1 - share) * two[b]], axis=1).astype("f4")
    return packed(found)


def cache(seed=0, *, layers=4, heads=2, tokens=80, size=32):
    """Return a KV cache like a real one: values that differ by token and head."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for layer in range(layers):
        for name in ("keys", "values"):
            scale = rng.uniform(0.3, 2, (heads, 1, 1))
            tensors[f"layers.{layer}.{name}"] = (rng.normal(0, 1, (heads, tokens, size)) * scale).astype("f4")
    return packed(tensors)


def cut(data, kept):
    """Keep some tokens of a cache."""
    return packed({name: numbers[:, kept] for name, numbers in opened(data).items() if name.startswith("layers.")})
