"""How Python's garbage collector is set for a server that keeps much and makes few cycles.

Nearly all garbage goes as soon as nothing names it; the collector is there for cycles alone. But each pass over the
oldest generation looks at all that lives, with every thread standing still: 0.17 s with what start-up makes, which was
the tail of the slowest calls. So what start-up made is put aside for good, and the youngest generation may hold more.
"""

from __future__ import annotations

import gc

# Objects that hold others, made and not yet freed, before a pass over the youngest: one call makes some thousands.
YOUNGEST = 20_000


def settle() -> None:
    """Put what there is aside and look less often; call it once everything has started."""
    gc.collect()
    gc.freeze()
    _, middle, oldest = gc.get_threshold()
    gc.set_threshold(YOUNGEST, middle, oldest)
