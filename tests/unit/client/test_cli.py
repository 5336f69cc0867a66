from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest
import typer
from typer.main import get_command

from memporium.cli import add_commands

GROUPS = [one.typer_instance.info.name for one in add_commands().registered_groups]


def run(*arguments, cwd=None, **environment):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MEMPORIUM_")}
    return subprocess.run(
        [sys.executable, "-m", "memporium", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env={**kept, "COLUMNS": "80", **environment},
    )


def commands(command, path=()):
    """Yield every command below the root with its path."""
    for name, child in getattr(command, "commands", {}).items():
        if getattr(child, "commands", None):
            yield from commands(child, (*path, name))
        else:
            yield (*path, name), child


ALL = list(commands(get_command(add_commands())))


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_command_has_help_and_an_example_that_parses(path, command):
    assert command.help, path
    assert command.epilog, path
    assert command.epilog.startswith("Example: memporium ")
    arguments = shlex.split(re.split(r" [|>] ", command.epilog.removeprefix("Example: memporium "))[0])
    assert tuple(arguments[: len(path)]) == path
    given = arguments[len(path) :]
    options = {name for option in command.params for name in option.opts if name.startswith("--")}
    assert {one for one in given if one.startswith("--")} <= options
    required = [one for one in command.params if one.param_type_name == "argument" and one.required]
    values = sum(not one.startswith("--") for one in given)
    assert values >= len(required), "the example leaves out an argument"


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["simulate", "--budget", "9" * 23], "--budget"),
        (["simulate", "--budget", "9" * 5000], "--budget"),
        (["plan", "orgs/a/vaults/notes", "--budget", "9999999999G"], "--budget"),
        (["convert", "orgs/a/vaults/notes", "--stable", "9" * 19 + "w"], "--stable"),
    ],
)
def test_numbers_beyond_measure_are_wrong_use(options, wrong):
    done = run("tier", *options, MEMPORIUM_API_KEY="mpk_x_y")
    assert done.returncode == 2
    assert wrong in done.stderr
    assert "Traceback" not in done.stderr


def test_every_group_explains_itself():
    shown = run("listing", "--help")
    assert shown.returncode == 0, shown.stderr
    assert "publish" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert {"org", "vault", "listing", "agreement", "issuer", "config"} <= set(GROUPS)


def test_version():
    shown = run("--version")
    assert re.fullmatch(r"memporium \d+\.\d+\.\d+\S*\n", shown.stdout), shown.stdout


def test_what_does_not_answer_is_said_in_one_line_with_status_3():
    shown = run("--address", "127.0.0.1:1", "vault", "list")
    assert shown.returncode == 3
    assert shown.stderr.startswith("not reached nothing answers at 127.0.0.1:1;")
    assert shown.stderr.count("\n") == 1


def test_json_may_stand_behind_the_command_and_holds_for_errors():
    shown = run("vault", "list", "--json", "--address=127.0.0.1:1")
    assert shown.returncode == 2, "--address stands before the command"
    shown = run("--address=127.0.0.1:1", "vault", "list", "--json")
    assert shown.returncode == 3
    assert json.loads(shown.stderr)["error"]["code"] == "UNAVAILABLE"
    assert shown.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["vault", "create"], "vault_id"),
        (["vualt"], "vualt"),
        (["vault", "create", "x", "--kind", "huge"], "--kind"),
        (["search", "x", "y", "--mode", "guess"], "--mode"),
        (["serve", "coffee"], "coffee"),
        (["--key-file", "absent.key", "vault", "list"], "absent.key"),
        (["--ca-file", "absent.pem", "vault", "list"], "--ca-file"),
        (["vault", "erase", "x/y"], "--yes"),
        (["remember", "x", "absent"], "absent"),
        (["audit", "verify", "absent.log"], "absent.log"),
        (["bundle", "verify", ".", "--trust", "short"], "--trust"),
        (["listing", "templates", "generous"], "generous"),
    ],
)
def test_wrong_use_is_one_line_with_status_2(arguments, says, tmp_path):
    shown = run(*arguments, cwd=tmp_path)
    assert shown.returncode == 2, shown
    assert shown.stderr.startswith("wrong use ")
    assert says in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_no_key_is_overwritten(tmp_path):
    (tmp_path / "acme.key").write_text("precious")
    shown = run("org", "create", "acme", "--save-key", "acme.key", cwd=tmp_path)
    assert shown.returncode == 2
    assert "exists already" in shown.stderr
    assert (tmp_path / "acme.key").read_text() == "precious"


def test_a_closed_pipe_is_no_error(tmp_path):
    script = f"{sys.executable} -m memporium listing templates internal | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert done.stdout.startswith("#")


def test_typer_still_has_the_base_of_its_errors_of_use():
    assert issubclass(typer.BadParameter, Exception)
    from memporium.cli import _failure

    assert _failure.UsageError is not Exception
