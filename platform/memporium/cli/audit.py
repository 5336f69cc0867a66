"""`memporium audit ...`: read the log, export it, verify an export offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from memporium.cli._context import session
from memporium.cli._files import whole
from memporium.cli._output import as_dict, console, errors, print_json, show, show_all
from memporium.governance.v1 import audit_pb2

app = typer.Typer(name="audit", help="The audit log.", no_args_is_help=True)

_SHOWN_PROBLEMS = 10
Org = Annotated[str, typer.Option(help="Organisation; default: your own.")]


@app.command(epilog="Example: memporium audit log --denied --limit 20")
def log(
    context: typer.Context,
    org: Org = "",
    action: Annotated[list[str], typer.Option(help="Only these actions; may be repeated.")] = [],
    principal: Annotated[str, typer.Option(help="Only this caller.")] = "",
    denied: Annotated[bool, typer.Option(help="Only refused calls.")] = False,
    permission_changes: Annotated[bool, typer.Option(help="Only changes of who may do what.")] = False,
    limit: Annotated[int, typer.Option(help="Most rows.")] = 50,
) -> None:
    """Show records of the log."""
    run = session(context)
    response = run.client.governance.query_log(
        parent=run.parent(org),
        page_size=limit,
        filter=audit_pb2.LogFilter(
            actions=action,
            principal=principal,
            effect=audit_pb2.AUDIT_EFFECT_DENY if denied else audit_pb2.AUDIT_EFFECT_UNSPECIFIED,
            permission_changes=permission_changes,
        ),
    )
    columns = ["record.time", "record.effect", "record.action", "record.principal", "record.resource", "index"]
    show_all(response.entries, columns, as_json=run.as_json)


@app.command(epilog="Example: memporium audit checkpoint")
def checkpoint(context: typer.Context, org: Org = "") -> None:
    """Show the newest signed checkpoint."""
    run = session(context)
    show(run.client.governance.get_checkpoint(parent=run.parent(org)).checkpoint, as_json=run.as_json)


@app.command(epilog="Example: memporium audit export acme.log")
def export(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="File to write.")],
    org: Org = "",
    csv: Annotated[bool, typer.Option(help="CSV instead of JSON lines (only JSON lines can be verified).")] = False,
) -> None:
    """Export the log with its checkpoint."""
    run = session(context)
    chosen = audit_pb2.EXPORT_FORMAT_CSV if csv else audit_pb2.EXPORT_FORMAT_JSON_LINES
    with whole(path) as out:
        for response in run.client.governance.export_log(parent=run.parent(org), format=chosen):
            out.write(response.data)
    if not run.as_json:
        console.print(f"written {escape(str(path))}")


@app.command(epilog="Example: memporium audit verify acme.log --key VERIFIER_KEY")
def verify(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="File that `audit export` wrote.")],
    key: Annotated[str, typer.Option(help="Verifier key, from `audit checkpoint`; empty: the file's own.")] = "",
) -> None:
    """Verify an export offline: every record, the tree, the signed checkpoint; names what was tampered with."""
    from memporium.audit_verify import verify_export

    report = verify_export(path.read_bytes(), verifier_key=key)
    if session(context).as_json:
        print_json(report.as_dict())
    elif report.problems:
        for problem in report.problems[:_SHOWN_PROBLEMS]:
            errors.print(f"[red]tampered[/red] {escape(problem)}", soft_wrap=True)
        if len(report.problems) > _SHOWN_PROBLEMS:
            errors.print(f"and {len(report.problems) - _SHOWN_PROBLEMS} more, see --json")
    else:
        console.print(f"[green]verified[/green] {report.records} records, root {report.root_hash[:16]}")
    if report.problems:
        raise typer.Exit(code=1)


@app.command(epilog="Example: memporium audit compare orgs/press.north/agreements/AGREEMENT")
def compare(
    context: typer.Context,
    agreement: Annotated[str, typer.Argument(help="Full name of an agreement with another platform's organisation.")],
    evidence: Annotated[Path | None, typer.Option(help="Folder for what proves the first difference.")] = None,
) -> None:
    """Hold this platform's account of an agreement against the other's, each proved from its signed log."""
    run = session(context)
    found = run.client.memstore.compare_accounts(name=agreement).comparison
    if evidence is not None:
        evidence.mkdir(parents=True, exist_ok=True)
        for number, said in enumerate(found.evidence, 1):
            with whole(evidence / f"{number}.json") as out:
                out.write(json.dumps(as_dict(said), indent=1).encode())
    if run.as_json:
        print_json(as_dict(found))
    elif found.equal:
        console.print(f"[green]equal[/green] {found.entries} entries, {found.open_entries} on their way")
    else:
        for difference in found.differences[:_SHOWN_PROBLEMS]:
            errors.print(f"[red]differs[/red] {escape(difference)}", soft_wrap=True)
    if not found.equal:
        raise typer.Exit(code=1)
