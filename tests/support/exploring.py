"""How property tests find their examples: the same ones each time in the suite, many new ones with `make explore`.

A run of the suite says something about the change at hand, so it tries what it tried before. What looks for new
counterexamples is a command of its own, which multiplies the examples of every test and draws them at random.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES = int(os.environ.get("MEMPORIUM_EXPLORE") or "0")
"""How many times the examples to try, drawn at random; 0, where it is unset, for the suite's own."""

settings.register_profile("same examples", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, derandomize=False, print_blob=True)


def load() -> None:
    """Have property tests draw as this process was told to."""
    if TIMES:
        settings.load_profile("explore")
        return
    settings.load_profile("same examples")
    # Examples are drawn from the constants of the modules imported so far, too: another constant anywhere, or another
    # order of imports, would be another run. There is no public way to say so.
    nothing = providers.Constants()
    providers._get_local_constants = lambda: nothing


def examples(number: int, *, times: int = TIMES) -> int:
    """Return how many examples a test tries that tries `number` in the suite.

    Tests decorated by `hypothesis.given` need not ask (see `extend`); those that bring settings along when they run do.
    """
    return number * max(times, 1)


def extend(test: Callable[..., object], *, times: int = TIMES) -> None:
    """Multiply the examples of a decorated test, whatever number it sets itself.

    How long examples take to draw says what else the machine does, so that is no reason to fail.
    """
    own = getattr(test, "_hypothesis_internal_use_settings", settings.default)
    healthy = {*own.suppress_health_check, HealthCheck.too_slow}
    # Only undecorated tests take settings in a public way.
    test._hypothesis_internal_use_settings = settings(  # type: ignore[attr-defined]
        own, max_examples=examples(own.max_examples, times=times), suppress_health_check=healthy
    )
