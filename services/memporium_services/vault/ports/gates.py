"""The ports to other services: who embeds, and who permits the use of licensed memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from memporium_platform.call import Call


class Embedder(Protocol):
    """Turns texts into vectors."""

    async def embed(self, model: str, texts: Sequence[str], *, questions: bool = False) -> NDArray[np.float32]:
        """Return (n, d) float32, rows of unit length.

        Args:
            model: The embedding model.
            texts: What memory says; or, with `questions`, what it is searched with.
            questions: Some models want the two told apart.

        Raises:
            PlatformError: MODEL_UNAVAILABLE, UNAVAILABLE.
        """
        ...


class GrantedUse(NamedTuple):
    """A use that an agreement permits.

    Attributes:
        agreement: Its name.
        use_id: The use; the same for every step of one user call.
        attribution: Text to show.
        duties: Names of the duties.
        terms_sha256: Digest of the terms.
        counted: The terms count or ask for more than calls: what is given out must be told before it is shown.
    """

    agreement: str
    use_id: str
    attribution: str = ""
    duties: tuple[str, ...] = ()
    terms_sha256: str = ""
    counted: bool = False


class UseAsked(NamedTuple):
    """A use to be permitted; `action` and forms are numbers of the licence terms' enums.

    Attributes:
        agreement: The agreement.
        action: What is done.
        form: On which form.
        memories: Memories used.
        tokens: Tokens of their text or KV caches.
        bytes_used: Bytes of their content.
        further_forms: Forms used beside `form`.
        units_follow: The numbers are not known yet; they are told before anything is given out.
        onward_terms: Digest of the terms under which it is passed on.
        onward_listing: The listing by which it is passed on.
    """

    agreement: str
    action: int
    form: int = 1
    memories: int = 0
    tokens: int = 0
    bytes_used: int = 0
    further_forms: tuple[int, ...] = ()
    units_follow: bool = False
    onward_terms: str = ""
    onward_listing: str = ""


class EntitlementChange(NamedTuple):
    """The state of an agreement, and why it is in it.

    `dead`: uses are refused; `ended`: it never comes back; `erase`: copies must go.
    """

    agreement: str
    state: str
    revision: int
    dead: bool
    ended: bool
    erase: bool
    reason: str = ""


class LicenceGate(Protocol):
    """Asks whoever keeps the agreements; idempotent by use id."""

    async def reserve(self, call: Call, asked: UseAsked, use_id: str) -> GrantedUse:
        """Return the permission.

        Raises:
            PlatformError: LICENCE_NOT_PERMITTED, LICENCE_EXPIRED, LICENCE_REVOKED, LICENCE_SUSPENDED,
                LICENCE_QUOTA_EXHAUSTED.
        """
        ...

    async def commit(self, use: GrantedUse, asked: UseAsked, *, running: bool = False) -> None:
        """Count the use; `running`: it goes on, and whoever makes it ends it."""
        ...

    async def release(self, use: GrantedUse) -> None:
        """Give the reservation back."""
        ...

    def watch(self, after_revision: int) -> AsyncIterator[EntitlementChange]:
        """Yield every agreement's state, then changes, until the connection ends."""
        ...
