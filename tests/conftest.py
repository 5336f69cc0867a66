"""What holds for every test."""

from __future__ import annotations

import os

import pytest
from hypothesis import is_hypothesis_test

from support import exploring

# Tests start servers from a process that speaks gRPC: its handlers of forks would run in the child before it becomes the
# server, and now and then one never does.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

exploring.load()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Explore with property tests, where that was asked for."""
    tests = {item.function for item in items if isinstance(item, pytest.Function)}
    for test in tests:
        if is_hypothesis_test(test):
            exploring.extend(test)
