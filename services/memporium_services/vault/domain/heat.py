"""Heat: how often a cube is used, forgotten exponentially. One use adds 1; half is gone after a half-life."""

from __future__ import annotations

_US = 1_000_000


def cooled(heat: float, *, since_us: int, now_us: int, half_life_s: float) -> float:
    """Return the heat now of a cube that had `heat` at `since_us`; time that runs backwards changes nothing."""
    if half_life_s <= 0:
        return 0.0
    elapsed_s = max(0, now_us - since_us) / _US
    return float(heat * 0.5 ** (elapsed_s / half_life_s))


def used(heat: float, *, since_us: int, now_us: int, half_life_s: float, uses: int = 1) -> float:
    """Return the heat after `uses` uses now."""
    return cooled(heat, since_us=since_us, now_us=now_us, half_life_s=half_life_s) + uses


def is_cold(heat: float, *, last_use_us: int, now_us: int, half_life_s: float, below: float, idle_s: float) -> bool:
    """Return whether a cube may move to the archive tier: cool enough, and idle long enough. `below` 0: never."""
    if below <= 0 or now_us - last_use_us < idle_s * _US:
        return False
    return cooled(heat, since_us=last_use_us, now_us=now_us, half_life_s=half_life_s) < below
