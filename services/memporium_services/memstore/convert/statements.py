"""Usage statements and bills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.cube.v1 import cube_pb2
from memporium.memstore.v1 import statement_calls_pb2, statement_pb2, terms_pb2
from memporium_services.memstore.convert.values import enum_in, price_out, signed_out, time_out, units_out
from memporium_services.memstore.domain.statements import BILLING_TYPES, STATEMENT_TYPE
from memporium_services.memstore.domain.voids import VOID_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memporium_services.memstore.app.market import Shown
    from memporium_services.memstore.domain.negotiations import Signature
    from memporium_services.memstore.domain.statements import Line, UsageStatement
    from memporium_services.memstore.domain.voids import Void

_CHUNK_BYTES = 256 << 10


def statement_out(shown: Shown[UsageStatement]) -> statement_pb2.UsageStatement:
    """Return the message."""
    statement = shown.entity
    return statement_pb2.UsageStatement(
        name=statement.name,
        number=statement.number,
        agreement=statement.agreement,
        provider=f"orgs/{statement.provider}",
        consumer=f"orgs/{statement.consumer}",
        listing=statement.listing,
        start_time=time_out(statement.start_us),
        end_time=time_out(statement.end_us),
        lines=[_line(each) for each in statement.lines],
        total=units_out(statement.total),
        uses=statement.uses,
        amount=price_out(statement.amount),
        uses_sha256=statement.uses_sha256,
        previous_sha256=statement.previous_sha256,
        sha256=statement.document_sha256,
        document=signed_out(STATEMENT_TYPE, shown.document, statement.signatures),
        state=statement_pb2.UsageStatement.State.Value(f"STATE_{statement.state.value}"),
        refusal=statement.refusal,
        voiding=_voiding(statement.void, shown.further),
    )


def _voiding(void: Void | None, content: bytes) -> statement_pb2.StatementVoiding | None:
    if void is None:
        return None
    return statement_pb2.StatementVoiding(
        reason=void.reason,
        void_time=time_out(void.time_us),
        sha256=void.document_sha256,
        document=signed_out(VOID_TYPE, content, void.signatures),
    )


def _line(line: Line) -> statement_pb2.StatementLine:
    return statement_pb2.StatementLine(
        action=terms_pb2.LicenceAction.Value(f"LICENCE_ACTION_{line.action}"),
        form=cube_pb2.MemoryForm.Value(f"MEMORY_FORM_{line.form}"),
        purpose=line.purpose,
        uses=line.uses,
        units=units_out(line.units),
    )


def form_in(value: int) -> str:
    """Return CSV or JSON."""
    return enum_in(value, statement_calls_pb2.ExportBillingRequest.Format, "FORMAT_", default="CSV", field="format")


def billing_out(
    form: str, data: bytes, signature: Signature, count: int
) -> Iterator[statement_calls_pb2.ExportBillingResponse]:
    """Yield the messages: the bytes in pieces, then the signature over all of them."""
    for start in range(0, len(data), _CHUNK_BYTES):
        yield statement_calls_pb2.ExportBillingResponse(data=data[start : start + _CHUNK_BYTES])
    signed = signed_out(BILLING_TYPES[form], b"", (signature,), detached=True)
    yield statement_calls_pb2.ExportBillingResponse(signature=signed, statements=count)
