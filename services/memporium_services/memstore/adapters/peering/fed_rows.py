"""Rows of what two organisations share: what concerns another platform is put on its feed in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from memporium_platform.storage.sql.upsert import upsert
from memporium_services.memstore.adapters import tables
from memporium_services.memstore.adapters.entity_rows import EntityRows
from memporium_services.memstore.adapters.peering.rows import note_change
from memporium_services.memstore.domain.peering import names

if TYPE_CHECKING:
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.consents import Consent
    from memporium_services.memstore.domain.negotiations import Negotiation

E = TypeVar("E", bound="Negotiation | Agreement | Consent")


class FedRows(EntityRows[E]):
    """Rows of what two organisations share."""

    def put(self, entity: E) -> None:
        """Insert an entity, or take the place of the one of its name; tell the consumer's platform."""
        super().put(entity)
        if names.is_foreign(entity.consumer) and not names.is_foreign(entity.provider):
            note_change(self._conn, names.peer_of(entity.consumer), entity.name)


class AgreementRows(FedRows["Agreement"]):
    """Rows of agreements: those whose uses are stated from time to time are noted for that."""

    def put(self, entity: Agreement) -> None:
        """Insert an agreement, or take the place of the one of its name."""
        super().put(entity)
        if not names.is_foreign(entity.consumer) and entity.price.statement_period is not None:
            row = {"agreement": entity.name, "due_us": 0}
            self._conn.execute(upsert(tables.statement_dues, row, index_elements=["agreement"]))
