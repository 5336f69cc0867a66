"""`memporium negotiation ...` and agreements: come to terms, see what is left, end it."""

from __future__ import annotations

from typing import Annotated

import typer

from memporium.cli._context import session
from memporium.cli._output import show, show_all

app = typer.Typer(name="negotiation", help="Negotiations and agreements.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Full name of the negotiation.")]
Agreement = Annotated[str, typer.Argument(help="Full name of the agreement.")]
Reason = Annotated[str, typer.Option(help="Goes into the history.")]
_STEPS = ("accept", "agree", "verify", "finalize", "terminate")
_ENDS = ("suspend", "resume", "revoke", "cancel")


@app.command()
def request(
    context: typer.Context, offer: Annotated[str, typer.Argument(help="Full name of the offer.")], reason: Reason = ""
) -> None:
    """Ask for an offer on its own terms."""
    run = session(context)
    show(run.client.memstore.request_negotiation(offer=offer, reason=reason).negotiation, as_json=run.as_json)


@app.command()
def step(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help=", ".join(_STEPS))],
    name: Name,
    reason: Reason = "",
) -> None:
    """Take the next step: accept, agree (provider signs), verify (consumer signs), finalize, or terminate."""
    run = session(context)
    if what not in _STEPS:
        raise typer.BadParameter(f"must be one of {', '.join(_STEPS)}")
    current = run.client.memstore.get_negotiation(name=name).negotiation
    call = getattr(run.client.memstore, f"{what}_negotiation")
    show(call(name=name, sequence=current.sequence, reason=reason).negotiation, as_json=run.as_json)


@app.command(name="list")
def list_(context: typer.Context) -> None:
    """List the negotiations that your organisation is a party to."""
    run = session(context)
    response = run.client.memstore.list_negotiations(parent=run.org, page_size=1000)
    show_all(response.negotiations, ["name", "listing", "consumer", "state", "agreement"], as_json=run.as_json)


@app.command()
def agreements(context: typer.Context) -> None:
    """List the agreements that your organisation is a party to."""
    run = session(context)
    response = run.client.memstore.list_agreements(parent=run.org, page_size=1000)
    show_all(response.agreements, ["name", "listing", "consumer", "state", "expire_time"], as_json=run.as_json)


@app.command()
def entitlement(context: typer.Context, name: Agreement) -> None:
    """Show what an agreement allows and what is left of it, in plain words."""
    run = session(context)
    show(run.client.memstore.get_entitlement(name=name).entitlement, as_json=run.as_json)


@app.command()
def usage(context: typer.Context, name: Agreement) -> None:
    """List what was used under an agreement."""
    run = session(context)
    response = run.client.memstore.list_usage(parent=name, page_size=1000)
    show_all(response.usage, ["time", "principal", "action", "units", "purpose"], as_json=run.as_json)


@app.command()
def agreement(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help=", ".join(_ENDS))],
    name: Agreement,
    reason: Reason = "",
) -> None:
    """Change an agreement: suspend, resume or revoke (provider), cancel (consumer)."""
    run = session(context)
    if what not in _ENDS:
        raise typer.BadParameter(f"must be one of {', '.join(_ENDS)}")
    call = getattr(run.client.memstore, f"{what}_agreement")
    show(call(name=name, reason=reason).agreement, as_json=run.as_json)
