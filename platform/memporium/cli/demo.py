"""`memporium demo`: the whole story on a fresh platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from memporium.cli import _output


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(epilog="Example: memporium demo --data ./docs")(demo)


def demo(
    data: Annotated[
        Path | None, typer.Option(exists=True, help="Folder of Markdown or text, JSON lines, or a dialogue file.")
    ] = None,
    model: Annotated[str, typer.Option(help="Generator; empty: the default.")] = "",
    embedder: Annotated[str, typer.Option(help="Embedding model; empty: the default.")] = "",
    keep: Annotated[Path | None, typer.Option(help="Empty folder to keep data and log in.")] = None,
    two_platforms: Annotated[
        bool, typer.Option("--two-platforms", help="Each organisation on a platform of its own, over mutual TLS.")
    ] = False,
) -> None:
    """Two organisations share a licensed memory, end to end, through the public API, on a fresh platform or on two."""
    from memporium.demo import two_platforms as two
    from memporium.demo.stage import Stage, UnexpectedError
    from memporium.demo.story import run

    if two_platforms and (data is not None or model):
        raise typer.BadParameter("tells its story without data and models of yours", param_hint="--two-platforms")
    try:
        if two_platforms:
            two.run(Stage(), embedder=embedder, keep=keep)
        else:
            run(Stage(), data=data, model=model, embedder=embedder, keep=keep)
    except (UnexpectedError, RuntimeError, ValueError) as error:
        _output.errors.print(f"[red]the story broke off[/red] {escape(str(error))}")
        raise typer.Exit(code=1) from None
