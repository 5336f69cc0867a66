"""`memporium listing ...`: offer memories to others, find what others offer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml
from google.protobuf.json_format import ParseDict, ParseError

from memporium.cli._context import session
from memporium.cli._output import show, show_all
from memporium.memstore.v1 import listing_pb2, offer_pb2, terms_pb2

app = typer.Typer(name="listing", help="Listings, releases and offers.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Listing: its id in your organisation, or its full name.")]
_CHANGES = ("submit", "publish", "suspend", "resume", "deprecate", "retire")
_COLUMNS = ["name", "title", "state", "latest_release", "tags"]


@app.command()
def create(
    context: typer.Context,
    listing_id: Annotated[str, typer.Argument(help="Id of the listing.")],
    title: Annotated[str, typer.Option(help="Title in the catalogue.")],
    terms: Annotated[Path, typer.Option(help="Licence terms: YAML or JSON in the shape of LicenceTerms.")],
    description: Annotated[str, typer.Option(help="What the pack holds.")] = "",
    tag: Annotated[list[str], typer.Option(help="Label; may be repeated.")] = [],
) -> None:
    """Create a listing, a draft that only your organisation sees."""
    run = session(context)
    listing = listing_pb2.Listing(
        title=title,
        description=description,
        tags=tag,
        terms=read_terms(terms),
        audience=listing_pb2.Audience(scope=listing_pb2.Audience.SCOPE_PUBLIC),
    )
    response = run.client.memstore.create_listing(parent=run.org, listing_id=listing_id, listing=listing)
    show(response.listing, as_json=run.as_json, title="created")


@app.command()
def change(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help=", ".join(_CHANGES))],
    name: Name,
    reason: Annotated[str, typer.Option(help="Goes into the history.")] = "",
) -> None:
    """Move a listing through its states: submit, publish, suspend, resume, deprecate, retire."""
    run = session(context)
    if what not in _CHANGES:
        raise typer.BadParameter(f"must be one of {', '.join(_CHANGES)}")
    call = getattr(run.client.memstore, f"{what}_listing")
    show(call(name=run.absolute(name, "listings"), reason=reason).listing, as_json=run.as_json)


@app.command()
def release(
    context: typer.Context,
    name: Name,
    version: Annotated[str, typer.Argument(help="Semantic version, for instance 1.0.0.")],
    vault: Annotated[str, typer.Option(help="Vault to pack.")],
    tag: Annotated[list[str], typer.Option(help="Pack only memories with any of these labels.")] = [],
    changelog: Annotated[str, typer.Option(help="What is new.")] = "",
) -> None:
    """Seal memories of a vault as an immutable release."""
    run = session(context)
    response = run.client.memstore.create_release(
        parent=run.absolute(name, "listings"),
        version=version,
        vault=run.absolute(vault, "vaults"),
        selection=listing_pb2.CubeSelection(any_tags=tag),
        changelog=changelog,
        timeout_s=3600,
    )
    show(response.release, as_json=run.as_json, title="released")


@app.command()
def offer(
    context: typer.Context,
    name: Name,
    offer_id: Annotated[str, typer.Argument(help="Id of the offer.")],
    terms: Annotated[Path | None, typer.Option(help="Licence terms; empty: the listing's.")] = None,
    auto_agree: Annotated[bool, typer.Option(help="Agree at once to whoever takes these very terms.")] = False,
) -> None:
    """Offer a listing under terms; free unless the terms come with a price elsewhere."""
    run = session(context)
    proposed = offer_pb2.Offer(
        title=offer_id,
        terms=read_terms(terms) if terms else None,
        price=offer_pb2.PricePlan(free=offer_pb2.FreePlan()),
        audience=listing_pb2.Audience(scope=listing_pb2.Audience.SCOPE_PUBLIC),
        auto_agree=auto_agree,
    )
    parent = run.absolute(name, "listings")
    response = run.client.memstore.create_offer(parent=parent, offer_id=offer_id, offer=proposed)
    show(response.offer, as_json=run.as_json, title="offered")


@app.command()
def offers(context: typer.Context, name: Name) -> None:
    """List the offers of a listing that you may take."""
    run = session(context)
    response = run.client.memstore.list_offers(parent=run.absolute(name, "listings"), page_size=1000)
    show_all(response.offers, ["name", "title", "state", "auto_agree"], as_json=run.as_json)


@app.command()
def releases(context: typer.Context, name: Name) -> None:
    """List the releases of a listing."""
    run = session(context)
    response = run.client.memstore.list_releases(parent=run.absolute(name, "listings"), page_size=1000)
    show_all(response.releases, ["name", "version", "state", "cube_count", "changelog"], as_json=run.as_json)


@app.command(name="list")
def list_(context: typer.Context) -> None:
    """List the listings of your organisation."""
    run = session(context)
    response = run.client.memstore.list_listings(parent=run.org, page_size=1000)
    show_all(response.listings, _COLUMNS, as_json=run.as_json)


@app.command()
def search(
    context: typer.Context, query: Annotated[str, typer.Argument(help="Words; empty: everything.")] = ""
) -> None:
    """Search the catalogue: every listing that you may see."""
    run = session(context)
    response = run.client.memstore.search_listings(query=query, page_size=100)
    show_all(response.listings, _COLUMNS, as_json=run.as_json)


@app.command()
def get(context: typer.Context, name: Name) -> None:
    """Show one listing."""
    run = session(context)
    show(run.client.memstore.get_listing(name=run.absolute(name, "listings")).listing, as_json=run.as_json)


def read_terms(path: Path) -> terms_pb2.LicenceTerms:
    """Return the licence terms of a YAML or JSON file in the shape of `LicenceTerms`."""
    try:
        return ParseDict(yaml.safe_load(path.read_text(encoding="utf-8")), terms_pb2.LicenceTerms())
    except (OSError, yaml.YAMLError, ParseError, TypeError) as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="--terms") from None
