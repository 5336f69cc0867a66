"""`memporium config ...`: what the settings say."""

from __future__ import annotations

import typer

from memporium.cli._context import session
from memporium.cli._output import print_json, show_pairs
from memporium.cli.doctor import show_findings

app = typer.Typer(name="config", help="Settings, read from the environment (MEMPORIUM_*).", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Settings, read from the environment (MEMPORIUM_*)."""


@app.command(epilog="Example: memporium config check")
def check(context: typer.Context) -> None:
    """Check the settings and print those in force, secrets masked; exit 1 where one is wrong."""
    from memporium_services.checkup import wrong
    from memporium_services.effective_settings import effective_settings

    run = session(context)
    problems = wrong()
    if problems:
        if run.as_json:
            print_json({"wrong": [problem.as_dict() for problem in problems]})
        else:
            show_findings(problems)
        raise typer.Exit(code=1)
    values = effective_settings()
    if run.as_json:
        print_json(values)
    else:
        show_pairs((name, value or "-") for name, value in values.items())
