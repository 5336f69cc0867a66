"""`memporium agreement ...`: what was agreed, what is left of it, and its end."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from memporium.cli import _plain, _terms
from memporium.cli._context import session
from memporium.cli._output import as_dict, line, print_json, show, show_all, show_pairs
from memporium.cli._pages import all_pages
from memporium.cli._verbs import Reason, add_verbs
from memporium.memstore.v1 import agreement_pb2

app = typer.Typer(name="agreement", help="Agreements: what is left of them, and their end.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Full name of the agreement.")]
_VERBS = {
    "suspend": "Pause an agreement (provider); its uses end at once.",
    "resume": "Put a suspended agreement back in force (provider).",
    "revoke": "End an agreement (provider); its uses end at once.",
    "cancel": "End an agreement (consumer); its uses end at once.",
}
_SHOWN = ("name", "listing", "consumer", "state", "reason", "activate_time", "expire_time")


@app.command(name="list", epilog="Example: memporium agreement list")
def list_(context: typer.Context) -> None:
    """List the agreements that your organisation is a party to."""
    run = session(context)
    found = all_pages(run.client.memstore.list_agreements, "agreements", parent=run.org)
    show_all(found, ["name", "listing", "consumer", "state", "expire_time"], as_json=run.as_json)


@app.command(epilog="Example: memporium agreement get orgs/acme/agreements/AGREEMENT")
def get(context: typer.Context, name: Name) -> None:
    """Show an agreement with its terms, price and signatures."""
    run = session(context)
    response = run.client.memstore.get_agreement(name=run.absolute(name, "agreements"))
    show(response.agreement, as_json=run.as_json)


@app.command(epilog="Example: memporium agreement entitlement orgs/acme/agreements/AGREEMENT")
def entitlement(context: typer.Context, name: Name) -> None:
    """Show what an agreement allows and what is left of it, in plain words."""
    run = session(context)
    found = run.client.memstore.get_entitlement(name=run.absolute(name, "agreements")).entitlement
    if run.as_json:
        print_json(as_dict(found))
        return
    show_pairs((field, _plain.pick(found, field)) for field in ("agreement", "state", "usable", "expire_time"))
    for sentence in found.summary:
        line(f"  - {escape(sentence)}")


@app.command(epilog="Example: memporium agreement usage orgs/acme/agreements/AGREEMENT")
def usage(context: typer.Context, name: Name) -> None:
    """List what was used under an agreement, newest first."""
    run = session(context)
    found = all_pages(run.client.memstore.list_usage, "usage", parent=run.absolute(name, "agreements"))
    show_all(found, ["time", "principal", "action", "units", "purpose"], as_json=run.as_json)


@app.command(epilog="Example: memporium agreement seats orgs/acme/agreements/AGREEMENT")
def seats(context: typer.Context, name: Name) -> None:
    """List who holds a seat of an agreement, and from when on it can be given back."""
    run = session(context)
    found = all_pages(run.client.memstore.list_seats, "seats", parent=run.absolute(name, "agreements"))
    show_all(found, ["principal", "take_time", "free_time", "release_time", "holder"], as_json=run.as_json)


@app.command(
    name="release-seat",
    epilog="Example: memporium agreement release-seat orgs/acme/agreements/AGREEMENT orgs/globex/principals/ada",
)
def release_seat(
    context: typer.Context,
    name: Name,
    principal: Annotated[str, typer.Argument(help="Full name of the principal that holds the seat.")],
    to: Annotated[str, typer.Option(help="Full name of the principal that gets it; else it is free.")] = "",
    reason: Reason = "",
) -> None:
    """Give back a seat, or to somebody else: when it was held as long as the terms say; the provider at any time."""
    run = session(context)
    seat = run.client.memstore.release_seat(
        parent=run.absolute(name, "agreements"), principal=principal, successor=to, reason=reason
    ).seat
    if run.as_json:
        print_json(as_dict(seat))
        return
    show_pairs((field, _plain.pick(seat, field)) for field in ("principal", "take_time", "release_time"))


@app.command(epilog="Example: memporium agreement amend orgs/acme/agreements/AGREEMENT --terms terms.yaml")
def amend(
    context: typer.Context,
    name: Name,
    terms: Annotated[str, typer.Option(help="New terms: a template's name, or a file.")],
    reason: Reason = "",
) -> None:
    """Propose other terms, as either side; the new agreement takes its place once both have signed."""
    run = session(context)
    made = run.client.memstore.amend_agreement(
        name=run.absolute(name, "agreements"), terms=_terms.read(terms), reason=reason
    )
    if run.as_json:
        print_json(as_dict(made.negotiation))
        return
    show_pairs((field, _plain.pick(made.negotiation, field)) for field in ("name", "state", "renews"))


def _change(context: typer.Context, verb: str, name: str, reason: str) -> None:
    run = session(context)
    call = getattr(run.client.memstore, f"{verb}_agreement")
    changed: agreement_pb2.Agreement = call(name=run.absolute(name, "agreements"), reason=reason).agreement
    if run.as_json:
        print_json(as_dict(changed))
        return
    show_pairs((field, _plain.pick(changed, field)) for field in _SHOWN)


add_verbs(app, "agreement", _VERBS, _change, example="orgs/acme/agreements/AGREEMENT")
