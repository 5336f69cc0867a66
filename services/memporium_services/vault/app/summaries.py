"""The receipt of a forgetting in all vaults of an organisation: what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.vault.v1.cubes_pb2 import ForgottenElsewhere, Receipt
from memporium.vault.v1.vault_service_pb2 import ForgetEverywhereResponse
from memporium_services.vault.app import codec
from memporium_services.vault.app.receipts import FORGET_EVERYWHERE, sign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from memporium_services.vault.app.forget_asked import Forgotten
    from memporium_services.vault.domain.errands import ErrandVault
    from memporium_services.vault.ports import Store

_SUMS = ("cubes", "versions", "units", "blobs", "derived", "exported", "training_states")


def outcomes_of(told: Forgotten) -> list[ForgottenElsewhere]:
    """Return what became of a vault, of its branches, and of those that each led to."""
    found = []
    for receipt in (told.receipt, *told.branch_receipts):
        if receipt is None:
            continue
        if receipt.cubes:
            found.append(ForgottenElsewhere(vault=receipt.vault, cubes=receipt.cubes, receipt=receipt.name))
        found += receipt.elsewhere
    return found


def summary_of(
    store: Store,
    org: str,
    errand_id: str,
    vaults: Sequence[ErrandVault],
    principal: str,
    now_us: int,
    *,
    key: Ed25519PrivateKey | None = None,
) -> Receipt:
    """Return the receipt of all vaults that were seen to; it is signed once none is left, by `key`."""
    receipt = Receipt(
        name=f"orgs/{org}/receipts/{errand_id}",
        kind=FORGET_EVERYWHERE,  # type: ignore[arg-type]
        vault=f"orgs/{org}",
        principal=principal,
        pending_vaults=sum(not one.outcome for one in vaults),
    )
    codec.set_time(receipt.create_time, now_us)
    for vault in vaults:
        receipt.elsewhere.extend(ForgetEverywhereResponse.FromString(vault.outcome).outcomes)
    kept: set[str] = set()
    listings: set[str] = set()
    for one in receipt.elsewhere:
        part = Receipt.FromString(store.receipt(org, one.receipt.rpartition("/")[2]) or b"") if one.receipt else None
        if part is not None:
            kept.update(part.kept_derived)
            listings.update(part.exported_listings)
            for field in _SUMS:
                setattr(receipt, field, getattr(receipt, field) + getattr(part, field))
    receipt.kept_derived.extend(sorted(kept))
    receipt.exported_listings.extend(sorted(listings))
    if key is not None:
        sign(receipt, [], [], "", key)
    return receipt
