"""The command line: `memporium`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from memporium.cli import _output
from memporium.cli._context import Session, default_key
from memporium.client import MemporiumError

app = typer.Typer(
    name="memporium",
    help="Keep, govern, share and license the memories of language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

# Status 1: the platform refused; 2: the command line is wrong; 130: interrupted.
_REFUSED, _INTERRUPTED = 1, 130


@app.callback()
def root(
    context: typer.Context,
    address: Annotated[
        str, typer.Option(envvar="MEMPORIUM_ADDRESS", help="host:port of the platform.")
    ] = "127.0.0.1:7600",
    key: Annotated[
        str, typer.Option(envvar="MEMPORIUM_API_KEY", help="API key or JWT; default: the operator's key here.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    ca_file: Annotated[Path | None, typer.Option(help="Certificates to trust (PEM); switches TLS on.")] = None,
    purpose: Annotated[str, typer.Option(help="Purpose to declare with every call.")] = "",
) -> None:
    """Remember the options that stand before the command."""
    context.obj = Session(address=address, key=key or default_key(), as_json=as_json, ca_file=ca_file, purpose=purpose)


def _add_commands() -> None:
    from memporium.cli import (  # each registers its own group
        audit,
        bundle,
        config,
        cube,
        demo,
        doctor,
        key,
        listing,
        negotiation,
        org,
        recall,
        serve,
        subscribe,
        vault,
    )

    for module in (org, key, vault, cube, listing, negotiation, subscribe, bundle, audit, config):
        app.add_typer(module.app)
    for module in (recall, serve, doctor, demo):
        module.register(app)


def main() -> None:
    """Run the command line; a refusal is one line and exit status 1, never a stack trace."""
    _add_commands()
    try:
        app()
    except MemporiumError as error:
        _output.errors.print(f"[red]refused[/red] {escape(str(error))}")
        for field, description in error.fields.items():
            _output.errors.print(f"  {escape(field)}: {escape(description)}")
        raise SystemExit(_REFUSED) from None
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
