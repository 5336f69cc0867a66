"""What memory claims, and how far sources are trusted: `memporium claims`, `cube show`, `vault trust`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from rich.markup import escape

from memporium.cli import cube, vault
from memporium.cli._context import session
from memporium.cli._moment import moment
from memporium.cli._output import as_dict, line, print_json, show
from memporium.cli._recollection import show_status
from memporium.vault.v1 import cubes_pb2, vault_pb2

if TYPE_CHECKING:
    from memporium.reader.v1 import claims_pb2

_ROLES_HINT = "ROLE=TRUST, SOURCE=TRUST or https://...*=TRUST, 0 to 1; TRUST empty: the default again."


def register(app: typer.Typer) -> None:
    """Add the commands to the root and to the groups of cubes and vaults."""
    app.command(epilog="Example: memporium claims notes Ada --attribute home")(claims)
    cube.app.command(epilog="Example: memporium cube show orgs/acme/vaults/notes/cubes/CUBE")(show_cube)
    cube.app.registered_commands[-1].name = "show"
    vault.app.command(epilog="Example: memporium vault trust notes tool=0.3 'https://wiki.example/*=0.8'")(trust)


def claims(
    context: typer.Context,
    vault_name: Annotated[
        str, typer.Argument(metavar="VAULT", help="Vault: its id in your organisation, or its full name.")
    ],
    subject: Annotated[str, typer.Argument(help="Of whom or what, for instance 'Ada' or 'Project Apollo'.")],
    attribute: Annotated[str, typer.Option(help="Only on this, for instance 'home'; empty: all.")] = "",
    as_of: Annotated[str, typer.Option(help="Only what was said before this time (ISO 8601).")] = "",
    true_at: Annotated[str, typer.Option(help="What held at this time (ISO 8601).")] = "",
) -> None:
    """List what memory claims of a subject: what holds, what is superseded, what is in conflict."""
    run = session(context)
    times = {name: moment(given) for name, given in (("known_time", as_of), ("true_time", true_at)) if given}
    parent = run.absolute(vault_name, "vaults")
    response = run.client.reader.list_claims(parent=parent, subject=subject, attribute=attribute, **times)
    if run.as_json:
        print_json(as_dict(response))
        return
    _show_claims(response)


def show_cube(context: typer.Context, name: Annotated[str, typer.Argument(help="Full name of the cube.")]) -> None:
    """Show one cube, and what it claims with what supersedes that, or is superseded by it, or in conflict with it."""
    run = session(context)
    response = run.client.vault.get_cube(name=name, view=cubes_pb2.CUBE_VIEW_FULL)
    listed = run.client.reader.list_claims(parent=name.rsplit("/cubes/", 1)[0], cube=name)
    if run.as_json:
        print_json({"cube": as_dict(response.cube), "claims": as_dict(listed).get("claims", [])})
        return
    show(response.cube, as_json=False)
    _show_claims(listed)


def trust(
    context: typer.Context,
    vault_name: Annotated[
        str, typer.Argument(metavar="VAULT", help="Vault: its id in your organisation, or its full name.")
    ],
    given: Annotated[list[str], typer.Argument(metavar="TRUST", help=_ROLES_HINT)],
) -> None:
    """Set how far a vault trusts sources: of what contradicts each other the less trusted never takes the place."""
    run = session(context)
    name = run.absolute(vault_name, "vaults")
    found = run.client.vault.get_vault(name=name).vault
    for one in given:
        source, _, number = one.rpartition("=")
        try:
            value = float(number) if number else None
        except ValueError:
            raise typer.BadParameter(f"{one}: must be {_ROLES_HINT}", param_hint="TRUST") from None
        if not source:
            raise typer.BadParameter(f"{one}: must be {_ROLES_HINT}", param_hint="TRUST")
        table = found.trust.sources if any(mark in source for mark in ":/*.") else found.trust.roles
        if value is None:
            table.pop(source, None)
        else:
            table[source] = value
    changed = vault_pb2.Vault(name=name, etag=found.etag, trust=found.trust)
    response = run.client.vault.update_vault(vault=changed, update_mask=FieldMask(paths=["trust"]))
    if run.as_json:
        show(response.vault, as_json=True)
        return
    for source, value in sorted([*response.vault.trust.roles.items(), *response.vault.trust.sources.items()]):
        line(f"{escape(source)}  {value:.2f}")


def _show_claims(response: claims_pb2.ListClaimsResponse) -> None:
    for one in response.claims:
        show_status(one.status, of=f"{one.cube} #{one.unit}", trust=one.trust)
    more = ", and there are more" if response.cut else ""
    line(f"[dim]{len(response.claims)} claims{more}[/dim]")
