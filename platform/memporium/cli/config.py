"""`memporium config ...`: what the settings say."""

from __future__ import annotations

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from memporium.cli._context import session
from memporium.cli._output import console, errors, print_json

app = typer.Typer(name="config", help="Settings.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Settings, read from the environment."""


@app.command()
def check(context: typer.Context) -> None:
    """Check the settings and print those in force, secrets masked; exit 1 where one is wrong."""
    from memporium_services.effective_settings import effective_settings

    try:
        values = effective_settings()
    except ValidationError as error:
        for problem in error.errors():
            field = ".".join(str(part) for part in problem["loc"])
            errors.print(f"[red]wrong[/red] {escape(field)}: {escape(problem['msg'])}")
        raise typer.Exit(code=1) from None
    if session(context).as_json:
        print_json(values)
        return
    table = Table("setting", "value")
    for key, value in values.items():
        table.add_row(key, value)
    console.print(table)
