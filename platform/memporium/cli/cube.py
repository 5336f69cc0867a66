"""`memporium cube ...`: single memories, their versions and their life."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from memporium.cli._context import session
from memporium.cli._moment import moment
from memporium.cli._output import line, show, show_all
from memporium.cli._verbs import add_verbs
from memporium.cli.forget import tell_what_stays
from memporium.cube.v1 import cube_pb2
from memporium.vault.v1 import cubes_pb2, vault_service_pb2

app = typer.Typer(name="cube", help="Cubes: single memories.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Full name of the cube.")]
Vault = Annotated[str, typer.Argument(help="Vault: its id in your organisation, or its full name.")]
AsOf = Annotated[str, typer.Option(help="As of this time, such as 2026-01-31T12:00:00Z.")]
Reason = Annotated[str, typer.Option(help="Goes into the version and the audit log.")]
_VERBS = {
    "activate": "Make a generated memory active.",
    "archive": "Archive a memory: it is kept, and searched no more.",
    "expire": "Let a memory expire.",
    "restore": "Make an archived or expired memory active again.",
    "freeze": "Freeze a memory: nothing may change it.",
    "unfreeze": "Let a frozen memory change again.",
}


@app.command(epilog="Example: memporium cube create notes 'The door code is on the blue card.' --tag office")
def create(
    context: typer.Context,
    vault: Vault,
    text: Annotated[str, typer.Argument(help="What to remember.")],
    title: Annotated[str, typer.Option(help="A short title.")] = "",
    tag: Annotated[list[str], typer.Option(help="Label; may be repeated.")] = [],
) -> None:
    """Remember one text."""
    run = session(context)
    document = cube_pb2.Document(title=title, text=text)
    cube = cube_pb2.Cube(
        descriptive=cube_pb2.Descriptive(title=title, tags=tag, origin=cube_pb2.ORIGIN_USER_INPUT),
        payload=cube_pb2.Payload(plaintext=cube_pb2.Plaintext(document=document)),
    )
    response = run.client.vault.create_cube(parent=run.absolute(vault, "vaults"), cube=cube)
    show_all([response.cube], ["name", "descriptive.title", "governance.state"], as_json=run.as_json)


@app.command(epilog="Example: memporium cube get orgs/acme/vaults/notes/cubes/CUBE")
def get(
    context: typer.Context,
    name: Name,
    version: Annotated[int, typer.Option(help="Version; 0: the newest.")] = 0,
    revision: Annotated[int, typer.Option(help="As of this revision of the vault.")] = 0,
    as_of: AsOf = "",
) -> None:
    """Show one cube with its payload."""
    run = session(context)
    request = vault_service_pb2.GetCubeRequest(
        name=name, version=version, read_revision=revision, view=cubes_pb2.CUBE_VIEW_FULL
    )
    if as_of:
        request.read_time.CopyFrom(moment(as_of))
    response = run.client.vault.get_cube(request)
    show(response.cube, as_json=run.as_json)


class Form(StrEnum):
    """Forms of memory."""

    PLAINTEXT = "plaintext"
    ACTIVATION = "activation"
    PARAMETER = "parameter"


@app.command(name="list", epilog="Example: memporium cube list notes --tag office")
def list_(
    context: typer.Context,
    vault: Vault,
    tag: Annotated[list[str], typer.Option(help="Only with all of these labels.")] = [],
    form: Annotated[Form | None, typer.Option(help="Only memory of this form.")] = None,
    limit: Annotated[int, typer.Option(help="Most rows.")] = 50,
    revision: Annotated[int, typer.Option(help="What the vault held at this revision.")] = 0,
    as_of: AsOf = "",
) -> None:
    """List the cubes of a vault, as they are or were."""
    run = session(context)
    request = vault_service_pb2.ListCubesRequest(
        parent=run.absolute(vault, "vaults"), page_size=limit, read_revision=revision
    )
    request.filter.tags_all.extend(tag)
    if form is not None:
        request.filter.forms.append(cube_pb2.MemoryForm.Value(f"MEMORY_FORM_{form.name}"))
    if as_of:
        request.read_time.CopyFrom(moment(as_of))
    response = run.client.vault.list_cubes(request)
    columns = ["name", "descriptive.title", "governance.state", "behavioural.tier", "behavioural.heat"]
    show_all(response.cubes, columns, as_json=run.as_json)


def _change(context: typer.Context, verb: str, name: str, reason: str) -> None:
    run = session(context)
    changed = getattr(run.client.vault, f"{verb}_cube")(name=name, reason=reason).cube
    show_all([changed], ["name", "descriptive.title", "governance.state"], as_json=run.as_json)


add_verbs(app, "cube", _VERBS, _change, example="orgs/acme/vaults/notes/cubes/CUBE")


@app.command(epilog="Example: memporium cube versions orgs/acme/vaults/notes/cubes/CUBE")
def versions(context: typer.Context, name: Name) -> None:
    """List the versions of a cube."""
    run = session(context)
    response = run.client.vault.list_cube_versions(name=name)
    show_all(response.versions, ["version", "change", "author", "reason", "create_time"], as_json=run.as_json)


@app.command(epilog="Example: memporium cube diff orgs/acme/vaults/notes/cubes/CUBE 1 2")
def diff(
    context: typer.Context,
    name: Name,
    old: Annotated[int, typer.Argument(help="From this version.")],
    new: Annotated[int, typer.Argument(help="To this version.")],
) -> None:
    """Show what changed between two versions."""
    run = session(context)
    response = run.client.vault.diff_cube_versions(name=name, from_version=old, to_version=new)
    show_all(response.changes, ["path", "before", "after"], as_json=run.as_json)


@app.command(epilog="Example: memporium cube rollback orgs/acme/vaults/notes/cubes/CUBE 1")
def rollback(
    context: typer.Context,
    name: Name,
    version: Annotated[int, typer.Argument(help="Version whose content becomes the newest again.")],
    reason: Reason = "",
) -> None:
    """Make an older version the newest again, as a new version."""
    run = session(context)
    response = run.client.vault.rollback_cube(name=name, version=version, reason=reason)
    show(response.cube, as_json=run.as_json)


@app.command(epilog="Example: memporium cube forget notes --subject 'Ada Lovelace' --dry-run")
def forget(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(help="Full names of cubes of one vault; or a vault, with an option.")],
    subject: Annotated[
        list[str], typer.Option(help="Everything about this person: owner, entity, persona, speaker; other names too.")
    ] = [],
    mentions: Annotated[bool, typer.Option("--mentions", help="What only mentions the subject goes, too.")] = False,
    source: Annotated[list[str], typer.Option(help="All from this source; may be repeated.")] = [],
    tag: Annotated[list[str], typer.Option(help="Only with all of these labels.")] = [],
    persona: Annotated[list[str], typer.Option(help="All of this role stream; may be repeated.")] = [],
    keep_derived: Annotated[
        bool, typer.Option("--keep-derived", help="Keep what was made from forgotten memories; the receipt names it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Forget nothing; show what would go, and why.")] = False,
    reason: Reason = "",
) -> None:
    """Forget memories for good, and what was made of them in whichever vault. Prints the signed receipt."""
    run = session(context)
    chosen = bool(subject or source or tag or persona)
    vault = run.absolute(names[0], "vaults") if chosen else names[0].rsplit("/cubes/", 1)[0]
    if chosen and (len(names) > 1 or "/cubes/" in names[0]):
        raise typer.BadParameter("give one vault with --subject, --source, --tag or --persona", param_hint="NAMES")
    request = vault_service_pb2.ForgetCubesRequest(parent=vault, reason=reason, dry_run=dry_run)
    request.names.extend([] if chosen else names)
    if subject:
        request.subject.names.extend(subject)
        request.subject.mentions = mentions
    if source or tag or persona:
        request.filter.sources.extend(source)
        request.filter.tags_all.extend(tag)
        request.filter.personas.extend(persona)
    if keep_derived:
        request.derived = cubes_pb2.DERIVED_POLICY_KEEP
    response = run.client.vault.forget_cubes(request)
    if dry_run:
        show_all(response.candidates, ["name", "why", "parent", "refusal"], as_json=run.as_json)
    else:
        show(response.receipt, as_json=run.as_json, title="forgotten")
    if run.as_json:
        return
    tell_what_stays(response.elsewhere if dry_run else response.receipt.elsewhere)
    if response.near_duplicates:
        line(f"nearly the same, and kept: {', '.join(response.near_duplicates)}")
    if response.more:
        line("there are more: say it again")
