"""Usage statements: every use of an agreement on one of them, sums that can be checked, and what is owed."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memporium_platform.licence.terms import Unit
from memporium_services.memstore.domain.entitlements import Units
from memporium_services.memstore.domain.negotiations import Signature  # noqa: TC001 - rows are read by these types
from memporium_services.memstore.domain.prices import Price
from memporium_services.memstore.domain.statement import canonical_json
from memporium_services.memstore.domain.voids import StatementState, Void

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memporium_services.memstore.domain.entitlements import Usage

STATEMENT_TYPE = "application/vnd.memporium.usage-statement.v1+json"
BILLING_TYPES = {
    "CSV": "application/vnd.memporium.billing.v1+csv",
    "JSON": "application/vnd.memporium.billing.v1+json",
}
_MICROS = 1_000_000
# Beside what is signed: what became of it since.
_UNSIGNED = frozenset({"document_sha256", "signatures", "provider", "consumer", "refusal", "void"})


@dataclass(frozen=True, slots=True)
class Line:
    """A sum of uses of one action on one form for one purpose."""

    action: str
    form: str
    purpose: str
    uses: int
    units: Units


@dataclass(frozen=True, slots=True)
class UsageStatement:
    """What was used since the statement before.

    Attributes:
        name: `orgs/{provider}/agreements/{agreement}/statements/{number}`.
        number: From 1, without a gap.
        agreement: The agreement.
        provider: Id of the provider.
        consumer: Id of the consumer.
        listing: The listing.
        start_us: When the one before was made, or the agreement came into force.
        end_us: When it was made.
        lines: The sums.
        amount: What is owed for it.
        due: What is owed in all until then.
        uses_sha256: Digest over the uses.
        previous_sha256: Digest of the statement before; "": none.
        document_sha256: Digest of its bytes.
        signatures: Under these bytes: the consumer's, the platform's, that of the provider's platform.
        refusal: Why the provider's platform refused it; "": it did not.
        void: That it does not count; None: it does.
    """

    name: str
    number: int
    agreement: str
    provider: str
    consumer: str
    listing: str
    start_us: int
    end_us: int
    lines: tuple[Line, ...]
    amount: Price
    due: Price
    uses_sha256: str
    previous_sha256: str
    document_sha256: str = ""
    signatures: tuple[Signature, ...] = ()
    refusal: str = ""
    void: Void | None = None

    @property
    def state(self) -> StatementState:
        """Its state: on one platform it is settled when it is made, between two when the provider's has signed it."""
        if self.void is not None:
            return StatementState.VOIDED
        if "." not in self.provider or any(each.organisation.startswith("peers/") for each in self.signatures):
            return StatementState.SETTLED
        return StatementState.REFUSED if self.refusal else StatementState.ISSUED

    @property
    def link(self) -> str:
        """The digest that the next statement names."""
        return self.document_sha256 if self.void is None else self.void.document_sha256

    @property
    def sequence(self) -> int:
        """Its place among the statements of the agreement."""
        return self.number

    @property
    def total(self) -> Units:
        """Sum of all lines."""
        return _sum(line.units for line in self.lines)

    @property
    def uses(self) -> int:
        """Number of uses."""
        return sum(line.uses for line in self.lines)

    @property
    def payload(self) -> bytes:
        """The bytes that are signed."""
        kept = {name: value for name, value in asdict(self).items() if name not in _UNSIGNED}
        parties = {"provider": f"orgs/{self.provider}", "consumer": f"orgs/{self.consumer}"}
        return canonical_json({"format": "memporium-usage-statement-1", **kept, **parties})


def lines_of(uses: Iterable[Usage]) -> tuple[Line, ...]:
    """Return the sums, by action, form and purpose."""
    found: dict[tuple[str, str, str], list[Units]] = {}
    for use in uses:
        found.setdefault((use.action, use.form, use.purpose), []).append(use.units)
    return tuple(Line(*key, len(units), _sum(units)) for key, units in sorted(found.items()))


def digest_of_uses(uses: Sequence[Usage]) -> str:
    """Return the digest over uses in the order of time and id; each is a line of canonical JSON."""
    digest = hashlib.sha256()
    for use in sorted(uses, key=lambda one: (one.time_us, one.use_id)):
        digest.update(canonical_json({"use_id": use.use_id, "time_us": use.time_us, **asdict(use.units)}) + b"\n")
    return digest.hexdigest()


_HEAD = (
    "agreement", "statement", "listing", "provider", "consumer", "start", "end", "uses", "calls", "memories", "tokens",
    "bytes", "derivations", "currency", "amount", "sha256", "state",
)  # fmt: skip


def bill(statements: Iterable[UsageStatement], form: str) -> bytes:
    """Return statements for bookkeeping; `form` is CSV or JSON. Amounts are decimal numbers of the currency's unit."""
    rows = [_row(one) for one in statements]
    if form == "JSON":
        return (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode()
    text = io.StringIO()
    writer = csv.DictWriter(text, _HEAD)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _row(one: UsageStatement) -> dict[str, Any]:
    # What does not count keeps its number, so that none is missing, and its uses are on a later one.
    counts = one.void is None
    total, amount = (one.total, one.amount) if counts else (Units(), Price(one.amount.currency, 0))
    values = (
        one.agreement, one.number, one.listing, f"orgs/{one.provider}", f"orgs/{one.consumer}", _time(one.start_us),
        _time(one.end_us), one.uses if counts else 0, total.calls, total.memories, total.tokens, total.bytes,
        total.derivations, amount.currency, _amount(amount), one.document_sha256, one.state.value.lower(),
    )  # fmt: skip
    return dict(zip(_HEAD, values, strict=True))


def _amount(price: Price) -> str:
    whole, rest = divmod(abs(price.micros), _MICROS)
    return f"{'-' if price.micros < 0 else ''}{whole}.{rest:06d}"


def _time(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / _MICROS, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _sum(units: Iterable[Units]) -> Units:
    found = list(units)
    return Units(*(sum(one.of(unit) for one in found) for unit in Unit))
