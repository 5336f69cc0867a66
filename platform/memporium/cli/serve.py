"""`memporium serve`: run the services."""

from __future__ import annotations

import socket
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape

from memporium.cli._output import errors

_CONNECT_S = 1.0


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(epilog="Example: memporium serve --data-dir ./memporium-data")(serve)


def serve(
    services: Annotated[list[str] | None, typer.Argument(help="Services to run; none: all seven.")] = None,
    listen: Annotated[str, typer.Option(help="host:port; default: MEMPORIUM_LISTEN or 127.0.0.1:7600.")] = "",
    data_dir: Annotated[str, typer.Option(help="Folder of the embedded engines; default: MEMPORIUM_DATA_DIR.")] = "",
) -> None:
    """Run all services, or the named ones, in this process; everything else comes from MEMPORIUM_* settings."""
    from sqlalchemy.exc import SQLAlchemyError

    from memporium_platform.errors import PlatformError
    from memporium_platform.settings import SERVICES, PlatformSettings
    from memporium_platform.storage.sql.migrate import SchemaError
    from memporium_services.checkup_forms import wrong_forms
    from memporium_services.cli import serve as run
    from memporium_services.data_lock import DataInUseError

    unknown = [name for name in services or [] if name not in SERVICES]
    if unknown:
        raise typer.BadParameter(f"no such service: {', '.join(unknown)}; there are {', '.join(SERVICES)}")
    given = {key: value for key, value in (("listen", listen), ("data_dir", data_dir)) if value}
    try:
        settings = PlatformSettings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        for problem in error.errors():
            name = f"MEMPORIUM_{problem['loc'][0]}".upper()
            _say(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
        raise typer.Exit(code=2) from None
    wrong = list(wrong_forms(settings))
    for finding in wrong:
        _say(f"{finding.what}: {finding.detail}: {finding.advice}")
    if wrong:
        raise typer.Exit(code=2)
    if _is_taken(settings.listen):
        _say(f"something listens on {settings.listen} already; choose another --listen")
        raise typer.Exit(code=1)
    try:
        run(services or SERVICES, settings=settings)
    except (OSError, RuntimeError, ValueError, PlatformError, DataInUseError, SchemaError, SQLAlchemyError) as error:
        _say(f"{_first_line(error)} (memporium doctor looks for the cause)")
        raise typer.Exit(code=1) from None


def _is_taken(listen: str) -> bool:
    host, _, port = listen.rpartition(":")
    if port == "0":
        return False
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError:
        return False
    return True


def _say(text: str) -> None:
    errors.print(f"[red]cannot serve[/red] {escape(text)}", soft_wrap=True)


def _first_line(error: Exception) -> str:
    # A driver's own error tells more than SQLAlchemy's, which quotes the statement.
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().split("\n", 1)[0] or type(cause).__name__
