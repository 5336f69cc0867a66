"""What every concern of the marketplace shares: time, the store, signed steps, and who may see what."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from memporium_platform.call import Call, PrincipalKind, current_call
from memporium_platform.errors import denied
from memporium_platform.licence.codec import read_terms
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.signals import Signal
from memporium_services.memstore.domain.machine import Transition
from memporium_services.memstore.domain.statement import TRANSITION_TYPE, pre_authentication_encoding, statement_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from memporium_platform.clock import Clock
    from memporium_platform.licence.terms import Terms
    from memporium_platform.paging import PageTokens
    from memporium_services.memstore.ports import Signer, Signers, Store, Transaction
    from memporium_services.memstore.settings import MemstoreSettings

E = TypeVar("E")
T = TypeVar("T")

# Principal of steps that the platform makes by itself.
PLATFORM_ACTOR = "services/memstore"


@dataclass(frozen=True, slots=True)
class Shown(Generic[E]):
    """An entity with what belongs to it: bytes of its terms, of the signed document and of a further one, its steps."""

    entity: E
    terms: bytes = b""
    document: bytes = b""
    steps: tuple[Transition, ...] = ()
    further: bytes = b""


@dataclass(frozen=True, slots=True)
class Page(Generic[E]):
    """One page and the token of the next; "" where there is none."""

    items: list[E]
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class Market:
    """The shared parts.

    Attributes:
        store: The database.
        clock: The time.
        signers: Keys of the organisations and the platform.
        page_tokens: Seals page tokens.
        settings: The settings.
        entitlements_changed: Fires after agreements changed.
        events_added: Fires after events were added.
        deliveries_added: Fires after deliveries were added.
    """

    store: Store
    clock: Clock
    signers: Signers
    page_tokens: PageTokens
    settings: MemstoreSettings
    entitlements_changed: Signal = field(default_factory=Signal)
    events_added: Signal = field(default_factory=Signal)
    deliveries_added: Signal = field(default_factory=Signal)

    async def mutate(self, work: Callable[[Transaction, datetime], str], show: Callable[[Transaction, str], T]) -> T:
        """Run one mutation of the call in progress, once for its request id.

        Args:
            work: Changes rows and returns the name of the resource.
            show: Builds the answer from the name, in the same transaction.
        """
        call, now = current_call(), self.clock.now()

        def run(tx: Transaction) -> T:
            return show(tx, tx.once(call, now, lambda: work(tx, now)))

        return await self.store.write(run)

    def page(self, scope: str, found: list[E], size: int, cursor: Callable[[E], str]) -> Page[E]:
        """Return the first `size` of what was found, with a token where there was more."""
        if len(found) <= size:
            return Page(found)
        return Page(found[:size], self.page_tokens.seal(scope, {"after": cursor(found[size - 1])}))

    def after(self, scope: str, token: str) -> str:
        """Return the cursor in a page token; "" for the first page."""
        return str(self.page_tokens.open(scope, token).get("after", ""))


@dataclass(frozen=True, slots=True)
class Move:
    """Who makes a step, why and when."""

    signer: Signer
    actor: str
    organisation: str
    reason: str
    time_us: int


def move_by(call: Call, signer: Signer, *, reason: str, now: datetime) -> Move:
    """Return a step of the caller for its organisation."""
    organisation = f"orgs/{call.principal.org}" if call.principal.org else ""
    return Move(signer, call.principal.name, organisation, reason, to_us(now))


def sign_step(tx: Transaction, move: Move, *, resource: str, sequence: int, states: tuple[str, str, str]) -> None:
    """Keep a step, signed; `states` are the state before, the state after and the trigger."""
    before, after, trigger = states
    signer = move.signer.of_steps
    step = Transition(
        resource=resource,
        sequence=sequence,
        from_state=before,
        to_state=after,
        trigger=trigger,
        actor=move.actor,
        organisation=move.organisation,
        reason=move.reason,
        time_us=move.time_us,
        key_id=signer.key_id,
    )
    statement = statement_of(step)
    signature = signer.sign(pre_authentication_encoding(TRANSITION_TYPE, statement))
    tx.add_step(replace(step, statement=statement, signature=signature))


def caller_org() -> str:
    """Return the id of the caller's organisation."""
    return current_call().principal.org


def sees_all() -> bool:
    """Return whether the caller is a service of the platform with no user behind it."""
    return current_call().principal.kind is PrincipalKind.SERVICE


def refuse(resource: str) -> NoReturn:
    """Refuse what the caller may not see, in the words for what is not there.

    Raises:
        PlatformError: PERMISSION_DENIED.
    """
    raise denied(current_call().action, resource)


@lru_cache(maxsize=4096)
def parsed_terms(content: bytes) -> Terms:
    """Return the terms in agreed bytes; they never change, so they are read once."""
    return read_terms(content)


def last_part(name: str) -> str:
    """Return the last id of a name."""
    return name.rpartition("/")[2]
