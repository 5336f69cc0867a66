"""`memporium receipt ...`: show what was forgotten, and verify that the platform signed it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.json_format import ParseDict

from memporium.cli._context import session
from memporium.cli._output import console, errors, print_json, show
from memporium.vault.v1.cubes_pb2 import Receipt

if TYPE_CHECKING:
    from memporium.governance.v1.organisation_pb2 import OrganisationKeys

app = typer.Typer(name="receipt", help="Receipts: signed proof of what was forgotten.", no_args_is_help=True)

# Of the statement and of the message's fields alike.
_COUNTS = ("cubes", "versions", "units", "blobs", "derived", "exported", "training_states")
_SAME = ("vault", "principal", "key_destroyed", *_COUNTS)
_ELSEWHERE = ("vault", "cubes", "receipt", "refusal")
Name = Annotated[str, typer.Argument(help="Full name of the receipt.")]


@app.command(epilog="Example: memporium receipt get orgs/acme/receipts/RECEIPT")
def get(context: typer.Context, name: Name) -> None:
    """Show one receipt."""
    run = session(context)
    show(run.client.vault.get_receipt(name=name).receipt, as_json=run.as_json)


@app.command(epilog="Example: memporium receipt verify receipt.json --cube orgs/acme/vaults/notes/cubes/CUBE")
def verify(
    context: typer.Context,
    receipt: Annotated[str, typer.Argument(help="Full name of a receipt, or a file that `receipt get --json` made.")],
    key: Annotated[
        str, typer.Option(help="The organisation's Ed25519 public key, hexadecimal; default: asked of the platform.")
    ] = "",
    cube: Annotated[
        list[str], typer.Option(help="A cube that must be among what was forgotten; may be repeated.")
    ] = [],
) -> None:
    """Check a receipt's signature, that its fields say what was signed, and that it covers cubes."""
    run = session(context)
    found = _read(Path(receipt)) if Path(receipt).is_file() else run.client.vault.get_receipt(name=receipt).receipt
    if key:
        public = bytes.fromhex(key)
    else:
        keys = run.client.governance.get_organisation_keys(name=found.name.partition("/receipts/")[0]).keys
        public = signing_key_of(found, keys)
    problems = problems_of(found, public, cube)
    if run.as_json:
        print_json({"receipt": found.name, "verified": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            errors.print(problem, style="red", markup=False, soft_wrap=True)
    else:
        console.print(f"[green]verified[/green] {found.name}: {found.cubes} cubes", soft_wrap=True)
    if problems:
        raise typer.Exit(code=1)


def signing_key_of(receipt: Receipt, keys: OrganisationKeys) -> bytes:
    """Return which of an organisation's keys made a receipt; one from before the key changed has an older one."""
    known = [keys.signing_public_key, *keys.previous_signing_public_keys]
    return next((one for one in known if hashlib.sha256(one).hexdigest() == receipt.key_id), known[0])


def problems_of(receipt: Receipt, public_key: bytes, cubes: list[str]) -> list[str]:
    """Return what is wrong with a receipt; nothing: the holder of the key signed just this."""
    if receipt.pending_vaults:
        return [f"nothing is signed yet: {receipt.pending_vaults} vaults are still to be seen to"]
    kind = receipt.payload_type.encode()
    # DSSE's pre-authentication encoding.
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(receipt.payload), receipt.payload)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(receipt.signature, signed)
        told = json.loads(receipt.payload)
    except (InvalidSignature, ValueError):
        return ["the signature is not the organisation's"]
    problems = [] if told["receipt"] == receipt.name else ["the signed statement is of another receipt"]
    if told["create_time"] != receipt.create_time.ToJsonString():
        problems.append("create_time was signed otherwise")
    # Statements from before a field was added lack it.
    problems += [f"{one} was signed otherwise" for one in _SAME if told.get(one, 0) != getattr(receipt, one)]
    lists = ("kept_derived", "exported_listings")
    problems += [f"{one} was signed otherwise" for one in lists if told.get(one, []) != sorted(getattr(receipt, one))]
    elsewhere = [{name: getattr(one, name) for name in _ELSEWHERE} for one in receipt.elsewhere]
    if told.get("elsewhere", []) != elsewhere or told.get("part_of", "") != receipt.part_of:
        problems.append("what became of other vaults was signed otherwise")
    gone = set(told["name_sha256"])
    problems += [f"{name} is not covered" for name in cubes if hashlib.sha256(name.encode()).hexdigest() not in gone]
    return problems


def _read(path: Path) -> Receipt:
    try:
        return ParseDict(json.loads(path.read_text(encoding="utf-8")), Receipt())
    except ValueError as error:
        raise typer.BadParameter(f"{path} holds no receipt: {error}", param_hint="RECEIPT") from error
