from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.console import environment, missing_line, run_console

DOCUMENT = Path(__file__).parents[3] / "docs" / "guides.md"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(shutil.which("openssl") is None, reason="the guide to certificates needs openssl")
def test_every_command_of_the_guides_does_what_it_shows(tmp_path):
    commands = run_console(
        DOCUMENT.read_text(encoding="utf-8"),
        folder=tmp_path,
        environment={**environment(), "MEMPORIUM_INFERENCE_DEFAULT_GENERATOR": "tiny-random"},
        timeout_s=1700,
    )
    assert len(commands) > 80
    for command in commands:
        assert command.status == 0, f"{command.text}\n{command.output}"
        assert not missing_line(command), f"{command.text}\nlacks: {missing_line(command)}\n{command.output}"
