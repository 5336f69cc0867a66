from __future__ import annotations

from importlib.util import find_spec

import pytest
from wheel_check import check


@pytest.mark.slow
@pytest.mark.skipif(find_spec("hatchling") is None, reason="the build back-end is not installed; see make build")
def test_the_wheel_carries_everything_it_needs(tmp_path):
    assert check(tmp_path).startswith("wheel ")
