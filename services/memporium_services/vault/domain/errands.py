"""Forgetting in all vaults of an organisation, as far as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class ErrandRow:
    """What is to be forgotten, and for whom.

    Attributes:
        errand_id: Id of the receipt to come.
        asked_sealed: The request, under a key of its own.
        caller: Who asked, and the call, as JSON.
        update_us: When somebody last went on with it.
    """

    errand_id: str
    org: str
    asked_sealed: bytes
    caller: str
    create_us: int
    update_us: int


class ErrandVault(NamedTuple):
    """A vault of an errand.

    Attributes:
        outcome: What became of it, as the bytes of an answer; empty: it was not seen to.
    """

    vault_uid: str
    vault: str
    outcome: bytes
