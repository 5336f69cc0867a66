"""`memporium listing ...`: offer memories to others, find what others offer."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated

import typer

from memporium.cli import _price, _terms
from memporium.cli._context import Session, session
from memporium.cli._output import show, show_all
from memporium.cli._pages import all_pages
from memporium.cli._verbs import Reason, add_verbs
from memporium.memstore.v1 import listing_pb2, offer_pb2
from memporium.vault.v1 import cubes_pb2

app = typer.Typer(name="listing", help="Listings, releases, offers and licence templates.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Listing: its id in your organisation, or its full name.")]
Audience = Annotated[
    list[str], typer.Option("--for", help="Only this organisation sees it; may be repeated. Default: everybody.")
]
_TERMS = "Licence terms: a template's name (see `listing templates`), or a YAML or JSON file"
_VERBS = {
    "submit": "Ask for approval: from draft to in review.",
    "publish": "Put a listing into the catalogue.",
    "suspend": "Take a listing out of the catalogue for a time; agreements go on.",
    "resume": "Put a suspended listing back.",
    "deprecate": "Take no new agreements.",
    "retire": "Take a deprecated listing out for ever; agreements go on.",
}
_COLUMNS = ["name", "title", "state", "latest_release", "tags"]


@app.command(epilog="Example: memporium listing create guide --title 'Office guide' --terms on-platform-only")
def create(
    context: typer.Context,
    listing_id: Annotated[str, typer.Argument(help="Id: a letter, then letters, digits and '-'.")],
    title: Annotated[str, typer.Option(help="Title in the catalogue.")],
    terms: Annotated[str, typer.Option(help=f"{_TERMS}.")],
    description: Annotated[str, typer.Option(help="What the pack holds.")] = "",
    tag: Annotated[list[str], typer.Option(help="Label; may be repeated.")] = [],
    audience: Audience = [],
) -> None:
    """Create a listing, a draft that only your organisation sees."""
    run = session(context)
    listing = listing_pb2.Listing(
        title=title,
        description=description,
        tags=tag,
        terms=_terms.read(terms),
        audience=_audience([run.parent(org) for org in audience]),
    )
    response = run.client.memstore.create_listing(parent=run.org, listing_id=listing_id, listing=listing)
    show(response.listing, as_json=run.as_json, title="created")


def _change(context: typer.Context, verb: str, name: str, reason: str) -> None:
    run = session(context)
    call = getattr(run.client.memstore, f"{verb}_listing")
    changed = call(name=run.absolute(name, "listings"), reason=reason).listing
    show_all([changed], _COLUMNS[:3], as_json=run.as_json)


add_verbs(app, "listing", _VERBS, _change, example="guide")


@app.command(epilog="Example: memporium listing release guide 1.0.0 --vault handbook --changelog 'First edition'")
def release(
    context: typer.Context,
    name: Name,
    version: Annotated[str, typer.Argument(help="Semantic version, higher than every one before.")],
    vault: Annotated[str, typer.Option(help="Vault to pack.")],
    tag: Annotated[list[str], typer.Option(help="Pack only memories with any of these labels.")] = [],
    changelog: Annotated[str, typer.Option(help="What is new.")] = "",
    mask_personal_data: Annotated[
        bool, typer.Option(help="Mask personal data in the release; without it, a release that has some is refused.")
    ] = False,
    sample: Annotated[
        int,
        typer.Option(help="Seal only so many memories, drawn evenly, as a sample for trials; 0: all of them.", min=0),
    ] = 0,
) -> None:
    """Seal memories of a vault as an immutable release, publish it and tell the subscribers."""
    run = session(context)
    chosen = listing_pb2.CubeSelection(any_tags=tag)
    if sample:
        parent = run.absolute(vault, "vaults")
        chosen = listing_pb2.CubeSelection(cubes=_drawn(run, parent, tag, sample, f"{name} {version}"))
    response = run.client.memstore.create_release(
        parent=run.absolute(name, "listings"),
        version=version,
        vault=run.absolute(vault, "vaults"),
        selection=chosen,
        sample=bool(sample),
        changelog=changelog,
        pii_policy=listing_pb2.PII_POLICY_MASK if mask_personal_data else listing_pb2.PII_POLICY_REFUSE,
        timeout_s=3600,
    )
    show(response.release, as_json=run.as_json, title="released")


@app.command(epilog="Example: memporium listing revoke-release orgs/acme/listings/guide/releases/1.0.0 --reason typo")
def revoke_release(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Full name of the release.")],
    reason: Reason = "",
) -> None:
    """Take a release back and tell the subscribers."""
    run = session(context)
    show(run.client.memstore.revoke_release(name=name, reason=reason).release, as_json=run.as_json, title="revoked")


@app.command(epilog="Example: memporium listing offer guide free --auto-agree")
def offer(
    context: typer.Context,
    name: Name,
    offer_id: Annotated[str, typer.Argument(help="Id of the offer.")],
    terms: Annotated[str, typer.Option(help=f"{_TERMS}; empty: the listing's.")] = "",
    auto_agree: Annotated[bool, typer.Option(help="Agree at once to whoever takes these very terms.")] = False,
    price: Annotated[
        str, typer.Option(help="'0.25 EUR a call, at most 10 EUR', or '9 EUR a month'; empty: free of charge.")
    ] = "",
    trial: Annotated[str, typer.Option(help="Free of charge for this long, for instance '14 days'.")] = "",
    of_sample: Annotated[str, typer.Option("--sample", help="Full name of the sample release that is tried.")] = "",
    statements: Annotated[
        str,
        typer.Option(
            help="State what was used at the end of each hour, day, month or year, or of the agreement; "
            "empty: each period that is paid for, or each month."
        ),
    ] = "",
    audience: Audience = [],
) -> None:
    """Offer a listing under terms: free of charge, for a price, or as a trial."""
    run = session(context)
    proposed = offer_pb2.Offer(
        title=offer_id,
        terms=_terms.read(terms) if terms else None,
        price=_price.plan(price, trial, of_sample, statements),
        audience=_audience([run.parent(org) for org in audience]),
        auto_agree=auto_agree,
    )
    parent = run.absolute(name, "listings")
    response = run.client.memstore.create_offer(parent=parent, offer_id=offer_id, offer=proposed)
    show(response.offer, as_json=run.as_json, title="offered")


@app.command(epilog="Example: memporium listing offers orgs/acme/listings/guide")
def offers(context: typer.Context, name: Name) -> None:
    """List the offers of a listing that you may take."""
    run = session(context)
    found = all_pages(run.client.memstore.list_offers, "offers", parent=run.absolute(name, "listings"))
    show_all(found, ["name", "terms.title", "state", "auto_agree"], as_json=run.as_json)


@app.command(epilog="Example: memporium listing withdraw orgs/acme/listings/guide/offers/free")
def withdraw(context: typer.Context, name: Annotated[str, typer.Argument(help="Full name of the offer.")]) -> None:
    """Withdraw an offer: it takes no new agreements."""
    run = session(context)
    show(run.client.memstore.withdraw_offer(name=name).offer, as_json=run.as_json, title="withdrawn")


@app.command(epilog="Example: memporium listing releases orgs/acme/listings/guide")
def releases(context: typer.Context, name: Name) -> None:
    """List the releases of a listing."""
    run = session(context)
    found = all_pages(run.client.memstore.list_releases, "releases", parent=run.absolute(name, "listings"))
    show_all(found, ["name", "state", "cube_count", "changelog"], as_json=run.as_json)


@app.command(name="list", epilog="Example: memporium listing list")
def list_(context: typer.Context) -> None:
    """List the listings of your organisation."""
    run = session(context)
    show_all(all_pages(run.client.memstore.list_listings, "listings", parent=run.org), _COLUMNS, as_json=run.as_json)


@app.command(epilog="Example: memporium listing search 'office printer'")
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="Words; empty: everything.")] = "",
    limit: Annotated[int, typer.Option(help="Most results.", min=1, max=1000)] = 20,
    peer: Annotated[str, typer.Option(help="Look in the catalogue of this other platform.")] = "",
) -> None:
    """Search the catalogue: every listing that you may see."""
    run = session(context)
    elsewhere = f"peers/{peer.removeprefix('peers/')}" if peer else ""
    response = run.client.memstore.search_listings(query=query, page_size=limit, peer=elsewhere)
    show_all(response.listings, ["name", "title", "latest_release", "tags"], as_json=run.as_json)


@app.command(epilog="Example: memporium listing get orgs/acme/listings/guide")
def get(context: typer.Context, name: Name) -> None:
    """Show one listing with its terms."""
    run = session(context)
    show(run.client.memstore.get_listing(name=run.absolute(name, "listings")).listing, as_json=run.as_json)


@app.command(epilog="Example: memporium listing templates evaluation > my-terms.yaml")
def templates(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Template to print, to be changed and given as a file.")] = "",
) -> None:
    """List the licence templates that the platform ships, or print one."""
    _terms.show_templates(name, as_json=session(context).as_json)


def _drawn(run: Session, vault: str, tags: list[str], count: int, line: str) -> list[str]:
    """Return so many memories of a vault: a fair draw that comes out the same for the same listing and version."""
    cubes = all_pages(run.client.vault.list_cubes, "cubes", parent=vault, filter=cubes_pb2.CubeFilter(tags_any=tags))
    names = sorted((cube.name for cube in cubes), key=lambda cube: sha256(f"{line} {cube}".encode()).digest())
    return names[:count]


def _audience(orgs: list[str]) -> listing_pb2.Audience:
    if not orgs:
        return listing_pb2.Audience(scope=listing_pb2.Audience.SCOPE_PUBLIC)
    return listing_pb2.Audience(scope=listing_pb2.Audience.SCOPE_ORGANISATIONS, organisations=orgs)
