"""`memporium doctor`: which engines and models are here, and what is missing."""

from __future__ import annotations

import typer
from rich.table import Table

from memporium.cli._context import session
from memporium.cli._output import console, print_json

_MARKS = {True: "[green]found[/green]", False: "[yellow]missing[/yellow]"}


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(doctor)


def doctor(context: typer.Context) -> None:
    """Say which engines and models this installation finds, and what to do about what is missing."""
    from memporium_services.checkup import findings

    found = findings()
    if session(context).as_json:
        print_json([finding.as_dict() for finding in found])
    else:
        table = Table("what", "state", "detail")
        for finding in found:
            table.add_row(finding.what, _MARKS[finding.found], finding.detail)
        console.print(table)
    if any(finding.required and not finding.found for finding in found):
        raise typer.Exit(code=1)
