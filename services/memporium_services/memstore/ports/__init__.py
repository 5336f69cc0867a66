"""What the marketplace needs from outside: rows in transactions, keys, the sealer, and the scheduler."""

from memporium_services.memstore.ports.peers import DeliveryQueue, Sealed, Sealer, SealOrder, Signer, Signers
from memporium_services.memstore.ports.rows import CatalogueQuery, EventRows, Meter, Rows
from memporium_services.memstore.ports.store import Store, Transaction

__all__ = [
    "CatalogueQuery",
    "DeliveryQueue",
    "EventRows",
    "Meter",
    "Rows",
    "SealOrder",
    "Sealed",
    "Sealer",
    "Signer",
    "Signers",
    "Store",
    "Transaction",
]
