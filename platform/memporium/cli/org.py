"""`memporium org ...`: organisations, who is in them, and what they may do."""

from __future__ import annotations

from typing import Annotated

import typer

from memporium.cli._context import session
from memporium.cli._output import show, show_all
from memporium.governance.v1 import policy_pb2, principal_pb2

app = typer.Typer(name="org", help="Organisations, principals, roles.", no_args_is_help=True)

Org = Annotated[str, typer.Option(help="Organisation; default: your own.")]
_KINDS = {"user": principal_pb2.PRINCIPAL_KIND_USER, "workload": principal_pb2.PRINCIPAL_KIND_WORKLOAD}


@app.command()
def create(
    context: typer.Context,
    org_id: Annotated[str, typer.Argument(help="Id: a letter, then letters, digits and '-'.")],
    display_name: Annotated[str, typer.Option(help="Name for people.")] = "",
) -> None:
    """Create an organisation with an owner; prints the owner's API key, which is shown only now."""
    run = session(context)
    response = run.client.governance.create_organisation(organisation_id=org_id, display_name=display_name)
    show(response, as_json=run.as_json, title="created")


@app.command(name="list")
def list_(context: typer.Context) -> None:
    """List the organisations of the platform (for operators)."""
    run = session(context)
    response = run.client.governance.list_organisations(page_size=1000)
    show_all(response.organisations, ["name", "display_name", "state", "create_time"], as_json=run.as_json)


@app.command()
def whoami(context: typer.Context) -> None:
    """Show who you are and which roles you hold."""
    run = session(context)
    show(run.client.governance.who_am_i(), as_json=run.as_json)


@app.command()
def keys(context: typer.Context, org: Org = "") -> None:
    """Show an organisation's public keys."""
    run = session(context)
    show(run.client.governance.get_organisation_keys(name=run.parent(org)).keys, as_json=run.as_json)


@app.command()
def member(
    context: typer.Context,
    principal_id: Annotated[str, typer.Argument(help="Id of the new principal.")],
    kind: Annotated[str, typer.Option(help="user or workload.")] = "user",
    role: Annotated[list[str], typer.Option(help="Role to hold; may be repeated.")] = [],
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


@app.command()
def members(context: typer.Context, org: Org = "") -> None:
    """List the principals of an organisation."""
    run = session(context)
    response = run.client.governance.list_principals(parent=run.parent(org), page_size=1000)
    show_all(response.principals, ["name", "kind", "disabled", "create_time"], as_json=run.as_json)


@app.command()
def roles(context: typer.Context, org: Org = "") -> None:
    """List the roles and what they allow."""
    run = session(context)
    response = run.client.governance.list_roles(parent=run.parent(org), page_size=1000)
    show_all(response.roles, ["role", "description", "inherits", "actions"], as_json=run.as_json)


@app.command()
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


@app.command()
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
    show(response, as_json=run.as_json)
