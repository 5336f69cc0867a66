from __future__ import annotations

import re
from pathlib import Path

from support.console import environment, missing_line, run_console

README = Path(__file__).parents[3] / "README.md"
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def as_command(block: re.Match[str]) -> str:
    lines = "".join(f"> {line}\n" for line in block[1].splitlines())
    return f"```console\n$ python - <<'END'\n{lines}> END\n...blue card...\n```"


def test_the_readme_works_word_by_word(tmp_path):
    given = environment()
    text = _PYTHON.sub(as_command, README.read_text(encoding="utf-8"))
    text = text.replace("127.0.0.1:7600", given["MEMPORIUM_ADDRESS"])
    commands = run_console(text, folder=tmp_path, environment=given, timeout_s=500)
    assert len(commands) == 6
    for command in commands:
        assert command.status == 0, f"{command.text}\n{command.output}"
        assert not missing_line(command), f"{command.text}\nlacks: {missing_line(command)}\n{command.output}"
