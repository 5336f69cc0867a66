"""A consumer's message goes through the code for callers here, with its own signature, and is noted beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from memporium_platform.errors import PlatformError, Reason
from memporium_services.memstore.app.peering.peering import signed_by
from memporium_services.memstore.domain.peering import names
from memporium_services.memstore.domain.statement import AGREEMENT_TYPE
from memporium_services.memstore.domain.statements import STATEMENT_TYPE
from memporium_services.memstore.domain.voids import VOID_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium_services.memstore.domain.peering.peers import OrgKeys
    from memporium_services.memstore.ports import Signer, Signers, Store, Transaction

T = TypeVar("T")

# What an organisation signs beside its messages.
_PRESENTED = (AGREEMENT_TYPE.encode(), STATEMENT_TYPE.encode(), VOID_TYPE.encode())


class NotingStore:
    """The marketplace's database, where each write also notes what it came from."""

    def __init__(self, store: Store, note: Callable[[Transaction, object], None]) -> None:
        """Call `note` with the transaction and the result of each write."""
        self._store, self._note = store, note

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` on one snapshot."""
        return await self._store.read(fn)

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` and the note in one transaction."""

        def both(tx: Transaction) -> T:
            result = fn(tx)
            self._note(tx, result)
            return result

        return await self._store.write(both)


class PresentedSigner:
    """An organisation of another platform: it signed before, here its signature is only held against its key."""

    def __init__(self, keys: OrgKeys, signature: str, platform: Signer) -> None:
        """Take its keys, its signature under the document (hexadecimal, or ""), and the platform's voice."""
        self._keys, self._signature, self._platform = keys, signature, platform
        self.key_id = keys.key_id

    @property
    def of_steps(self) -> Signer:
        """The platform signs the steps that it makes on the organisation's word."""
        return self._platform

    def sign(self, message: bytes) -> bytes:
        """Return the organisation's signature.

        Raises:
            PlatformError: PERMISSION_DENIED, where it gave none or it is not good.
        """
        signature = _hexadecimal(self._signature)
        known = any(kind in message[:200] for kind in _PRESENTED)
        if not known or not signed_by(self._keys.signing_key, message, signature):
            raise PlatformError(Reason.PERMISSION_DENIED, "the signature under the document is not good")
        return signature


def _hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


class PresentedSigners:
    """This platform's keys, and one organisation of another platform with what it presented."""

    def __init__(self, signers: Signers, presented: PresentedSigner) -> None:
        """Take both."""
        self._signers, self._presented = signers, presented

    async def of(self, org: str) -> Signer:
        """Return the signer of an organisation; "" is the platform."""
        return self._presented if names.is_foreign(org) else await self._signers.of(org)


class AbsentSigners:
    """This platform's keys; an organisation of another platform can sign nothing unless it presented something."""

    def __init__(self, signers: Signers) -> None:
        """Take this platform's."""
        self._signers = signers

    async def of(self, org: str) -> Signer:
        """Return the signer of an organisation; "" is the platform."""
        return _Absent(org) if names.is_foreign(org) else await self._signers.of(org)


class _Absent:
    key_id = ""

    def __init__(self, org: str) -> None:
        self._org = org

    @property
    def of_steps(self) -> Signer:
        return self

    def sign(self, message: bytes) -> bytes:
        del message
        text = f"orgs/{self._org} is of another platform, which alone signs for it"
        raise PlatformError(Reason.FAILED_PRECONDITION, text, metadata={"resource": f"orgs/{self._org}"})
