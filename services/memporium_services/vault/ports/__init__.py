"""What the vault's app needs from the world: the store within a transaction, an embedder, a licence gate."""

from memporium_services.vault.ports.gates import Embedder, EntitlementChange, GrantedUse, LicenceGate, UseAsked
from memporium_services.vault.ports.store import OpenStore, Store, VaultDelta

__all__ = [
    "Embedder",
    "EntitlementChange",
    "GrantedUse",
    "LicenceGate",
    "OpenStore",
    "Store",
    "UseAsked",
    "VaultDelta",
]
