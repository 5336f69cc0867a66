"""Matrix products on a CPU by the library that is fastest there.

torch multiplies float32 matrices by MKL, which runs with half the width of the vector units on processors that Intel
did not make; oneDNN, which torch carries as well, uses all of it: twice as fast for prompts, a quarter for single
tokens, measured on an AMD EPYC (`tests/benchmarks/bench_kv.py`). Both compute in float32.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

_CPUINFO = Path("/proc/cpuinfo")
_INTEL = "GenuineIntel"


@cache
def onednn_is_faster() -> bool:
    """Return whether this is a processor where oneDNN's products are faster, and torch has them."""
    if not torch.backends.mkldnn.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    vendors = {line for line in _lines() if line.startswith("vendor_id")}
    if not vendors or any(_INTEL in line for line in vendors):
        return False
    try:
        # An operation of torch that its compiler uses: not promised to stay, so it is tried out.
        one, other = torch.arange(6.0).reshape(2, 3), torch.arange(12.0).reshape(4, 3)
        found = _onednn(one, other)
        return bool(torch.allclose(found, one @ other.T))
    except (AttributeError, RuntimeError, TypeError):
        return False


def product(rows: Any, others: Any) -> Any:
    """Return `rows @ others.T` for float32 matrices on the CPU, (n, k) and (m, k)."""
    if onednn_is_faster():
        return _onednn(rows, others)
    return rows @ others.T


class QuickLinear(torch.nn.Linear):  # type: ignore[misc]
    """A linear layer by oneDNN; where gradients are asked for, as ever."""

    def forward(self, input: Any) -> Any:  # noqa: A002 - its name in torch
        """Return the layer's output."""
        if torch.is_grad_enabled() or input.numel() == 0:
            return functional.linear(input, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")  # noqa: SLF001


def hasten(model: Any) -> int:
    """Make a model's linear layers use the faster library where that can be; return how many do."""
    if not onednn_is_faster() or model.device.type != "cpu" or model.dtype != torch.float32:
        return 0
    found = [module for module in model.modules() if type(module) is torch.nn.Linear]
    for module in found:
        # The weights stay where they are, and adapters find a linear layer as before.
        module.__class__ = QuickLinear
    return len(found)


def _onednn(rows: Any, others: Any) -> Any:
    return torch.ops.mkldnn._linear_pointwise(rows, others, None, "none", [], "")  # noqa: SLF001 - see above


def _lines() -> list[str]:
    try:
        return _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
