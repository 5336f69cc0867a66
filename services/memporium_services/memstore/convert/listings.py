"""Listings, releases and offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.memstore.v1 import listing_pb2, offer_pb2
from memporium.transfer.v1 import tracing_pb2
from memporium_platform.errors import invalid
from memporium_services.memstore.app.listings import ListingChange
from memporium_services.memstore.app.offers import OfferDraft
from memporium_services.memstore.app.releases import ReleaseDraft
from memporium_services.memstore.convert.values import (
    audience_in,
    audience_out,
    document_out,
    enum_in,
    plan_in,
    plan_out,
    steps_out,
    terms_in,
    time_out,
)
from memporium_services.memstore.ports import CatalogueQuery

if TYPE_CHECKING:
    from google.protobuf.field_mask_pb2 import FieldMask

    from memporium.memstore.v1 import listing_calls_pb2, release_calls_pb2
    from memporium_services.memstore.app.market import Shown
    from memporium_services.memstore.domain.listings import Listing
    from memporium_services.memstore.domain.offers import Offer
    from memporium_services.memstore.domain.releases import Release
    from memporium_services.memstore.domain.tracing import Tracing

_SETTABLE = frozenset({"title", "description", "tags", "audience", "terms"})
_MAX_WORDS = 16


def listing_in(message: listing_pb2.Listing) -> ListingChange:
    """Return every field, for a new listing."""
    return _change(message, _SETTABLE)


def change_in(message: listing_pb2.Listing, mask: FieldMask) -> ListingChange:
    """Return the fields that the mask names; those that are given where it is absent; all for `*`."""
    paths = set(mask.paths)
    if not paths:
        given = {descriptor.name for descriptor, _value in message.ListFields()}
        return _change(message, _SETTABLE & given)
    if paths == {"*"}:
        return _change(message, _SETTABLE)
    if not paths <= _SETTABLE:
        raise invalid("update_mask", f"can name {', '.join(sorted(_SETTABLE))}, or be *")
    return _change(message, paths)


def _change(message: listing_pb2.Listing, fields: frozenset[str] | set[str]) -> ListingChange:
    return ListingChange(
        title=message.title if "title" in fields else None,
        description=message.description if "description" in fields else None,
        tags=tuple(dict.fromkeys(message.tags)) if "tags" in fields else None,
        audience=audience_in(message.audience, "listing.audience") if "audience" in fields else None,
        terms=terms_in(message, "terms", "listing.terms") if "terms" in fields else None,
    )


def query_in(message: listing_calls_pb2.SearchListingsRequest, org: str) -> CatalogueQuery:
    """Return what to look for."""
    words = tuple(dict.fromkeys(message.query.casefold().split()))
    if len(words) > _MAX_WORDS:
        raise invalid("query", f"must have at most {_MAX_WORDS} words")
    provider = message.provider.removeprefix("orgs/")
    return CatalogueQuery(org, words, tuple(sorted(set(message.any_tags))), provider)


def listing_out(shown: Shown[Listing]) -> listing_pb2.Listing:
    """Return the message."""
    listing = shown.entity
    document = document_out(shown.terms)
    return listing_pb2.Listing(
        name=listing.name,
        uid=listing.uid,
        etag=listing.etag,
        title=listing.title,
        description=listing.description,
        tags=listing.tags,
        audience=audience_out(listing.audience),
        terms=document.terms if document is not None else None,
        terms_document=document,
        state=listing_pb2.Listing.State.Value(f"STATE_{listing.state.value}"),
        latest_release=listing.latest_release,
        create_time=time_out(listing.create_us),
        update_time=time_out(listing.update_us),
        history=steps_out(shown.steps),
        tracing=tracing_out(listing.tracing),
    )


def tracing_out(tracing: Tracing | None) -> tracing_pb2.Tracing | None:
    """Return the message, or None where it is not known."""
    if tracing is None:
        return None
    return tracing_pb2.Tracing(
        promise=tracing_pb2.TracePromise.Value(f"TRACE_PROMISE_{tracing.promise}"),
        slots=tracing.slots,
        words=tracing.words,
        canaries=tracing.canaries,
        statement=tracing.statement,
    )


def release_in(message: release_calls_pb2.CreateReleaseRequest) -> ReleaseDraft:
    """Return what a release is made from."""
    policy = enum_in(message.pii_policy, listing_pb2.PiiPolicy, "PII_POLICY_", default="REFUSE", field="pii_policy")
    return ReleaseDraft(
        version=message.version,
        changelog=message.changelog,
        vault=message.vault,
        cubes=tuple(message.selection.cubes),
        any_tags=tuple(message.selection.any_tags),
        mask_pii=policy == "MASK",
        sample=message.sample,
    )


def release_out(release: Release) -> listing_pb2.Release:
    """Return the message."""
    return listing_pb2.Release(
        name=release.name,
        uid=release.uid,
        version=release.version,
        number=release.number,
        changelog=release.changelog,
        bundle=release.bundle,
        manifest_sha256=release.manifest_sha256,
        cube_count=release.cube_count,
        sealed_bytes=release.sealed_bytes,
        terms_sha256=release.terms_sha256,
        state=listing_pb2.Release.State.Value(f"STATE_{release.state.value}"),
        reason=release.reason,
        create_time=time_out(release.create_us),
        publish_time=time_out(release.publish_us),
        revoke_time=time_out(release.revoke_us),
        sample=release.sample,
        tracing=tracing_out(release.tracing),
    )


def offer_in(message: offer_pb2.Offer) -> OfferDraft:
    """Return what an offer is made from."""
    return OfferDraft(
        title=message.title,
        terms=terms_in(message, "terms", "offer.terms"),
        price=plan_in(message.price, "offer.price"),
        audience=audience_in(message.audience, "offer.audience") if message.HasField("audience") else None,
        auto_agree=message.auto_agree,
    )


def offer_out(shown: Shown[Offer]) -> offer_pb2.Offer:
    """Return the message."""
    offer = shown.entity
    document = document_out(shown.terms)
    return offer_pb2.Offer(
        name=offer.name,
        uid=offer.uid,
        title=offer.title,
        terms=document.terms if document is not None else None,
        terms_document=document,
        price=plan_out(offer.price),
        audience=audience_out(offer.audience),
        auto_agree=offer.auto_agree,
        state=offer_pb2.Offer.State.Value(f"STATE_{offer.state.value}"),
        create_time=time_out(offer.create_us),
        withdraw_time=time_out(offer.withdraw_us),
        history=steps_out(shown.steps),
    )
