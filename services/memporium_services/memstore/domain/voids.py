"""Statements of uses that were refused, and how they are voided: no number is used again, its uses are stated anew."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from memporium_services.memstore.domain.machine import Machine, Side
from memporium_services.memstore.domain.negotiations import Signature  # noqa: TC001 - rows are read by these types
from memporium_services.memstore.domain.statement import canonical_json

VOID_TYPE = "application/vnd.memporium.usage-statement-void.v1+json"


class StatementState(StrEnum):
    """The state of a statement."""

    ISSUED = "ISSUED"
    SETTLED = "SETTLED"
    REFUSED = "REFUSED"
    VOIDED = "VOIDED"


_S = StatementState
STATEMENT_MACHINE: Machine[StatementState] = Machine(
    {
        (_S.ISSUED, "settle", Side.PROVIDER): _S.SETTLED,
        (_S.ISSUED, "refuse", Side.PROVIDER): _S.REFUSED,
        # The answer that said yes was lost, and whoever asked was turned away before it came again.
        (_S.REFUSED, "settle", Side.PROVIDER): _S.SETTLED,
        (_S.REFUSED, "void", Side.CONSUMER): _S.VOIDED,
    }
)


@dataclass(frozen=True, slots=True)
class Void:
    """That a statement does not count.

    Attributes:
        reason: Why, in the consumer's words.
        time_us: When the consumer voided it.
        message_sha256: The message with the statement that was refused.
        document_sha256: Digest of the bytes that are signed for it; the next statement names it.
        signatures: Under these bytes: the consumer's, its platform's, the provider's platform's.
    """

    reason: str
    time_us: int
    message_sha256: str
    document_sha256: str
    signatures: tuple[Signature, ...] = ()


@dataclass(frozen=True, slots=True)
class VoidDocument:
    """What is signed, by the names of the provider's platform.

    Attributes:
        agreement: The agreement.
        statement: The statement.
        number: Its number.
        statement_sha256: Digest of its bytes.
        previous_sha256: Digest of what it followed.
        start_us: From when it counted.
        end_us: Until when.
        message_sha256: The message with it that was refused.
        reason: Why it is voided.
        time_us: When.
    """

    agreement: str
    statement: str
    number: int
    statement_sha256: str
    previous_sha256: str
    start_us: int
    end_us: int
    message_sha256: str
    reason: str
    time_us: int

    @property
    def payload(self) -> bytes:
        """The bytes that are signed."""
        return canonical_json({"format": "memporium-usage-statement-void-1", **asdict(self)})
