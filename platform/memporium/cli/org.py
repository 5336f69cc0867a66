"""`memporium org ...`: organisations, who is in them, and what they may do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from memporium.cli._context import check_new, keep_secret, session
from memporium.cli._failure import NOT_WRITTEN
from memporium.cli._output import as_dict, line, print_json, show, show_all, show_pairs
from memporium.cli._pages import all_pages
from memporium.governance.v1 import policy_pb2, principal_pb2

app = typer.Typer(name="org", help="Organisations, principals, roles.", no_args_is_help=True)

Org = Annotated[str, typer.Option(help="Organisation; default: your own.")]
SaveKey = Annotated[
    Path | None, typer.Option(help="New file to write the secret into, for --key-file, instead of printing it.")
]
_KINDS = {"user": principal_pb2.PRINCIPAL_KIND_USER, "workload": principal_pb2.PRINCIPAL_KIND_WORKLOAD}


@app.command(epilog="Example: memporium org create acme --save-key acme.key")
def create(
    context: typer.Context,
    org_id: Annotated[str, typer.Argument(help="Id: a letter, then letters, digits and '-'.")],
    display_name: Annotated[str, typer.Option(help="Name for people.")] = "",
    save_key: SaveKey = None,
) -> None:
    """Create an organisation with an owner (for operators); the owner's API key is shown only now."""
    run = session(context)
    check_new(save_key)
    response = run.client.governance.create_organisation(organisation_id=org_id, display_name=display_name)
    kept = keep_secret(save_key, response.owner_secret)
    if kept:
        response.ClearField("owner_secret")
    if run.as_json:
        print_json(as_dict(response))
    else:
        line(f"[green]created[/green] {response.organisation.name}")
        where = ("owner's key", f"in {save_key}") if kept else ("owner's key, shown only now", response.owner_secret)
        show_pairs([("owner", response.owner.name), where])
    if save_key is not None and not kept:
        raise typer.Exit(NOT_WRITTEN)


@app.command(name="list", epilog="Example: memporium org list")
def list_(context: typer.Context) -> None:
    """List the organisations of the platform (for operators)."""
    run = session(context)
    found = all_pages(run.client.governance.list_organisations, "organisations")
    show_all(found, ["name", "display_name", "state", "create_time"], as_json=run.as_json)


@app.command(epilog="Example: memporium org whoami")
def whoami(context: typer.Context) -> None:
    """Show who you are and which roles you hold."""
    run = session(context)
    show(run.client.governance.who_am_i(), as_json=run.as_json)


@app.command(epilog="Example: memporium org keys --org acme")
def keys(context: typer.Context, org: Org = "") -> None:
    """Show an organisation's public keys."""
    run = session(context)
    show(run.client.governance.get_organisation_keys(name=run.parent(org)).keys, as_json=run.as_json)


@app.command(epilog="Example: memporium org member desk-agent --kind workload --role agent")
def member(
    context: typer.Context,
    principal_id: Annotated[str, typer.Argument(help="Id of the new principal.")],
    kind: Annotated[str, typer.Option(help="user or workload.")] = "user",
    role: Annotated[list[str], typer.Option(help="Role to hold, see `org roles`; may be repeated.")] = [],
    org: Org = "",
) -> None:
    """Add a principal to an organisation."""
    run = session(context)
    if kind not in _KINDS:
        raise typer.BadParameter("must be user or workload", param_hint="--kind")
    response = run.client.governance.create_principal(
        parent=run.parent(org),
        principal_id=principal_id,
        principal=principal_pb2.Principal(kind=_KINDS[kind]),
        roles=role,
    )
    show(response.principal, as_json=run.as_json, title="added")


@app.command(epilog="Example: memporium org disable ada")
def disable(
    context: typer.Context, principal: Annotated[str, typer.Argument(help="Principal: its id, or its full name.")]
) -> None:
    """Refuse every credential of a principal from now on."""
    run = session(context)
    response = run.client.governance.disable_principal(name=run.absolute(principal, "principals"))
    show(response.principal, as_json=run.as_json, title="disabled")


@app.command(epilog="Example: memporium org enable ada")
def enable(
    context: typer.Context, principal: Annotated[str, typer.Argument(help="Principal: its id, or its full name.")]
) -> None:
    """Accept the credentials of a disabled principal again."""
    run = session(context)
    response = run.client.governance.enable_principal(name=run.absolute(principal, "principals"))
    show(response.principal, as_json=run.as_json, title="enabled")


@app.command(epilog="Example: memporium org members")
def members(context: typer.Context, org: Org = "") -> None:
    """List the principals of an organisation."""
    run = session(context)
    found = all_pages(run.client.governance.list_principals, "principals", parent=run.parent(org))
    show_all(found, ["name", "kind", "disabled", "create_time"], as_json=run.as_json)


@app.command(epilog="Example: memporium org roles")
def roles(context: typer.Context, org: Org = "") -> None:
    """List the roles and what they allow."""
    run = session(context)
    found = all_pages(run.client.governance.list_roles, "roles", parent=run.parent(org))
    show_all(found, ["role", "description", "inherits", "actions"], as_json=run.as_json)


@app.command(epilog="Example: memporium org grant ada curator")
def grant(
    context: typer.Context,
    principal: Annotated[str, typer.Argument(help="Principal: its id, or its full name.")],
    role: Annotated[str, typer.Argument(help="Role to hold.")],
    org: Org = "",
) -> None:
    """Give a principal a role."""
    run = session(context)
    binding = policy_pb2.RoleBinding(member=run.absolute(principal, "principals"), role=role)
    response = run.client.governance.create_role_binding(parent=run.parent(org), role_binding=binding)
    show(response, as_json=run.as_json, title="granted")


@app.command(epilog="Example: memporium org bindings")
def bindings(context: typer.Context, org: Org = "") -> None:
    """List who holds which role."""
    run = session(context)
    found = all_pages(run.client.governance.list_role_bindings, "role_bindings", parent=run.parent(org))
    show_all(found, ["member", "role", "name"], as_json=run.as_json)


@app.command(epilog="Example: memporium org ungrant orgs/acme/roleBindings/BINDING")
def ungrant(
    context: typer.Context, binding: Annotated[str, typer.Argument(help="Full name, from `org bindings`.")]
) -> None:
    """Take a role away."""
    run = session(context)
    show(run.client.governance.delete_role_binding(name=binding), as_json=run.as_json, title="taken away")


@app.command(epilog="Example: memporium org check vault.cubes.get orgs/acme/vaults/notes --principal desk-agent")
def check(
    context: typer.Context,
    action: Annotated[str, typer.Argument(help="Action, for instance vault.cubes.get.")],
    resource: Annotated[str, typer.Argument(help="Full name of the resource.")] = "",
    principal: Annotated[str, typer.Option(help="Principal; default: yourself.")] = "",
) -> None:
    """Say whether an action would be allowed, and by which rule."""
    run = session(context)
    name = run.absolute(principal, "principals") if principal else ""
    response = run.client.governance.check_access(
        parent=run.org, principal=name, action=action, resource=resource, explain=True
    )
    verdict = "[green]allowed[/green]" if response.allowed else "[yellow]not allowed[/yellow]"
    if not run.as_json:
        line(f"{verdict} by {escape(response.rule)}")
    show(response, as_json=run.as_json)
