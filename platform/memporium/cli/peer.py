"""`memporium peer ...`: other platforms, with whose organisations those of this one may trade."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.duration_pb2 import Duration

from memporium.cli import _plain
from memporium.cli._context import session
from memporium.cli._output import as_dict, console, print_json, show_all, show_pairs
from memporium.cli._pages import all_pages
from memporium.memstore.v1.peer_pb2 import Peer

app = typer.Typer(name="peer", help="Other platforms that organisations here may trade with.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Peer: its id, or its full name.")]
_SHOWN = ("name", "address", "organisations", "lease", "contact_time", "lease_time", "waiting_messages", "problem")


@app.command(epilog="Example: memporium peer identity > north.json")
def identity(context: typer.Context) -> None:
    """Print who this platform is, for another platform's operator to add it. Always JSON; holds no secret."""
    print_json(as_dict(session(context).client.memstore.get_platform_identity()))


@app.command(epilog="Example: memporium peer add north.json --address north.example:7700 --organisation press")
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `peer identity` printed there.", exists=True, dir_okay=False)],
    address: Annotated[
        str, typer.Option(help="host:port of its peer listener; default: the file's. 'none': it only calls here.")
    ] = "",
    organisation: Annotated[
        list[str], typer.Option(help="Only these of its organisations may trade; may be repeated. None: all.")
    ] = [],
    lease: Annotated[
        float, typer.Option(help="Seconds that it may go on with memory of this platform without word from it.", min=1)
    ] = 60.0,
    tls_name: Annotated[str, typer.Option(help="Name in its certificate; default: its id, or the host.")] = "",
) -> None:
    """Register another platform. Compare its key with its operator, by another way than the file came."""
    run, shown = session(context), _read(file)
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=lease))
    peer = Peer(
        address="" if address == "none" else address or shown.get("address", ""),
        certificates=shown["certificate"],
        platform_key=shown["platform_key"],
        organisations=organisation,
        lease=duration,
        tls_name=tls_name,
    )
    made = run.client.memstore.create_peer(peer_id=shown["platform_id"], peer=peer).peer
    _show(made, as_json=run.as_json, title="added")


@app.command(name="list", epilog="Example: memporium peer list")
def list_(context: typer.Context) -> None:
    """List the peers, and how it stands with each."""
    run = session(context)
    found = all_pages(run.client.memstore.list_peers, "peers")
    show_all(found, ["name", "address", "lease_time", "waiting_messages", "problem"], as_json=run.as_json)


@app.command(epilog="Example: memporium peer show north")
def show(context: typer.Context, name: Name) -> None:
    """Show a peer: how long its lease holds, what waits to be sent, what went wrong."""
    run = session(context)
    _show(run.client.memstore.get_peer(name=_full(name)).peer, as_json=run.as_json)


@app.command(epilog="Example: memporium peer test north")
def test(context: typer.Context, name: Name) -> None:
    """Greet a peer: does it answer, under its id, with its key? How far apart are the clocks?"""
    run = session(context)
    found = run.client.memstore.test_peer(name=_full(name))
    if run.as_json:
        print_json(as_dict(found))
    elif found.ok:
        milliseconds = found.seconds * 1000
        console.print(f"[green]answers[/green] in {milliseconds:.0f} ms, its clock is {found.clock_ahead_s:+.1f} s off")
    else:
        console.print(f"[red]does not answer rightly[/red] {found.problem}")
    if not found.ok:
        raise typer.Exit(code=1)


@app.command(epilog="Example: memporium peer remove north")
def remove(context: typer.Context, name: Name) -> None:
    """End trade with a peer: what was licensed from it may be used no more, and it reaches nothing here."""
    run = session(context)
    run.client.memstore.delete_peer(name=_full(name))
    if run.as_json:
        print_json({"name": _full(name)})
    else:
        console.print(f"removed {_full(name)}")


def _full(name: str) -> str:
    return name if name.startswith("peers/") else f"peers/{name}"


def _read(file: Path) -> dict[str, Any]:
    try:
        shown: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        missing = [key for key in ("platform_id", "platform_key", "certificate") if not shown.get(key)]
    except (ValueError, AttributeError) as error:
        raise typer.BadParameter(f"{file} is not what `peer identity` prints") from error
    if missing:
        raise typer.BadParameter(f"{file} lacks {', '.join(missing)}: does that platform have a peer listener?")
    return shown


def _show(peer: Peer, *, as_json: bool, title: str = "") -> None:
    if as_json:
        print_json(as_dict(peer))
        return
    if title:
        console.print(f"{title} {peer.name}")
    show_pairs((field, _plain.pick(peer, field)) for field in _SHOWN)
