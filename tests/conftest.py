"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# Tests start servers from a process that speaks gRPC: its handlers of forks would run in the child before it becomes the
# server, and now and then one never does.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# How long an example takes says what else the machine does, and nothing of the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
