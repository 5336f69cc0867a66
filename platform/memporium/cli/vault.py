"""`memporium vault ...`: create, show, list, mount, erase."""

from __future__ import annotations

from typing import Annotated

import typer

from memporium.cli._context import session
from memporium.cli._moment import moment
from memporium.cli._output import errors, show, show_all
from memporium.cli._pages import all_pages
from memporium.vault.v1 import vault_pb2, vault_service_pb2

app = typer.Typer(name="vault", help="Vaults: where memories lie.", no_args_is_help=True)

_KINDS = {
    "private": vault_pb2.VAULT_KIND_USER_PRIVATE,
    "expert": vault_pb2.VAULT_KIND_EXPERT_KNOWLEDGE,
    "shared": vault_pb2.VAULT_KIND_INDUSTRY_SHARED,
    "pool": vault_pb2.VAULT_KIND_CONTEXTUAL_POOL,
    "cache": vault_pb2.VAULT_KIND_PIPELINE_CACHE,
}
_NEAR = {
    "link": vault_pb2.NEAR_DUPLICATE_POLICY_LINK,
    "merge": vault_pb2.NEAR_DUPLICATE_POLICY_MERGE,
    "ignore": vault_pb2.NEAR_DUPLICATE_POLICY_IGNORE,
}
# Copying a branch between two lines that say how far it is.
_STEP_S = 5
Name = Annotated[str, typer.Argument(help="Vault: its id in your organisation, or its full name.")]


@app.command(epilog="Example: memporium vault create notes")
def create(
    context: typer.Context,
    vault_id: Annotated[str, typer.Argument(help="Id: a letter, then letters, digits and '-'.")],
    kind: Annotated[str, typer.Option(help=f"{', '.join(_KINDS)}.")] = "private",
    description: Annotated[str, typer.Option(help="What it holds.")] = "",
    near_duplicates: Annotated[
        str, typer.Option(help="link: link them; merge: keep only what says something new; ignore.")
    ] = "link",
    embedding_model: Annotated[
        str, typer.Option(help="Embedder of its memories, see `model list`; it stays. Default: the platform's.")
    ] = "",
    org: Annotated[str, typer.Option(help="Organisation; default: your own.")] = "",
) -> None:
    """Create a vault."""
    run = session(context)
    if kind not in _KINDS:
        raise typer.BadParameter(f"must be one of {', '.join(_KINDS)}", param_hint="--kind")
    if near_duplicates not in _NEAR:
        raise typer.BadParameter(f"must be one of {', '.join(_NEAR)}", param_hint="--near-duplicates")
    vault = vault_pb2.Vault(
        kind=_KINDS[kind],
        description=description,
        near_duplicates=_NEAR[near_duplicates],
        embedding_model=embedding_model,
    )
    response = run.client.vault.create_vault(parent=run.parent(org), vault_id=vault_id, vault=vault)
    show(response.vault, as_json=run.as_json, title="created")


@app.command(epilog="Example: memporium vault branch notes what-if --revision 12")
def branch(
    context: typer.Context,
    name: Name,
    vault_id: Annotated[str, typer.Argument(help="Id of the branch: a letter, then letters, digits and '-'.")],
    revision: Annotated[int, typer.Option(help="Begin with what the vault held at this revision; 0: now.")] = 0,
    as_of: Annotated[str, typer.Option(help="Or at this time, such as 2026-01-31T12:00:00Z.")] = "",
) -> None:
    """Branch off from a vault, for what-if: a copy that goes its own way. Erase it when done.

    Nobody sees it before it is whole. Where this is interrupted, the same command again goes on; erase it to end it.
    """
    run = session(context)
    source = run.absolute(name, "vaults")
    request = vault_service_pb2.CreateVaultRequest(
        parent=source.partition("/vaults/")[0], vault_id=vault_id, branch_of=source, branch_revision=revision
    )
    if as_of:
        request.branch_time.CopyFrom(moment(as_of))
    request.branch_wait.FromSeconds(_STEP_S)
    while not (answer := run.client.vault.create_vault(request)).HasField("vault"):
        errors.print(f"{answer.branching.done_cubes} of {answer.branching.total_cubes} memories")
    show(answer.vault, as_json=run.as_json, title="branched")


@app.command(epilog="Example: memporium vault get notes")
def get(context: typer.Context, name: Name) -> None:
    """Show one vault."""
    run = session(context)
    response = run.client.vault.get_vault(name=run.absolute(name, "vaults"))
    show(response.vault, as_json=run.as_json)


@app.command(name="list", epilog="Example: memporium vault list")
def list_(
    context: typer.Context, org: Annotated[str, typer.Option(help="Organisation; default: your own.")] = ""
) -> None:
    """List the vaults of an organisation."""
    run = session(context)
    found = all_pages(run.client.vault.list_vaults, "vaults", parent=run.parent(org))
    show_all(found, ["name", "kind", "usage.cubes", "usage.bytes", "revision"], as_json=run.as_json)


@app.command(epilog="Example: memporium vault erase notes --reason 'project ended' --yes")
def erase(
    context: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="Goes into the receipt.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; nothing can bring the vault back.")] = False,
) -> None:
    """Erase a vault for good: its memories, its index and its key. Prints the signed receipt."""
    run = session(context)
    full = run.absolute(name, "vaults")
    if not yes:
        raise typer.BadParameter(f"say --yes to erase {full}; nothing can bring it back", param_hint="--yes")
    response = run.client.vault.delete_vault(name=full, erase=True, reason=reason)
    show(response.receipt, as_json=run.as_json, title="erased")


@app.command(epilog="Example: memporium vault mount desk guide")
def mount(
    context: typer.Context,
    name: Name,
    pack: Annotated[str, typer.Argument(help="Vault to search along with it.")],
) -> None:
    """Mount a pack: a search of the vault also searches the pack."""
    run = session(context)
    response = run.client.vault.create_mount(
        parent=run.absolute(name, "vaults"), mount=vault_pb2.Mount(vault=run.absolute(pack, "vaults"))
    )
    show(response.mount, as_json=run.as_json, title="mounted")


@app.command(epilog="Example: memporium vault mounts desk")
def mounts(context: typer.Context, name: Name) -> None:
    """List what is mounted in a vault."""
    run = session(context)
    response = run.client.vault.list_mounts(parent=run.absolute(name, "vaults"))
    show_all(response.mounts, ["name", "vault", "licence.agreement"], as_json=run.as_json)


@app.command(epilog="Example: memporium vault unmount orgs/acme/vaults/desk/mounts/MOUNT")
def unmount(context: typer.Context, name: Annotated[str, typer.Argument(help="Full name of the mount.")]) -> None:
    """Unmount a pack."""
    run = session(context)
    show(run.client.vault.delete_mount(name=name), as_json=run.as_json, title="unmounted")
