"""`memporium negotiation ...`: come to terms with another organisation."""

from __future__ import annotations

from typing import Annotated

import typer

from memporium.cli import _plain
from memporium.cli._context import Session, session
from memporium.cli._output import show, show_all, show_pairs
from memporium.cli._pages import all_pages
from memporium.cli._verbs import Reason, add_verbs
from memporium.memstore.v1 import agreement_pb2

app = typer.Typer(name="negotiation", help="Negotiations: from an offer to an agreement.", no_args_is_help=True)

_VERBS = {
    "accept": "Accept the provider's counter-offer (consumer).",
    "agree": "Agree and sign (provider).",
    "verify": "Verify what the provider signed, and sign it too (consumer).",
    "finalize": "Close: the agreement comes into force (provider).",
    "terminate": "End the talks without an agreement.",
}


@app.command(epilog="Example: memporium negotiation request orgs/acme/listings/guide/offers/free")
def request(
    context: typer.Context, offer: Annotated[str, typer.Argument(help="Full name of the offer.")], reason: Reason = ""
) -> None:
    """Ask for an offer on its own terms."""
    run = session(context)
    _show(run, run.client.memstore.request_negotiation(offer=offer, reason=reason).negotiation)


@app.command(epilog="Example: memporium negotiation take orgs/acme/listings/guide/offers/free")
def take(
    context: typer.Context, offer: Annotated[str, typer.Argument(help="Full name of the offer.")], reason: Reason = ""
) -> None:
    """Take an offer that agrees by itself: ask for it, verify what the provider signed, sign. Prints the agreement."""
    run = session(context)
    asked = run.client.memstore.request_negotiation(offer=offer, reason=reason).negotiation
    if asked.state != agreement_pb2.Negotiation.STATE_AGREED:
        _show(run, asked)
        return
    verified = run.client.memstore.verify_negotiation(name=asked.name, sequence=asked.sequence, reason=reason)
    _show(run, verified.negotiation)


def _step(context: typer.Context, verb: str, name: str, reason: str) -> None:
    run = session(context)
    full = run.absolute(name, "negotiations")
    current = run.client.memstore.get_negotiation(name=full).negotiation
    call = getattr(run.client.memstore, f"{verb}_negotiation")
    _show(run, call(name=full, sequence=current.sequence, reason=reason).negotiation)


add_verbs(app, "negotiation", _VERBS, _step, example="orgs/acme/negotiations/NEGOTIATION")


@app.command(name="list", epilog="Example: memporium negotiation list")
def list_(context: typer.Context) -> None:
    """List the negotiations that your organisation is a party to."""
    run = session(context)
    found = all_pages(run.client.memstore.list_negotiations, "negotiations", parent=run.org)
    show_all(found, ["name", "listing", "consumer", "state", "agreement"], as_json=run.as_json)


@app.command(epilog="Example: memporium negotiation get orgs/acme/negotiations/NEGOTIATION")
def get(context: typer.Context, name: Annotated[str, typer.Argument(help="Its full name.")]) -> None:
    """Show a negotiation with the terms on the table, its steps and signatures."""
    run = session(context)
    response = run.client.memstore.get_negotiation(name=run.absolute(name, "negotiations"))
    show(response.negotiation, as_json=run.as_json)


def _show(run: Session, negotiation: agreement_pb2.Negotiation) -> None:
    """Print what matters of a step; everything with `--json`, or by `get`."""
    if run.as_json:
        show(negotiation, as_json=True)
        return
    shown = ("name", "listing", "offer", "state", "agreement")
    show_pairs((field, _plain.pick(negotiation, field)) for field in shown)
