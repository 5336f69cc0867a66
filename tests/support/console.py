"""Runs the `console` blocks of a document in one shell and holds their output against what the document shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "--end-of-command--"
_ELLIPSIS = "..."


def environment() -> dict[str, str]:
    """Return the environment for a document: a free port, and an embedder that is instant and on every machine."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MEMPORIUM_")}
    listen = f"127.0.0.1:{free_port()}"
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "COLUMNS": "80",
        "MEMPORIUM_LISTEN": listen,
        "MEMPORIUM_ADDRESS": listen,
        "MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": "hashing-384",
    }


@dataclass
class Command:
    """A command as the document has it, the output that it shows, and the output that there was."""

    text: str
    expected: list[str] = field(default_factory=list)
    output: str = ""
    status: int = -1


def commands_in(document: str) -> list[Command]:
    """Return the commands of every `console` block: lines from `$ `, continued by `> `."""
    found: list[Command] = []
    for block in _BLOCK.findall(document):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:]))
            elif line == ">" or line.startswith("> "):
                found[-1].text += "\n" + line[2:]
            else:
                found[-1].expected.append(line)
    return found


def run_console(document: str, *, folder: Path, environment: Mapping[str, str], timeout_s: float) -> list[Command]:
    """Run every command of a document in one shell in a folder; background jobs end with it."""
    commands = commands_in(document)
    script = ["exec 2>&1", "trap 'kill $(jobs -p) 2> /dev/null; wait' EXIT"]
    for command in commands:
        script += [command.text, f"status=$?; echo; echo '{_END}' $status"]
    path = folder / ".console.sh"
    path.write_text("\n".join(script))
    done = subprocess.run(
        ["bash", str(path)],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    parts = re.split(rf"^{_END} (\d+)\n", done.stdout, flags=re.MULTILINE)
    for command, output, status in zip(commands, parts[::2], parts[1::2], strict=False):
        command.output, command.status = output, int(status)
    return commands


def missing_line(command: Command) -> str:
    """Return the first shown line that the output lacks, in order, or ""; `...` stands for anything."""
    lines = iter(command.output.splitlines())
    for shown in command.expected:
        if not shown.strip() or shown.strip() == _ELLIPSIS:
            continue
        pattern = re.compile(".*?".join(re.escape(part.strip()) for part in shown.split(_ELLIPSIS)))
        if not any(pattern.search(line) for line in lines):
            return shown
    return ""
