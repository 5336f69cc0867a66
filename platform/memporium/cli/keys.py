"""`memporium keys ...`: the keys that seal and sign, of the platform and of organisations."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated

import typer

from memporium.cli._context import session
from memporium.cli._output import line, print_json, show_pairs

app = typer.Typer(name="keys", help="Keys that seal and sign; `key` is for API keys.", no_args_is_help=True)


@app.command(epilog="Example: memporium keys rewrap")
def rewrap(
    context: typer.Context,
    drop_old: Annotated[
        bool,
        typer.Option(help="Second step, once every service was started again: forget the older ones."),
    ] = False,
) -> None:
    """Wrap every organisation's key under a new platform key (on the platform's own machine); may be run again."""
    from memporium_platform.settings import PlatformSettings
    from memporium_services import rewrap as work

    run, settings = session(context), PlatformSettings()
    done = asyncio.run(work.drop_old(settings) if drop_old else work.rewrap(settings))
    if run.as_json:
        print_json({"keys": done.keys, "platform_key": done.platform_key, "dropped": done.dropped})
        return
    line(f"[green]wrapped[/green] {done.keys} keys under the platform key {done.platform_key}")
    if not done.dropped:
        line("[dim]start every service again, then: memporium keys rewrap --drop-old[/dim]")


@app.command(epilog="Example: memporium keys rotate")
def rotate(
    context: typer.Context,
    number: Annotated[int, typer.Option(help="Replace the root of this number; a repeated call does nothing.")] = 0,
) -> None:
    """Give your organisation a new signing key; its bundles are signed again, nothing is encrypted again."""
    run = session(context)
    answer = run.client.transfer.rotate_signing_key(parent=run.org, number=number)
    key = base64.b64encode(answer.signing_public_key).decode()
    values = [("root", str(answer.number)), ("bundles signed again", str(answer.bundles)), ("signing_public_key", key)]
    if answer.second_public_key:
        values.append(("second_public_key", base64.b64encode(answer.second_public_key).decode()))
    if run.as_json:
        print_json(dict(values))
        return
    line("[green]rotated[/green]")
    show_pairs(values)
