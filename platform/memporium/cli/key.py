"""`memporium key ...`: API keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from memporium.cli._context import check_new, keep_secret, session
from memporium.cli._failure import NOT_WRITTEN
from memporium.cli._output import as_dict, line, print_json, show, show_all, show_pairs
from memporium.cli._pages import all_pages
from memporium.governance.v1 import principal_pb2

app = typer.Typer(name="key", help="API keys.", no_args_is_help=True)

SaveKey = Annotated[
    Path | None, typer.Option(help="New file to write the secret into, for --key-file, instead of printing it.")
]
Principal = Annotated[str, typer.Argument(help="Principal: its id in your organisation, or its full name.")]


@app.command(epilog="Example: memporium key create desk-agent --days 30 --save-key desk-agent.key")
def create(
    context: typer.Context,
    principal: Principal,
    days: Annotated[int, typer.Option(help="Days that the key is good for; 0: until it is revoked.", min=0)] = 0,
    save_key: SaveKey = None,
) -> None:
    """Make an API key; the secret is shown only now."""
    run = session(context)
    check_new(save_key)
    key = principal_pb2.ApiKey()
    if days:
        key.expire_time.FromDatetime(datetime.now(UTC) + timedelta(days=days))
    response = run.client.governance.create_api_key(parent=run.absolute(principal, "principals"), api_key=key)
    kept = keep_secret(save_key, response.secret)
    if kept:
        response.ClearField("secret")
    if run.as_json:
        print_json(as_dict(response))
    else:
        line(f"[green]created[/green] {response.api_key.name}")
        show_pairs([("secret", f"in {save_key}") if kept else ("secret, shown only now", response.secret)])
    if save_key is not None and not kept:
        raise typer.Exit(NOT_WRITTEN)


@app.command(name="list", epilog="Example: memporium key list desk-agent")
def list_(context: typer.Context, principal: Principal) -> None:
    """List a principal's API keys."""
    run = session(context)
    found = all_pages(run.client.governance.list_api_keys, "api_keys", parent=run.absolute(principal, "principals"))
    show_all(found, ["name", "create_time", "expire_time", "revoke_time"], as_json=run.as_json)


@app.command(epilog="Example: memporium key revoke orgs/acme/principals/desk-agent/keys/KEY")
def revoke(context: typer.Context, name: Annotated[str, typer.Argument(help="Full name of the key.")]) -> None:
    """Revoke an API key, on every service within a second."""
    run = session(context)
    show(run.client.governance.revoke_api_key(name=name), as_json=run.as_json, title="revoked")
