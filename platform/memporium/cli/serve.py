"""`memporium serve`: run the services."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape

from memporium.cli._output import errors


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(serve)


def serve(
    services: Annotated[list[str] | None, typer.Argument(help="Services to run; none: all seven.")] = None,
    listen: Annotated[str, typer.Option(help="host:port; default: MEMPORIUM_LISTEN or 127.0.0.1:7600.")] = "",
    data_dir: Annotated[str, typer.Option(help="Folder of the embedded engines; default: MEMPORIUM_DATA_DIR.")] = "",
) -> None:
    """Run all services, or the named ones, in this process; everything else comes from MEMPORIUM_* settings."""
    from memporium_platform.settings import SERVICES, PlatformSettings
    from memporium_services.cli import serve as run

    unknown = [name for name in services or [] if name not in SERVICES]
    if unknown:
        raise typer.BadParameter(f"no such service: {', '.join(unknown)}; there are {', '.join(SERVICES)}")
    given = {key: value for key, value in (("listen", listen), ("data_dir", data_dir)) if value}
    try:
        settings = PlatformSettings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        for problem in error.errors():
            errors.print(f"[red]wrong setting[/red] {escape(str(problem['loc'][-1]))}: {escape(problem['msg'])}")
        raise typer.Exit(code=2) from None
    try:
        run(services or SERVICES, settings=settings)
    except OSError as error:
        errors.print(f"[red]cannot serve[/red] {escape(str(error))}")
        raise typer.Exit(code=1) from None
