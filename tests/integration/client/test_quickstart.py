from __future__ import annotations

from pathlib import Path

from support.console import Command, commands_in, environment, missing_line, run_console

DOCUMENT = Path(__file__).parents[3] / "docs" / "quickstart.md"


def test_every_command_of_the_quickstart_does_what_it_shows(tmp_path):
    commands = run_console(
        DOCUMENT.read_text(encoding="utf-8"), folder=tmp_path, environment=environment(), timeout_s=500
    )
    assert len(commands) > 20
    for command in commands:
        assert command.status == 0, f"{command.text}\n{command.output}"
        assert not missing_line(command), f"{command.text}\nlacks: {missing_line(command)}\n{command.output}"


def test_a_document_that_shows_something_else_is_caught():
    (command,) = commands_in("```console\n$ echo one\nfirst ... third\nfourth\n```\n")
    command.output = "first second third\nfourth\n"
    assert missing_line(command) == ""
    command.output = "fourth\nfirst second third\n"
    assert missing_line(command) == "fourth"
    assert missing_line(Command("x", ["a"], "b")) == "a"
