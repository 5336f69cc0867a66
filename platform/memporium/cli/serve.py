"""`memporium serve`: run the services."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(serve)


def serve(
    services: Annotated[list[str] | None, typer.Argument(help="Services to run; none: all seven.")] = None,
    listen: Annotated[str, typer.Option(help="host:port; default: MEMPORIUM_LISTEN or 127.0.0.1:7600.")] = "",
    data_dir: Annotated[str, typer.Option(help="Folder of the embedded engines; default: MEMPORIUM_DATA_DIR.")] = "",
) -> None:
    """Run all services, or the named ones, in this process; everything else comes from MEMPORIUM_* settings."""
    from memporium_services.cli import serve as run

    raise typer.Exit(code=run(services or [], listen=listen, data_dir=data_dir))
