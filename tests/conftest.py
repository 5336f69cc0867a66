"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says what else the machine does, and nothing of the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
