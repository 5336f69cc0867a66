"""The command line: `memporium`."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from memporium.cli import _failure, _output, _terminal
from memporium.cli._context import Session, find_key
from memporium.client import MemporiumError

app = typer.Typer(
    name="memporium",
    help="Keep, govern, share and license the memories of language models.",
    epilog="Exit status: 0 done; 1 refused, or not verified; 2 wrong use; 3 the platform was not reached; "
    "4 a file or the output was not written.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
_JSON, _NAMES = "--json", "--names"


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"memporium {version('memporium')}\n")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    address: Annotated[
        str, typer.Option(envvar="MEMPORIUM_ADDRESS", help="host:port of the platform.")
    ] = "127.0.0.1:7600",
    key: Annotated[
        str,
        typer.Option(
            envvar="MEMPORIUM_API_KEY",
            help="API key or JWT; default: the operator's of ./memporium-data.",
        ),
    ] = "",
    key_file: Annotated[
        Path | None, typer.Option(envvar="MEMPORIUM_API_KEY_FILE", help="File that holds the API key or JWT.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option(_JSON, help="Print JSON for programs; streams as JSON lines. May stand anywhere.")
    ] = False,
    names: Annotated[
        bool, typer.Option(_NAMES, help="Print the names of resources alone, for shells. May stand anywhere.")
    ] = False,
    ca_file: Annotated[
        Path | None, typer.Option(envvar="MEMPORIUM_CA_FILE", help="Authorities to trust (PEM); switches TLS on.")
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(envvar="MEMPORIUM_CERTIFICATE", help="Own certificate (PEM), where the platform wants one."),
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option(envvar="MEMPORIUM_PRIVATE_KEY", help="Private key (PEM) of that certificate.")
    ] = None,
    purpose: Annotated[str, typer.Option(help="Purpose to declare with every call, for licences that ask.")] = "",
    region: Annotated[str, typer.Option(help="Region to declare with every call, for licences that ask.")] = "",
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Remember the options that stand before the command."""
    for path, hint in ((ca_file, "--ca-file"), (certificate, "--certificate"), (private_key, "--private-key")):
        if path is not None and not os.access(path, os.R_OK):
            raise typer.BadParameter(f"{path} cannot be read", param_hint=hint)
    _output.names_only.set(names)
    context.obj = Session(
        address=address,
        key=find_key(key, key_file),
        as_json=as_json,
        ca_file=ca_file,
        certificate_file=certificate,
        private_key_file=private_key,
        purpose=purpose,
        region=region,
    )


def add_commands() -> typer.Typer:
    """Register every group and command, once; return the root."""
    from memporium.cli import (  # each registers its own group
        agreement,
        ask,
        audit,
        bundle,
        claims,
        config,
        consent,
        cube,
        demo,
        doctor,
        evaluate,
        exchange,
        forget,
        issuer,
        job,
        key,
        keys,
        leak,
        licence,
        listing,
        model,
        negotiation,
        org,
        peer,
        pipeline,
        recall,
        receipt,
        scene,
        schedule,
        serve,
        statement,
        subscribe,
        tier,
        vault,
    )

    if not app.registered_groups:
        groups = (
            org, key, keys, issuer, vault, cube, receipt, listing, negotiation, agreement, licence, consent,
            statement, subscribe,
            bundle, model, tier, job, pipeline, schedule, audit, peer, config, evaluate,
        )  # fmt: skip
        for module in groups:
            app.add_typer(module.app)
        for single in (recall, exchange, ask, forget, claims, scene, leak, serve, doctor, demo):
            single.register(app)
    return app


def main() -> None:
    """Run the command line; a refusal is one line and exit status 1, never a stack trace."""
    try:
        status = _run(sys.argv[1:])
    except OSError:
        # Even why it failed cannot be said.
        status = _failure.NOT_WRITTEN
    raise SystemExit(status or 0)


def _run(given: list[str]) -> int | None:
    """Run a command; return its exit status."""
    as_json = _JSON in given
    _terminal.open_closed()
    _terminal.fit_output(as_json=as_json)
    # People write these behind the command, where they think of them.
    arguments = sorted(given, key=lambda one: one not in {_JSON, _NAMES})
    try:
        arguments = _terminal.readable(arguments)
        status: int | None = add_commands()(args=arguments, prog_name="memporium", standalone_mode=False)
        sys.stdout.flush()
    except MemporiumError as error:
        status = _failure.refused(error, address=_address(arguments), as_json=as_json)
    except _failure.UsageError as error:
        status = _failure.wrong_use(error, as_json=as_json)
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        _terminal.give_up_output()
        status = _failure.REFUSED
    except OSError as error:
        _terminal.give_up_output()
        status = _failure.failed_locally(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        status = _failure.INTERRUPTED
    return status


def _address(arguments: list[str]) -> str:
    for index, one in enumerate(arguments[:-1]):
        if one == "--address":
            return arguments[index + 1]
    named = next((one.partition("=")[2] for one in arguments if one.startswith("--address=")), "")
    return named or os.environ.get("MEMPORIUM_ADDRESS", "127.0.0.1:7600")
