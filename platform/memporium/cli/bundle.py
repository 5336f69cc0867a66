"""`memporium bundle ...`: pull what was licensed, dump and load one's own, verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress

from memporium.cli._bundle_folder import download_bundle, verify_folder
from memporium.cli._context import Session, session
from memporium.cli._output import console, line, print_json, print_json_line, show, show_all
from memporium.cli._pages import all_pages
from memporium.transfer.v1 import transfer_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

app = typer.Typer(name="bundle", help="Sealed bundles: pull, dump, load, verify.", no_args_is_help=True)


@app.command(epilog="Example: memporium bundle pull orgs/acme/agreements/AGREEMENT --vault-id guide --mount-into desk")
def pull(
    context: typer.Context,
    agreement: Annotated[str, typer.Argument(help="Full name of the agreement.")],
    release: Annotated[str, typer.Option(help="Full name of the release; empty: the newest.")] = "",
    vault_id: Annotated[str, typer.Option(help="Id of the pack's vault; empty: from the listing.")] = "",
    mount_into: Annotated[str, typer.Option(help="Vault to mount the pack in.")] = "",
) -> None:
    """Pull a licensed pack into your organisation; each verification step is shown."""
    run = session(context)
    mount = run.absolute(mount_into, "vaults") if mount_into else ""
    responses = run.client.transfer.pull_bundle(
        parent=run.org, agreement=agreement, release=release, vault_id=vault_id, mount_into=mount
    )
    follow(run, responses)


@app.command(epilog="Example: memporium bundle dump notes --bundle-id notes-2026-11")
def dump(
    context: typer.Context,
    vault: Annotated[str, typer.Argument(help="Vault: its id, or its full name.")],
    bundle_id: Annotated[str, typer.Option(help="Id of the bundle; empty: made.")] = "",
) -> None:
    """Back a vault up into a sealed bundle that only your organisation can open."""
    run = session(context)
    follow(run, run.client.transfer.dump_vault(vault=run.absolute(vault, "vaults"), bundle_id=bundle_id))


@app.command(epilog="Example: memporium bundle load notes-2026-11 notes-restored")
def load(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(help="Bundle: its id, or its full name.")],
    vault_id: Annotated[str, typer.Argument(help="Id of the vault to make.")],
) -> None:
    """Load one of your bundles into a new vault."""
    run = session(context)
    name = run.absolute(bundle, "bundles")
    follow(run, run.client.transfer.load_bundle(parent=run.org, bundle=name, vault_id=vault_id))


@app.command(name="list", epilog="Example: memporium bundle list")
def list_(context: typer.Context) -> None:
    """List the bundles of your organisation."""
    run = session(context)
    found = all_pages(run.client.transfer.list_bundles, "bundles", parent=run.org)
    columns = ["name", "kind", "state", "version", "cube_count", "sealed_bytes", "create_time"]
    show_all(found, columns, as_json=run.as_json)


@app.command(epilog="Example: memporium bundle get notes-2026-11")
def get(context: typer.Context, bundle: Annotated[str, typer.Argument(help="Bundle: its id or full name.")]) -> None:
    """Show one bundle."""
    run = session(context)
    show(run.client.transfer.get_bundle(name=run.absolute(bundle, "bundles")).bundle, as_json=run.as_json)


@app.command(epilog="Example: memporium bundle verify notes-2026-11")
def verify(
    context: typer.Context,
    bundle: Annotated[
        str, typer.Argument(help="A bundle of yours by id or full name, or a folder with one, or the manifest in it.")
    ],
    agreement: Annotated[str, typer.Option(help="Agreement, for a bundle of another organisation.")] = "",
    trust: Annotated[
        list[str], typer.Option(help="For a folder: the publisher's signing_public_key, from `org keys`, in base64.")
    ] = [],
    at: Annotated[str, typer.Option(help="For a folder: verify for this time, such as that of the download.")] = "",
    key: Annotated[
        Path | None,
        typer.Option(help="For a folder: file with the recipient's private key; opens the content."),
    ] = None,
    threshold: Annotated[int, typer.Option(help="For a folder: so many of the keys must have signed.", min=1)] = 1,
) -> None:
    """Verify a bundle step by step and import nothing; a folder is verified offline, without any service."""
    run = session(context)
    if Path(bundle).exists():
        verify_folder(run, Path(bundle), trust=trust, at=at, key=key, threshold=threshold)
        return
    name = run.absolute(bundle, "bundles")
    follow(run, run.client.transfer.verify_bundle(parent=run.org, bundle=name, agreement=agreement))


@app.command(epilog="Example: memporium bundle download notes-2026-11 ./notes-2026-11")
def download(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(help="Bundle: its id, or its full name.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write the objects into; an unfinished download goes on.")],
    agreement: Annotated[str, typer.Option(help="Agreement, for a bundle of another organisation.")] = "",
    known: Annotated[
        Path | None, typer.Option(help="Folder with another version: only what changed is downloaded.")
    ] = None,
) -> None:
    """Download a bundle's objects as they are stored, sealed; refused where the terms keep it on the platform."""
    run = session(context)
    objects = download_bundle(run, run.absolute(bundle, "bundles"), folder=folder, agreement=agreement, known=known)
    if run.as_json:
        print_json({"folder": str(folder), "objects": objects})
    else:
        line(f"[green]written[/green] {len(objects)} objects to {escape(str(folder))}")


def follow(run: Session, responses: Iterable[Any]) -> None:
    """Print what a transfer says while it runs: JSON lines, or steps, a progress bar and the result."""
    if run.as_json:
        for response in responses:
            print_json_line(response)
        return
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("transfer", total=None)
        for response in responses:
            kind = response.WhichOneof("event")
            value = getattr(response, kind)
            if kind == "step":
                name = transfer_pb2.VerificationStep.Name(value.step).removeprefix("VERIFICATION_STEP_").lower()
                took_ms = value.duration.ToTimedelta().total_seconds() * 1000
                detail = escape(" ".join(value.detail.split()))
                line(f"[green]ok[/green] {name.replace('_', ' '):16} {took_ms:8.1f} ms  [dim]{detail}[/dim]")
            elif kind == "progress":
                total = value.total_segments or None
                progress.update(bar, completed=value.segments, total=total, description=f"{value.cubes} cubes")
            else:
                show(value, as_json=False, title=kind)
