"""`memporium statement ...`: what was used under an agreement and what is owed for it, signed; bills."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from memporium.cli import _plain
from memporium.cli._context import session
from memporium.cli._files import whole
from memporium.cli._output import as_dict, line, print_json, show, show_all, show_pairs
from memporium.cli._pages import all_pages
from memporium.memstore.v1 import statement_calls_pb2

app = typer.Typer(name="statement", help="Usage statements and bills.", no_args_is_help=True)

Agreement = Annotated[str, typer.Argument(help="Full name of the agreement.")]
_SHOWN = ("name", "state", "start_time", "end_time", "uses", "total", "amount", "sha256")
_FORMATS = {
    "csv": statement_calls_pb2.ExportBillingRequest.FORMAT_CSV,
    "json": statement_calls_pb2.ExportBillingRequest.FORMAT_JSON,
}


@app.command(epilog="Example: memporium statement create orgs/acme/agreements/AGREEMENT")
def create(context: typer.Context, agreement: Agreement) -> None:
    """Close what was used since the last statement into a new one: each use stands on one, and on one only."""
    run = session(context)
    made = run.client.memstore.create_statement(parent=run.absolute(agreement, "agreements")).statement
    if run.as_json:
        print_json(as_dict(made))
        return
    show_pairs((field, _plain.pick(made, field)) for field in _SHOWN)
    for one in made.lines:
        line(
            f"  - {escape(_plain.pick(one, 'uses'))} x {escape(_plain.pick(one, 'action'))}: "
            f"{escape(_plain.pick(one, 'units'))} {escape(one.purpose)}"
        )


@app.command(name="list", epilog="Example: memporium statement list orgs/acme/agreements/AGREEMENT")
def list_(context: typer.Context, agreement: Agreement) -> None:
    """List the statements of an agreement."""
    run = session(context)
    found = all_pages(run.client.memstore.list_statements, "statements", parent=run.absolute(agreement, "agreements"))
    show_all(found, ["name", "state", "end_time", "uses", "total", "amount"], as_json=run.as_json)


@app.command(epilog="Example: memporium statement get orgs/acme/agreements/AGREEMENT/statements/1")
def get(context: typer.Context, name: Annotated[str, typer.Argument(help="Full name of the statement.")]) -> None:
    """Show a statement with the bytes that were signed and the signatures."""
    run = session(context)
    show(run.client.memstore.get_statement(name=name).statement, as_json=run.as_json)


@app.command(
    epilog="Example: memporium statement void orgs/acme.north/agreements/AGREEMENT/statements/3 --reason 'wrong clock'"
)
def void(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Full name of the statement.")],
    reason: Annotated[str, typer.Option(help="Why; both sides keep it.")],
) -> None:
    """Void a statement that the provider's platform refused: its uses go onto the next one, and none counts twice."""
    run = session(context)
    voided = run.client.memstore.void_statement(name=name, reason=reason).statement
    if run.as_json:
        print_json(as_dict(voided))
        return
    pairs = [("name", voided.name), ("state", _plain.pick(voided, "state")), ("refused", voided.refusal)]
    show_pairs([*pairs, ("voided", voided.voiding.reason), ("sha256", voided.voiding.sha256)])


@app.command(epilog="Example: memporium statement bill --format csv --out may.csv")
def bill(
    context: typer.Context,
    form: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    out: Annotated[Path | None, typer.Option(help="File to write; the signature goes beside it (.sig.json).")] = None,
) -> None:
    """Write all statements of your organisation, as provider or consumer, for its bookkeeping, signed."""
    run = session(context)
    if form not in _FORMATS:
        raise typer.BadParameter(f"{form} is not known; there are csv and json", param_hint="--format")
    data, last = b"", statement_calls_pb2.ExportBillingResponse()
    for message in run.client.memstore.export_billing(parent=run.org, format=_FORMATS[form]):
        data, last = data + message.data, message
    if out is None:
        sys.stdout.write(data.decode())
        return
    with whole(out) as file:
        file.write(data)
    signature = out.with_name(f"{out.name}.sig.json")
    with whole(signature) as file:
        file.write((json.dumps(as_dict(last.signature), indent=2) + "\n").encode())
    line(f"written {escape(str(out))}, signed in {escape(str(signature))}")
