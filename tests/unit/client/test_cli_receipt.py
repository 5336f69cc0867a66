from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memporium.cli.receipt import problems_of, signing_key_of
from memporium.governance.v1.organisation_pb2 import OrganisationKeys
from memporium.vault.v1.cubes_pb2 import Receipt
from memporium_services.vault.app.receipts import sign

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
CUBE = "orgs/acme/vaults/v/cubes/c"


@pytest.fixture
def receipt() -> Receipt:
    made = Receipt(name="orgs/acme/receipts/r", kind=1, vault="orgs/acme/vaults/v", principal="orgs/acme/principals/p")
    made.cubes, made.versions, made.derived, made.exported = 2, 5, 1, 1
    made.kept_derived.append("orgs/acme/vaults/v/cubes/kept")
    made.exported_listings.append("orgs/acme/listings/guide")
    made.elsewhere.add(vault="orgs/acme/vaults/w", cubes=3, receipt="orgs/acme/receipts/s")
    made.elsewhere.add(vault="orgs/acme/vaults/x", cubes=1, refusal="LEGAL_HOLD")
    made.create_time.FromSeconds(1_700_000_000)
    sign(made, [CUBE], [hashlib.sha256(b"x").hexdigest()], "asked to", KEY)
    return made


def test_what_the_platform_signed_verifies(receipt: Receipt) -> None:
    assert problems_of(receipt, PUBLIC, [CUBE]) == []
    assert problems_of(receipt, PUBLIC, [CUBE + "2"]) == [f"{CUBE}2 is not covered"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("cubes", 3), ("exported", 0), ("derived", 0), ("key_destroyed", True), ("vault", "orgs/acme/vaults/w")],
)
def test_a_changed_field_is_named(receipt: Receipt, field: str, value: object) -> None:
    setattr(receipt, field, value)
    assert problems_of(receipt, PUBLIC, []) == [f"{field} was signed otherwise"]


def test_another_name_time_or_kept_cube_is_named(receipt: Receipt) -> None:
    receipt.name = "orgs/acme/receipts/other"
    receipt.create_time.FromSeconds(1)
    del receipt.kept_derived[:]
    assert len(problems_of(receipt, PUBLIC, [])) == 3


def test_neither_another_key_nor_another_statement_verifies(receipt: Receipt) -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key().public_bytes_raw()
    wrong = ["the signature is not the organisation's"]
    assert problems_of(receipt, other, []) == wrong
    assert problems_of(receipt, b"short", []) == wrong
    receipt.payload = receipt.payload.replace(b"2", b"3")
    assert problems_of(receipt, PUBLIC, []) == wrong


def test_a_receipt_from_before_the_key_changed_verifies_with_the_older_one(receipt: Receipt) -> None:
    newer = Ed25519PrivateKey.from_private_bytes(b"n" * 32).public_key().public_bytes_raw()
    keys = OrganisationKeys(signing_public_key=newer, previous_signing_public_keys=[b"x" * 32, PUBLIC])
    assert problems_of(receipt, signing_key_of(receipt, keys), [CUBE]) == []
    receipt.key_id = "somebody's"
    assert signing_key_of(receipt, keys) == newer


def test_what_became_of_other_vaults_is_signed(receipt: Receipt) -> None:
    told = "what became of other vaults was signed otherwise"
    for change in ({"cubes": 4}, {"receipt": ""}, {"refusal": "CUBE_FROZEN"}, {"vault": "orgs/acme/vaults/y"}):
        other = Receipt.FromString(receipt.SerializeToString())
        other.elsewhere[0].MergeFrom(type(other.elsewhere[0])(**change))
        if change == {"receipt": ""}:
            other.elsewhere[0].receipt = ""
        assert problems_of(other, PUBLIC, [CUBE]) == [told]
    receipt.exported_listings.append("orgs/acme/listings/other")
    assert problems_of(receipt, PUBLIC, [CUBE]) == ["exported_listings was signed otherwise"]
    del receipt.exported_listings[1]
    receipt.part_of = "orgs/acme/receipts/t"
    assert problems_of(receipt, PUBLIC, [CUBE]) == [told]


def test_what_is_not_ended_is_not_proved() -> None:
    so_far = Receipt(name="orgs/acme/receipts/r", kind=4, vault="orgs/acme", pending_vaults=2)
    assert problems_of(so_far, PUBLIC, []) == ["nothing is signed yet: 2 vaults are still to be seen to"]
