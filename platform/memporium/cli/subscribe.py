"""`memporium subscribe ...`: be told of new releases, or have them delivered."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from memporium.cli import _plain
from memporium.cli._context import session
from memporium.cli._output import line, print_json_line, show, show_all
from memporium.cli._pages import all_pages
from memporium.memstore.v1 import subscription_pb2

app = typer.Typer(name="subscribe", help="Subscriptions.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Subscription: its id, or its full name.")]


@app.command(epilog="Example: memporium subscribe create --listing orgs/acme/listings/guide --push")
def create(
    context: typer.Context,
    listing: Annotated[list[str], typer.Option(help="Full name of a listing; may be repeated.")] = [],
    tag: Annotated[list[str], typer.Option(help="Listings with any of these labels.")] = [],
    push: Annotated[bool, typer.Option(help="Deliver new releases into the pack's vault.")] = False,
    vault: Annotated[str, typer.Option(help="Vault to deliver into; empty: the pack's own.")] = "",
) -> None:
    """Subscribe to listings by name or label."""
    run = session(context)
    mode = subscription_pb2.Subscription.MODE_PUSH if push else subscription_pb2.Subscription.MODE_PULL
    subscription = subscription_pb2.Subscription(
        filter=subscription_pb2.SubscriptionFilter(listings=listing, any_tags=tag),
        mode=mode,
        vault=run.absolute(vault, "vaults") if vault else "",
    )
    response = run.client.memstore.create_subscription(parent=run.org, subscription=subscription)
    show(response.subscription, as_json=run.as_json, title="subscribed")


@app.command(name="list", epilog="Example: memporium subscribe list")
def list_(context: typer.Context) -> None:
    """List the subscriptions of your organisation."""
    run = session(context)
    found = all_pages(run.client.memstore.list_subscriptions, "subscriptions", parent=run.org)
    show_all(found, ["name", "mode", "filter", "cursor"], as_json=run.as_json)


@app.command(epilog="Example: memporium subscribe pull SUBSCRIPTION")
def pull(
    context: typer.Context,
    name: Name,
    acknowledge: Annotated[bool, typer.Option(help="Do not show them again.")] = True,
) -> None:
    """Show the events since the last acknowledged one."""
    run = session(context)
    full = run.absolute(name, "subscriptions")
    response = run.client.memstore.pull_events(name=full)
    show_all(response.events, ["listing", "kind", "version", "text", "cursor"], as_json=run.as_json)
    if acknowledge and response.events:
        run.client.memstore.ack_events(name=full, cursor=response.events[-1].cursor)


@app.command(epilog="Example: memporium subscribe follow SUBSCRIPTION")
def follow(context: typer.Context, name: Name) -> None:
    """Print events as they happen, until interrupted; each is acknowledged once it is printed."""
    run = session(context)
    full = run.absolute(name, "subscriptions")
    for response in run.client.memstore.stream_events(name=full):
        if not response.HasField("event"):
            continue
        if run.as_json:
            print_json_line(response.event)
        else:
            event = response.event
            line(escape(f"{_plain.pick(event, 'kind')} {event.listing} {event.version} {event.text}".rstrip()))
        run.client.memstore.ack_events(name=full, cursor=response.event.cursor)


@app.command(epilog="Example: memporium subscribe delete SUBSCRIPTION")
def delete(context: typer.Context, name: Name) -> None:
    """End a subscription."""
    run = session(context)
    response = run.client.memstore.delete_subscription(name=run.absolute(name, "subscriptions"))
    show(response, as_json=run.as_json, title="ended")
