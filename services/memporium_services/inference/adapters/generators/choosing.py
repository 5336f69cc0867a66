"""The next token from its logits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.domain.watermark import BIAS, preferred

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.values import Sampling


class Chooser:
    """Chooses the tokens of one answer."""

    def __init__(self, sampling: Sampling, *, watermark_keys: Sequence[bytes] = (), before: int = 0) -> None:
        """Choose so, after the token `before`; the same seed chooses the same tokens from the same logits."""
        self._sampling = sampling
        self._keys = watermark_keys
        self._before = before
        self._random = torch.Generator().manual_seed(sampling.seed % (1 << 63))

    def choose(self, logits: Any) -> int:
        """Return the next token."""
        for key in self._keys:
            green = torch.from_numpy(preferred(key, self._before, logits.shape[-1])).to(logits.device)
            logits = logits + BIAS * green
        self._before = self._chosen(logits)
        return self._before

    def _chosen(self, logits: Any) -> int:
        if not math.isfinite(logits.max()):
            raise PlatformError(Reason.FAILED_PRECONDITION, "the model gives no numbers with what is mounted")
        if self._sampling.temperature <= 0:
            return int(logits.argmax())
        chances = torch.softmax(logits.float().cpu() / self._sampling.temperature, dim=-1)
        if 0 < self._sampling.top_p < 1:
            ordered, places = torch.sort(chances, descending=True)
            # A token stays while those before it have not yet reached the share; the likeliest always stays.
            ordered[torch.cumsum(ordered, dim=-1) - ordered >= self._sampling.top_p] = 0
            return int(places[torch.multinomial(ordered, 1, generator=self._random)])
        return int(torch.multinomial(chances, 1, generator=self._random))
