"""`memporium issuer ...`: trust another system's JSON Web Tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memporium.cli._context import session
from memporium.cli._files import text_of
from memporium.cli._output import show, show_all
from memporium.cli._pages import all_pages
from memporium.governance.v1 import issuer_pb2

app = typer.Typer(name="issuer", help="Issuers of JSON Web Tokens that your organisation trusts.", no_args_is_help=True)

_EXAMPLE = "memporium issuer trust idp --url https://idp.acme.example --audience memporium --jwks jwks.json"


@app.command(epilog=f"Example: {_EXAMPLE}")
def trust(
    context: typer.Context,
    issuer_id: Annotated[str, typer.Argument(help="Id of the issuer here.")],
    url: Annotated[str, typer.Option(help="The `iss` claim of its tokens.")],
    audience: Annotated[str, typer.Option(help="What the `aud` claim must hold.")],
    jwks: Annotated[Path, typer.Option(help="Its public keys, a JSON Web Key Set.", exists=True, dir_okay=False)],
    algorithm: Annotated[list[str], typer.Option(help="Accepted signature algorithm; may be repeated.")] = ["ES256"],
    claim: Annotated[str, typer.Option(help="Claim that holds the principal's id; empty: sub.")] = "",
) -> None:
    """Accept an issuer's tokens as credentials of your principals."""
    run = session(context)
    issuer = issuer_pb2.Issuer(
        issuer=url,
        audience=audience,
        jwks=text_of(jwks, "--jwks"),
        algorithms=algorithm,
        principal_claim=claim,
    )
    response = run.client.governance.create_issuer(parent=run.org, issuer_id=issuer_id, issuer=issuer)
    show(response, as_json=run.as_json, title="trusted")


@app.command(name="list", epilog="Example: memporium issuer list")
def list_(context: typer.Context) -> None:
    """List the issuers that your organisation trusts."""
    run = session(context)
    found = all_pages(run.client.governance.list_issuers, "issuers", parent=run.org)
    show_all(found, ["name", "issuer", "audience", "algorithms"], as_json=run.as_json)


@app.command(epilog="Example: memporium issuer distrust idp")
def distrust(
    context: typer.Context, issuer: Annotated[str, typer.Argument(help="Issuer: its id here, or its full name.")]
) -> None:
    """Trust an issuer no more."""
    run = session(context)
    response = run.client.governance.delete_issuer(name=run.absolute(issuer, "issuers"))
    show(response, as_json=run.as_json, title="trusted no more")
