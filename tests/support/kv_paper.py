"""Time to first token with KV memory as MemOS gives it, in seconds, to stand beside what is measured.

Transformers on H800s, arXiv 2507.03724, the table of KV memory: by context and query in tokens, with the memory as a KV
cache and in the prompt. The paper's queries of 302.7 and 952.7 tokens are read as 303 and 952.
"""

from __future__ import annotations

from typing import Any

# Contexts and queries, in tokens.
CONTEXTS, QUERIES = (583, 2773, 6064), (167, 303, 952)

# (context, query): (as a KV cache s, in the prompt s, saved %)
_QWEN3_8B = {
    (583, 167): (0.08, 0.29, 71.3),
    (583, 303): (0.14, 0.32, 55.6),
    (583, 952): (0.39, 0.51, 23.0),
    (2773, 167): (0.10, 0.95, 89.7),
    (2773, 303): (0.16, 1.08, 85.1),
    (2773, 952): (0.43, 1.22, 64.6),
    (6064, 167): (0.12, 2.04, 94.2),
    (6064, 303): (0.19, 2.16, 91.1),
    (6064, 952): (0.50, 2.37, 79.1),
}
_QWEN3_32B = {
    (583, 167): (0.07, 0.14, 53.5),
    (583, 303): (0.09, 0.15, 39.6),
    (583, 952): (0.20, 0.24, 18.6),
    (2773, 167): (0.08, 0.44, 81.2),
    (2773, 303): (0.12, 0.47, 75.1),
    (2773, 952): (0.24, 0.56, 56.9),
    (6064, 167): (0.11, 0.96, 88.8),
    (6064, 303): (0.15, 0.98, 84.3),
    (6064, 952): (0.31, 1.09, 71.4),
}
_OF_SHAPE = {"7b": ("Qwen3-8B", _QWEN3_8B), "8b": ("Qwen3-8B", _QWEN3_8B), "32b": ("Qwen3-32B", _QWEN3_32B)}


def beside_paper(shape: str | None, context: int, query: int, saving: float) -> dict[str, Any] | None:
    """Return the paper's cell for a model of this class and these lengths, and whether `saving` is larger; or None."""
    model, cells = _OF_SHAPE.get(shape or "", ("", {}))
    if (context, query) not in cells:
        return None
    kv_s, prompt_s, percent = cells[context, query]
    return {
        "model": model,
        "kv_ms": round(kv_s * 1000),
        "prompt_ms": round(prompt_s * 1000),
        "saving": round(percent / 100, 3),
        "larger_here": saving > percent / 100,
    }
