"""`memporium bundle ...`: pull what was licensed, dump and load one's own, verify."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from memporium.cli._context import Session, session
from memporium.cli._output import as_dict, console, print_json, show, show_all
from memporium.client import MemporiumError
from memporium.transfer.v1 import transfer_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

app = typer.Typer(name="bundle", help="Sealed bundles: pull, dump, load, verify.", no_args_is_help=True)


@app.command()
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


@app.command()
def dump(
    context: typer.Context,
    vault: Annotated[str, typer.Argument(help="Vault: its id, or its full name.")],
    bundle_id: Annotated[str, typer.Option(help="Id of the bundle; empty: made.")] = "",
) -> None:
    """Back a vault up into a sealed bundle that only your organisation can open."""
    run = session(context)
    follow(run, run.client.transfer.dump_vault(vault=run.absolute(vault, "vaults"), bundle_id=bundle_id))


@app.command()
def load(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(help="Bundle: its id, or its full name.")],
    vault_id: Annotated[str, typer.Argument(help="Id of the vault to make.")],
) -> None:
    """Load one of your bundles into a new vault."""
    run = session(context)
    name = run.absolute(bundle, "bundles")
    follow(run, run.client.transfer.load_bundle(parent=run.org, bundle=name, vault_id=vault_id))


@app.command(name="list")
def list_(context: typer.Context) -> None:
    """List the bundles of your organisation."""
    run = session(context)
    response = run.client.transfer.list_bundles(parent=run.org, page_size=1000)
    columns = ["name", "kind", "state", "version", "cube_count", "sealed_bytes", "create_time"]
    show_all(response.bundles, columns, as_json=run.as_json)


@app.command()
def get(context: typer.Context, bundle: Annotated[str, typer.Argument(help="Bundle: its id or full name.")]) -> None:
    """Show one bundle."""
    run = session(context)
    show(run.client.transfer.get_bundle(name=run.absolute(bundle, "bundles")).bundle, as_json=run.as_json)


@app.command()
def verify(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(help="A bundle of yours by id or full name, or a folder with one.")],
    agreement: Annotated[str, typer.Option(help="Agreement, for a bundle of another organisation.")] = "",
    trust: Annotated[
        list[str], typer.Option(help="For a folder: the publisher's signing_public_key, from `org keys`, in base64.")
    ] = [],
) -> None:
    """Verify a bundle step by step and import nothing; a folder is verified offline."""
    run = session(context)
    if Path(bundle).is_dir():
        _verify_folder(run, Path(bundle), trust)
        return
    name = run.absolute(bundle, "bundles")
    follow(run, run.client.transfer.verify_bundle(parent=run.org, bundle=name, agreement=agreement))


def follow(run: Session, responses: Iterable[Any]) -> None:
    """Print what a transfer says while it runs: steps, a progress bar, the result."""
    if run.as_json:
        print_json([as_dict(response) for response in responses])
        return
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("transfer", total=None)
        for response in responses:
            kind = response.WhichOneof("event")
            value = getattr(response, kind)
            if kind == "step":
                name = transfer_pb2.VerificationStep.Name(value.step).removeprefix("VERIFICATION_STEP_").lower()
                took_ms = value.duration.ToTimedelta().total_seconds() * 1000
                progress.console.print(f"[green]ok[/green] {name:16} {took_ms:8.1f} ms  [dim]{value.detail}[/dim]")
            elif kind == "progress":
                total = value.total_segments or None
                progress.update(bar, completed=value.segments, total=total, description=f"{value.cubes} cubes")
            else:
                show(value, as_json=False, title=kind)


def _verify_folder(run: Session, folder: Path, trust: list[str]) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from memporium_platform.bundle.dsse import TrustRoot
    from memporium_platform.bundle.offline import verify_folder
    from memporium_platform.errors import PlatformError

    try:
        root = TrustRoot.of(Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)) for key in trust)
    except ValueError:
        raise typer.BadParameter("needs the publisher's public key, 32 bytes in base64", param_hint="--trust") from None
    passed: list[str] = []
    try:
        for step in verify_folder(folder, root):
            passed.append(step.name.lower())
            if not run.as_json:
                console.print(f"[green]ok[/green] {passed[-1].replace('_', ' ')}")
    except PlatformError as error:
        raise MemporiumError(
            code="DATA_LOSS", reason=error.reason, message=error.message, metadata=error.metadata
        ) from None
    if run.as_json:
        print_json({"passed": passed})
