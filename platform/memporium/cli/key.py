"""`memporium key ...`: API keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from memporium.cli._context import session
from memporium.cli._output import show, show_all
from memporium.governance.v1 import principal_pb2

app = typer.Typer(name="key", help="API keys.", no_args_is_help=True)

Principal = Annotated[str, typer.Argument(help="Principal: its id in your organisation, or its full name.")]


@app.command()
def create(
    context: typer.Context,
    principal: Principal,
    days: Annotated[int, typer.Option(help="Days that the key is good for; 0: until it is revoked.")] = 0,
) -> None:
    """Make an API key; the secret is shown only now."""
    run = session(context)
    key = principal_pb2.ApiKey()
    if days:
        key.expire_time.FromDatetime(datetime.now(UTC) + timedelta(days=days))
    response = run.client.governance.create_api_key(parent=run.absolute(principal, "principals"), api_key=key)
    show(response, as_json=run.as_json, title="created")


@app.command(name="list")
def list_(context: typer.Context, principal: Principal) -> None:
    """List a principal's API keys."""
    run = session(context)
    response = run.client.governance.list_api_keys(parent=run.absolute(principal, "principals"), page_size=1000)
    show_all(response.api_keys, ["name", "create_time", "expire_time", "revoke_time"], as_json=run.as_json)


@app.command()
def revoke(context: typer.Context, name: Annotated[str, typer.Argument(help="Full name of the key.")]) -> None:
    """Revoke an API key, on every service within a second."""
    run = session(context)
    show(run.client.governance.revoke_api_key(name=name), as_json=run.as_json, title="revoked")
